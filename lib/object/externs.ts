/**
 * Values of externs: what a program reads of the kernel's configuration (`.kconfig`) and of its symbols (`.ksyms`).
 *
 * @module
 */

import {
  type Btf,
  BTF_KIND_ARRAY,
  BTF_KIND_ENUM,
  BTF_KIND_ENUM64,
  BTF_KIND_FUNC,
  BTF_KIND_INT,
  BTF_KIND_VAR,
  essentialName,
} from "../btf/btf.ts";
import { typesCompatible } from "../core/match.ts";
import { typeWords } from "../core/spec.ts";
import { DetraceError } from "../error.ts";
import type { ReferringInsn } from "./object.ts";
import { MAP } from "./unpack.ts";
import type { BpfObjectSpec, ExternSpec, MapSpec } from "./spec.ts";

const BPF_PSEUDO_BTF_ID = 3, BPF_PSEUDO_KFUNC_CALL = 2;
/** What a call of a missing function calls: the verifier's refusal then shows which one it was. */
const POISONED_KFUNC = 2002000000;
const BPF_MAP_TYPE_ARRAY = 2, BPF_F_RDONLY_PROG = 1 << 7, BPF_F_MMAPABLE = 1 << 10;
const BTF_INT_SIGNED = 1, BTF_INT_BOOL = 4;
const LIMIT = 1 << 20; // bytes of .kconfig that are believed
const WEAK = "declare it __weak if the program can do without";

/** What an extern is bound to. */
export type ExternValue =
  /** `.kconfig`: its place in the map's value, in bytes. A weak one that is absent is there too, as zero. */
  | { kind: "data"; offset: number }
  /** `.ksyms` without a type: the symbol's address. */
  | { kind: "address"; value: bigint }
  /** `.ksyms` with a type: id of the variable or function in the kernel's BTF, or in that of a module. */
  | { kind: "btf"; id: number; module?: string; fd?: number }
  /** `.ksyms`: weak and absent. */
  | { kind: "missing" };

/** Where values come from. Each is asked only if an extern needs it. */
export interface ExternSources {
  /** The kernel's BTF. */
  kernelBtf: () => Btf;
  /** The BTF of its modules by name. */
  modules?: () => Map<string, Btf>;
  /** The kernel's symbols: all addresses of a name, its `.llvm.` suffix left out. */
  kallsyms: () => { lookup(name: string): bigint[] };
  /** Text of a kernel configuration, as a file of it has it: its lines win over those of the next. */
  kconfig?: string | undefined;
  /** Text of the running kernel's configuration. Throws if there is none. */
  readKconfig: () => string;
  /** `LINUX_KERNEL_VERSION`. */
  kernelVersion: () => number;
  /** `LINUX_HAS_BPF_COOKIE`. */
  hasBpfCookie: () => boolean;
  /** `LINUX_HAS_SYSCALL_WRAPPER`: system calls are functions of one `struct pt_regs *`. */
  hasSyscallWrapper: () => boolean;
}

/** A variable of `.kconfig`. Sizes and offsets in bytes. */
interface Variable {
  readonly name: string;
  readonly weak: boolean;
  readonly form: "bool" | "char" | "int" | "tristate" | "char array";
  readonly signed: boolean;
  readonly size: number;
  readonly align: number;
  offset: number;
}

/** What values fit a type; undefined if none do. */
function formOf(btf: Btf, id: number): Variable["form"] | undefined {
  id = btf.skip(id);
  const size = btf.sizeOrType(id);
  switch (btf.kind(id)) {
    case BTF_KIND_INT:
      if (btf.intEncoding(id) & BTF_INT_BOOL) return size === 1 ? "bool" : undefined;
      return size === 1 ? "char" : size === 2 || size === 4 || size === 8 ? "int" : undefined;
    case BTF_KIND_ENUM:
    case BTF_KIND_ENUM64:
      return btf.name(id) === "libbpf_tristate" && (size === 4 || size === 8) ? "tristate" : undefined;
    case BTF_KIND_ARRAY: {
      // An array's element must not be an array, so this ends.
      const element = btf.skip(btf.arrayElement(id));
      if (btf.kind(element) === BTF_KIND_INT && formOf(btf, element) === "char" && btf.arrayLength(id)) {
        return "char array";
      }
    }
  }
}

/** A number as C writes it, with strtoull's idea of a sign; undefined if it is none or needs more than 64 bits. */
function parseNumber(text: string): bigint | undefined {
  const [, sign, digits] = /^([+-]?)(0x[\da-f]{1,16}|0[0-7]{0,22}|[1-9]\d{0,19})$/i.exec(text) ?? [];
  if (digits === undefined) return undefined;
  const value = BigInt(digits.replace(/^0(?=\d)/, "0o"));
  return value >> 64n ? undefined : sign === "-" ? BigInt.asUintN(64, -value) : value;
}

/**
 * Finds the value of every extern of an object.
 *
 * @param spec The object; left as it is.
 * @param sources The kernel.
 * @returns `values` by name; `kconfig`: the value of the `.kconfig` map, undefined if no extern is in it.
 * @throws {DetraceError} Names the extern that is strong and absent, or does not fit what the kernel has.
 *
 * @example
 * ```ts
 * import { resolveExterns } from "detrace/lib/object/externs.ts";
 * import { BtfBuilder } from "detrace/lib/btf/build.ts";
 * import { Btf } from "detrace/lib/btf/btf.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const builder = new BtfBuilder();
 * const typeId = builder.addInt("int", 4, { signed: true });
 * const extern = { name: "CONFIG_HZ", section: ".kconfig", weak: false, typeId, isFunction: false } as const;
 * const no = () => {
 *   throw new Error("not asked");
 * };
 * const { values, kconfig } = resolveExterns({
 *   name: "example",
 *   license: "GPL",
 *   version: 0,
 *   btf: Btf.parse(builder.build()),
 *   btfBytes: undefined,
 *   programs: new Map(),
 *   functions: new Map(),
 *   maps: new Map(),
 *   globals: new Map(),
 *   externs: new Map([[extern.name, extern]]),
 * }, {
 *   kconfig: "CONFIG_HZ=250\n",
 *   readKconfig: no,
 *   kernelBtf: no,
 *   kallsyms: no,
 *   kernelVersion: no,
 *   hasBpfCookie: no,
 *   hasSyscallWrapper: no,
 * });
 * assertEquals(values.get("CONFIG_HZ"), { kind: "data", offset: 0 });
 * assertEquals(kconfig, new Uint8Array([250, 0, 0, 0]));
 * ```
 */
export function resolveExterns(
  spec: BpfObjectSpec,
  sources: ExternSources,
): { values: Map<string, ExternValue>; kconfig: Uint8Array<ArrayBuffer> | undefined } {
  const resolver = new Resolver(spec, sources);
  return { values: resolver.values, kconfig: resolver.kconfig };
}

/**
 * Binds an instruction to an extern.
 *
 * @param value What the extern is.
 * @param index Its place among the object's externs, which the verifier's log shows where it is missing.
 * @param insn The instruction.
 */
export function linkExtern(value: ExternValue | undefined, index: number, insn: ReferringInsn): void {
  switch (value?.kind) {
    case "data":
      return insn.data(".kconfig", value.offset);
    case "address":
      return insn.set(
        0,
        Number(BigInt.asIntN(32, value.value)),
        Number(BigInt.asIntN(32, value.value >> 32n)),
      );
    case "btf":
      if (!insn.call) return insn.set(BPF_PSEUDO_BTF_ID, value.id, value.fd ?? 0);
      insn.set(BPF_PSEUDO_KFUNC_CALL, value.id);
      if (value.fd !== undefined) insn.module(value.fd);
      return;
    default:
      if (insn.call) insn.set(0, POISONED_KFUNC + index);
      else insn.set(0, 0, 0);
  }
}

/** The map that `.kconfig` becomes. */
export function kconfigMap(data: Uint8Array<ArrayBuffer>): MapSpec {
  return {
    ...MAP,
    name: ".kconfig",
    type: BPF_MAP_TYPE_ARRAY,
    keySize: 4,
    valueSize: data.length,
    maxEntries: 1,
    flags: BPF_F_MMAPABLE | BPF_F_RDONLY_PROG,
    extra: 0n,
    data,
  };
}

class Resolver {
  readonly values: Map<string, ExternValue> = new Map();
  kconfig: Uint8Array<ArrayBuffer> | undefined;
  #kernel: Btf | undefined;
  #symbols: { lookup(name: string): bigint[] } | undefined;

  constructor(private readonly spec: BpfObjectSpec, private readonly sources: ExternSources) {
    const { btf } = spec, variables: Variable[] = [];
    for (const extern of spec.externs.values()) {
      if (!btf) this.#refuse(extern.name, "has no type, because the object has no BTF");
      if (extern.section === ".ksyms") this.values.set(extern.name, this.#symbol(extern, btf));
      else variables.push(this.#variable(extern, btf));
    }
    if (variables.length) this.#lay(variables);
  }

  #refuse(name: string, what: string, hint?: string): never {
    throw new DetraceError(`${this.spec.name}: extern ${name} ${what}`, hint === undefined ? {} : { hint });
  }

  #variable({ name, weak, typeId }: ExternSpec, btf: Btf): Variable {
    const form = formOf(btf, typeId);
    if (!form) this.#refuse(name, "is of a type that no configuration value fits");
    const id = btf.skip(typeId), text = form === "char array";
    const size = text ? btf.arrayLength(id) : btf.sizeOrType(id);
    const signed = btf.kind(id) === BTF_KIND_INT && (btf.intEncoding(id) & BTF_INT_SIGNED) !== 0;
    return { name, weak, form, signed, size, align: text ? 1 : size, offset: 0 };
  }

  /** Gives every variable its place, then its value. */
  #lay(variables: Variable[]): void {
    variables.sort((a, b) => b.align - a.align || a.size - b.size || (a.name < b.name ? -1 : 1));
    let end = 0;
    for (const v of variables) {
      v.offset = Math.ceil(end / v.align) * v.align;
      end = v.offset + v.size;
      this.values.set(v.name, { kind: "data", offset: v.offset });
    }
    if (end > LIMIT) {
      this.#refuse(variables.at(-1)!.name, `makes .kconfig ${end} bytes long, too much to believe`);
    }
    this.kconfig = new Uint8Array(end);

    const { kconfig = "", readKconfig, kernelVersion, hasBpfCookie, hasSyscallWrapper } = this.sources;
    let unset = variables.filter((v) => {
      const { name } = v;
      if (name.startsWith("CONFIG_")) return true;
      let value = 0;
      if (name === "LINUX_KERNEL_VERSION") value = kernelVersion();
      else if (name === "LINUX_HAS_BPF_COOKIE") value = +hasBpfCookie();
      else if (name === "LINUX_HAS_SYSCALL_WRAPPER") value = +hasSyscallWrapper();
      else if (!name.startsWith("LINUX_") || !v.weak) {
        this.#refuse(name, "is neither a CONFIG_ option nor known to the loader");
      }
      this.#setNumber(v, BigInt(value), value);
      return false;
    });
    for (const text of [() => kconfig, readKconfig]) {
      if (!unset.length) return;
      const lines = `\n${text()}\n`;
      unset = unset.filter((v) => {
        const line = `\n${v.name}=`, at = lines.indexOf(line) + line.length;
        if (at < line.length) return true;
        this.#setText(v, lines.slice(at, lines.indexOf("\n", at)).trim());
        return false;
      });
    }
    for (const { name, weak } of unset) {
      if (!weak) this.#refuse(name, "is not set in the kernel's configuration", WEAK);
    }
  }

  #misfit({ name, form, signed, size }: Variable, value: unknown): never {
    this.#refuse(name, `is a ${signed ? "signed " : ""}${form} (size ${size}), which ${value} does not fit`);
  }

  #setText(v: Variable, text: string): void {
    const { form } = v;
    if (/^[nym]$/.test(text)) {
      if (form === "char") this.#put(v, BigInt(text.charCodeAt(0)));
      // enum libbpf_tristate: TRI_NO, TRI_YES, TRI_MODULE
      else if (form === "tristate" || form === "bool" && text !== "m") {
        this.#put(v, BigInt("nym".indexOf(text)));
      } else this.#misfit(v, text);
    } else if (/^".*"$/s.test(text)) {
      if (form !== "char array") this.#misfit(v, text);
      this.kconfig!.set(new TextEncoder().encode(text.slice(1, -1)).subarray(0, v.size - 1), v.offset);
    } else {
      const number = form === "bool" ? undefined : parseNumber(text);
      if (number === undefined) this.#misfit(v, text || "no value");
      this.#setNumber(v, number, text);
    }
  }

  /** Sets a number of 64 bits; `text`: the same as it is written, for the error. */
  #setNumber(v: Variable, value: bigint, text: unknown): void {
    const bits = v.form === "bool" ? 1 : v.size * 8;
    const fits =
      BigInt.asUintN(64, v.signed ? BigInt.asIntN(bits, value) : BigInt.asUintN(bits, value)) === value;
    if (!fits || v.form === "tristate" || v.form === "char array") this.#misfit(v, text);
    this.#put(v, value);
  }

  #put({ offset, size }: Variable, value: bigint): void {
    for (let i = 0; i < size; i++) this.kconfig![offset + i] = Number(value >> BigInt(8 * i) & 255n);
  }

  #symbol({ name, weak, isFunction, typeId }: ExternSpec, btf: Btf): ExternValue {
    const type = btf.skip(isFunction ? btf.sizeOrType(typeId) : typeId);
    let where = "the kernel's symbols";
    if (type === 0 && !isFunction) {
      this.#symbols ??= this.sources.kallsyms();
      const [value, other] = new Set(this.#symbols.lookup(name));
      if (other !== undefined) {
        this.#refuse(name, `is ambiguous: it is at 0x${value!.toString(16)} and 0x${other.toString(16)}`);
      }
      if (value !== undefined) return { kind: "address", value };
    } else {
      const kernel = this.#kernel ??= this.sources.kernelBtf();
      const wanted = isFunction ? essentialName(name) : name;
      const find = (types: Btf) => types.find(wanted, isFunction ? BTF_KIND_FUNC : BTF_KIND_VAR);
      let types = kernel, id = find(kernel), module: string | undefined;
      if (id === undefined) {
        for ([module, types] of this.sources.modules?.() ?? []) if ((id = find(types)) !== undefined) break;
      }
      if (id !== undefined) {
        const theirs = types.skip(types.sizeOrType(id));
        if (typesCompatible(btf, type, types, theirs)) {
          return { kind: "btf", id, ...module !== undefined && { module } };
        }
        if (!isFunction) {
          this.#refuse(
            name,
            `is declared as ${typeWords(btf, type)}, but the kernel has ${typeWords(types, theirs)}`,
          );
        }
        if (!weak) this.#refuse(name, "has other parameters or another result in the kernel");
      }
      where = `the ${isFunction ? "functions" : "variables"} of the kernel and its modules`;
    }
    return weak ? { kind: "missing" } : this.#refuse(name, `was not found among ${where}`, WEAK);
  }
}
