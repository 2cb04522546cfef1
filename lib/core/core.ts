/**
 * CO-RE relocation: makes a program that was compiled against one set of kernel types fit another, by patching the
 * instructions that depend on a type's layout.
 *
 * For each record the object's own type is looked up by name among the target's, the path that the record names is
 * followed there, and the value that the compiler left in the instruction is replaced by the target's. Where the target
 * has nothing of the kind, the instruction becomes a call that no kernel has: fine in code that never runs, and
 * recognizable in the verifier's log where it would. The rules are those of libbpf 1.6 (`src/relo_core.c`).
 *
 * @module
 */

import {
  type Btf,
  BTF_KIND_ARRAY,
  BTF_KIND_ENUM,
  BTF_KIND_INT,
  BTF_KIND_PTR,
  essentialName,
} from "../btf/btf.ts";
import { DetraceError } from "../error.ts";
import { matchEnumerator, matchField, typesAlike } from "./match.ts";
import {
  BPF_CORE_ENUMVAL_EXISTS,
  BPF_CORE_ENUMVAL_VALUE,
  BPF_CORE_FIELD_BYTE_OFFSET,
  BPF_CORE_FIELD_BYTE_SIZE,
  BPF_CORE_FIELD_EXISTS,
  BPF_CORE_FIELD_LSHIFT_U64,
  BPF_CORE_FIELD_SIGNED,
  BPF_CORE_TYPE_ID_LOCAL,
  BPF_CORE_TYPE_ID_TARGET,
  BPF_CORE_TYPE_MATCHES,
  BPF_CORE_TYPE_SIZE,
  CoreError,
  type CoreRelocation,
  isEnumeratorKind,
  isTypeKind,
  kindOf,
  parseLocal,
  Path,
  relocationWords,
  typeWords,
} from "./spec.ts";

export { CoreError, type CoreRelocation } from "./spec.ts";

/** Number of the helper that a poisoned instruction calls. No kernel has it. */
export const POISON = 0xbad2310;

const INT_SIGNED = 1;

// Instruction codes, include/uapi/linux/bpf_common.h
const BPF_LD = 0, BPF_LDX = 1, BPF_STX = 3, BPF_ALU = 4, BPF_ALU64 = 7;
const BPF_DW = 0x18, BPF_X = 0x08, BPF_CALL = 0x85;

/** The types that programs shall run against. */
export interface CoreTarget {
  /** The kernel's own. */
  vmlinux: Btf;
  /** Split BTF of its modules. Asked for only if vmlinux has no type of some name; left out: none. */
  modules?: () => readonly Btf[];
}

/** An instruction that was made invalid. */
export interface CorePoison {
  /** Index of the instruction. */
  insn: number;
  /** The relocation in words, and why it could not be done. */
  reason: string;
}

/** What a record asks for, answered from the types of one side. */
export interface CoreAnswer {
  /** 64 bits, unsigned. */
  value: bigint;
  /** Whether the instruction must hold the object's own value: the compiler may see a bitfield in another way. */
  sure: boolean;
  /** Type of the field whose offset is asked for; 0 for anything else. */
  type: number;
  /** Bytes that one access of that field takes. */
  bytes: number;
}

/** What a record does to its instruction. */
export interface CoreResult {
  /** What the compiler answered. */
  local: CoreAnswer;
  /** Undefined: the instruction must not run. */
  target: CoreAnswer | undefined;
  /** Why it must not, or, with a target, why a load or store of this width must not. */
  why: string;
  /** Where the record leads in each type of the target that fits. */
  matches: readonly Path[];
}

/** A type of the target that a root type may stand for. */
type Candidate = Pick<Path, "btf" | "root">;

/** What is known of a root type: the candidates left, and the results that they gave. */
interface Root {
  candidates: Candidate[];
  results: Map<string, CoreResult>;
}

/**
 * Relocates one object. What a record tells of a root type holds for the records after it, so use one for all programs.
 *
 * @example
 * ```ts
 * import { Btf } from "detrace/lib/btf/btf.ts";
 * import { BtfBuilder } from "detrace/lib/btf/build.ts";
 * import { CoreRelocator } from "detrace/lib/core/core.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const taskWith = (bitOffset: number) => {
 *   const builder = new BtfBuilder(), int = builder.addInt("int", 4, { signed: true });
 *   builder.addStruct("task_struct", 64, [{ name: "pid", type: int, bitOffset }]);
 *   return Btf.parse(builder.build());
 * };
 * const local = taskWith(0), vmlinux = taskWith(128);
 * const insns = Uint8Array.fromHex("6112000000000000"); // r2 = *(u32 *)(r1 + 0)
 * const relocation = { offset: 0, typeId: local.find("task_struct")!, accessString: "0:0", kind: 0 };
 * assertEquals(new CoreRelocator(local, { vmlinux }).relocate(insns, [relocation], "main"), []);
 * assertEquals(insns.toHex(), "6112100000000000"); // r2 = *(u32 *)(r1 + 16)
 * ```
 */
export class CoreRelocator {
  readonly #local: Btf;
  readonly #target: CoreTarget;
  #modules: readonly Btf[] | undefined;
  /** Root types whose names are to be searched together. */
  readonly #wanted: Set<number> = new Set();
  readonly #found: Map<Btf, Map<string, number[]>> = new Map();
  readonly #roots: Map<number, Root> = new Map();

  /**
   * Nothing is searched yet.
   *
   * @param local The object's own BTF.
   * @param target The types that its programs shall run against.
   */
  constructor(local: Btf, target: CoreTarget) {
    this.#local = local;
    this.#target = target;
  }

  /**
   * Announces records, so that the target need be searched but once for the root types of all of them.
   *
   * @param relocations Records of any number of programs.
   */
  prepare(relocations: Iterable<CoreRelocation>): void {
    for (const { kind, typeId } of relocations) {
      if (kind !== BPF_CORE_TYPE_ID_LOCAL && typeId < this.#local.endId) this.#wanted.add(typeId);
    }
  }

  /**
   * Patches instructions.
   *
   * @param insns BPF instructions of a section or function, 8 bytes a slot, in the object's byte order; changed in place.
   * @param relocations The records for them, in the order they have in the object.
   * @param where Name of the section or function, for messages.
   * @param seen Told what each record asks, before its instruction is patched.
   * @returns The instructions that were made invalid.
   * @throws {CoreError} if a record, an instruction or a type is broken, or types that fit equally well disagree.
   */
  relocate(
    insns: Uint8Array,
    relocations: readonly CoreRelocation[],
    where: string,
    seen?: (path: Path, result: CoreResult) => void,
  ): CorePoison[] {
    this.prepare(relocations);
    const local = this.#local, poisons: CorePoison[] = [];
    const view = new DataView(insns.buffer, insns.byteOffset, insns.length);
    for (const relocation of relocations) {
      const { offset } = relocation, insn = Math.floor(offset / 8);
      let path: Path | undefined;
      try {
        if (offset % 8 || insns[offset] === undefined) {
          throw new CoreError(`no instruction starts at byte ${offset}`);
        }
        path = parseLocal(local, relocation);
        const result = this.#resolve(path, relocation);
        seen?.(path, result);
        const why = patch(view, offset, result, local.littleEndian);
        if (why) poisons.push({ insn, reason: `${relocationWords(local, relocation, path)}: ${why}` });
      } catch (error) {
        if (!(error instanceof DetraceError)) throw error;
        const words = relocationWords(local, relocation, path);
        throw new CoreError(`${where}: instruction ${insn}: cannot relocate the ${words}: ${error.message}`, {
          cause: error,
        });
      }
    }
    return poisons;
  }

  #resolve(path: Path, { kind, typeId, accessString }: CoreRelocation): CoreResult {
    if (kind === BPF_CORE_TYPE_ID_LOCAL) {
      const local = evaluate(path, kind);
      return { local, target: local, why: "", matches: [] };
    }
    const root = this.#root(typeId), key = kind + "@" + accessString;
    let result = root.results.get(key);
    if (!result) {
      const count = root.candidates.length;
      result = choose(path, kind, root);
      if (root.candidates.length < count) root.results.clear();
      root.results.set(key, result);
    }
    return result;
  }

  /** The types that local type `id` may stand for: of vmlinux, or, if it has none, of the modules. */
  #root(id: number): Root {
    let root = this.#roots.get(id);
    if (!root) {
      const local = this.#local, name = essentialName(local.name(id)), kind = kindOf(local, id);
      if (!name) throw new CoreError("its root type has no name");
      let candidates = this.#search(this.#target.vmlinux, name, kind);
      if (!candidates.length) {
        this.#modules ??= this.#target.modules?.() ?? [];
        candidates = this.#modules.flatMap((btf) => this.#search(btf, name, kind));
      }
      this.#roots.set(id, root = { candidates, results: new Map() });
    }
    return root;
  }

  /** The types of that essential name and kind, looked up together with all other names that are known by now. */
  #search(btf: Btf, name: string, kind: number): Candidate[] {
    let found = this.#found.get(btf);
    if (!found?.has(name)) {
      const names = new Set<string>();
      for (const id of this.#wanted) names.add(essentialName(this.#local.name(id)));
      this.#found.set(btf, found = btf.findEssential(names));
      for (const each of names) if (!found.has(each)) found.set(each, []);
    }
    return found.get(name)!.filter((id) => kindOf(btf, id) === kind).map((root) => ({ btf, root }));
  }
}

/** Tries a record on each candidate that is left, and keeps those that it matches, if any. */
function choose(path: Path, kind: number, known: Root): CoreResult {
  const local = evaluate(path, kind), fit: Path[] = [], unfit: string[] = [];
  let target: CoreAnswer | undefined, bits = 0, why = "";
  for (const candidate of known.candidates) {
    const { btf, root } = candidate;
    let match: Path | string = "";
    if (isEnumeratorKind(kind)) match = matchEnumerator(path, btf, root);
    else if (!isTypeKind(kind)) match = matchField(path, btf, root);
    else if (typesAlike(path.btf, path.root, btf, root, kind === BPF_CORE_TYPE_MATCHES)) {
      match = new Path(btf, root);
    }
    if (typeof match === "string") {
      unfit.push(`${words(candidate)}: ${match}`);
      continue;
    }
    const answer = evaluate(match, kind);
    fit.push(match);
    if (!target) [target, bits] = [answer, match.bits];
    else if (bits !== match.bits || target.value !== answer.value) {
      const [a, b] = bits !== match.bits
        ? [`bit ${bits}`, `bit ${match.bits}`]
        : [target.value, answer.value];
      throw new CoreError(`it is ambiguous, ${a} by ${words(fit[0]!)} and ${b} by ${words(candidate)}`);
    }
  }
  if (target) {
    const { btf } = fit[0]!, l = local.type, t = target.type;
    if (target.bytes !== local.bytes) {
      // A load or store may change its width only where no sign would be lost.
      const kind = path.btf.kind(l), unsigned = (btf: Btf, id: number) => btf.intEncoding(id) !== INT_SIGNED;
      const may = kind === btf.kind(t) &&
        (kind === BTF_KIND_PTR || kind === BTF_KIND_INT && unsigned(path.btf, l) && unsigned(btf, t));
      if (!may) {
        why =
          `${local.bytes} bytes of ${typeWords(path.btf, l)} are ${target.bytes} of ${
            typeWords(btf, t)
          } in ` +
          words(fit[0]!);
      }
    }
    known.candidates = fit;
  } else if (
    kind === BPF_CORE_ENUMVAL_VALUE || kind < BPF_CORE_TYPE_ID_LOCAL && kind !== BPF_CORE_FIELD_EXISTS
  ) {
    why = unfit.slice(0, 8).join("; ") || "there is no such type";
  } else target = { ...local, value: 0n };
  return { local, target, why, matches: fit };
}

/** A candidate in words: which type of which BTF. */
function words({ btf, root }: Candidate): string {
  return `${typeWords(btf, root)} [${root}] of ${btf.label}`;
}

/** Answers what `kind` asks about the end of a path. */
function evaluate({ btf, root, bits, accessors }: Path, kind: number): CoreAnswer {
  const answer = (value: number | bigint, sure = true): CoreAnswer => {
    return { value: BigInt.asUintN(64, BigInt(value)), sure, type: 0, bytes: 0 };
  };
  if (kind === BPF_CORE_TYPE_ID_LOCAL || kind === BPF_CORE_TYPE_ID_TARGET) return answer(root, false);
  if (kind === BPF_CORE_TYPE_SIZE) return answer(btf.sizeOf(root));
  if (isTypeKind(kind) || kind === BPF_CORE_FIELD_EXISTS || kind === BPF_CORE_ENUMVAL_EXISTS) {
    return answer(1);
  }
  const { type, index, name, field } = accessors.at(-1)!;
  if (kind === BPF_CORE_ENUMVAL_VALUE) {
    const value = btf.enumValue(type, index);
    // 32 bits are always taken as signed, whatever the enum's flag says.
    return answer(btf.kind(type) === BTF_KIND_ENUM ? BigInt.asIntN(32, value) : value);
  }
  if (!name && kind > BPF_CORE_FIELD_BYTE_SIZE) {
    throw new CoreError("that cannot be asked of an array element");
  }
  const bitfield = name ? btf.memberBitfieldSize(type, index) : 0;
  let size = btf.sizeOf(field), at = Math.floor(bits / 8);
  if (bitfield) {
    // The smallest aligned load that holds all of it.
    at -= at % size;
    while (!(bits + bitfield <= (at + size) * 8)) {
      if (!(size && size < 8)) throw new CoreError("its bitfield does not fit into one load");
      size *= 2;
      at -= at % size;
    }
  }
  const width = bitfield || size * 8, before = bits - at * 8;
  switch (kind) {
    case BPF_CORE_FIELD_BYTE_OFFSET:
      if (bitfield) return answer(at, false);
      // What is loaded of an array is one element.
      for (let of = field; btf.kind(of) === BTF_KIND_ARRAY; size = btf.sizeOf(of)) {
        of = btf.skip(btf.arrayElement(of));
      }
      return { ...answer(at), type: field, bytes: size };
    case BPF_CORE_FIELD_BYTE_SIZE:
      return answer(size, !bitfield);
    case BPF_CORE_FIELD_SIGNED:
      if (btf.kind(field) === BTF_KIND_INT) return answer(btf.intEncoding(field) & INT_SIGNED);
      return answer(kindOf(btf, field) === BTF_KIND_ENUM && btf.kindFlag(field) ? 1 : 0);
    case BPF_CORE_FIELD_LSHIFT_U64:
      return answer((btf.littleEndian ? 64 - before - width : (8 - size) * 8 + before) >>> 0, !bitfield);
    default:
      return answer((64 - width) >>> 0);
  }
}

/** Bytes that a load or store accesses, by the size bits of its code. */
const WIDTHS = [4, 2, 1, 8];

/** Puts a result into the instruction at byte `at`. @returns Why the instruction was made invalid; empty if it was not. */
function patch(insns: DataView, at: number, { local, target, why }: CoreResult, little: boolean): string {
  const code = insns.getUint8(at), form = code & 7, wide = code === (BPF_LD | BPF_DW);
  const end = at + (wide ? 16 : 8);
  if (end > insns.byteLength) throw new CoreError("the instruction is cut off");
  if (target) {
    const { value } = target, memory = form >= BPF_LDX && form <= BPF_STX;
    const immediate = (form === BPF_ALU || form === BPF_ALU64) && !(code & BPF_X);
    // Plain: but for the destination and the immediates all of both slots is 0.
    const plain = wide && !(insns.getUint32(at) & (little ? 0xf0ffff : 0x0fffff) | insns.getUint32(at + 8));
    if (!memory && !immediate && !plain) {
      throw new CoreError(`code 0x${code.toString(16)} has no place for it`);
    }
    let held = BigInt(memory ? insns.getInt16(at + 2, little) : insns.getInt32(at + 4, little));
    if (wide) held = BigInt(insns.getInt32(at + 12, little)) << 32n | BigInt.asUintN(32, held);
    if (local.sure && BigInt.asUintN(64, held) !== local.value) {
      throw new CoreError(`the instruction holds ${held} instead of ${local.value}`);
    }
    if (!memory) {
      insns.setInt32(at + 4, Number(BigInt.asIntN(32, value)), little);
      if (wide) insns.setInt32(at + 12, Number(BigInt.asIntN(32, value >> 32n)), little);
      return "";
    }
    if (value > 32767n) throw new CoreError(`${value} is too far for a load or store`);
    if (!why) {
      insns.setInt16(at + 2, Number(value), little);
      if (local.bytes !== target.bytes) {
        const width = WIDTHS[code >> 3 & 3], size = WIDTHS.indexOf(target.bytes);
        if (width !== local.bytes || size < 0) {
          throw new CoreError(
            `an access of ${width} bytes to ${local.bytes} cannot become one to ${target.bytes}`,
          );
        }
        insns.setUint8(at, code & ~BPF_DW | size << 3);
      }
      return "";
    }
  }
  for (let slot = at; slot < end; slot += 8) {
    insns.setUint32(slot, BPF_CALL << 24);
    insns.setInt32(slot + 4, POISON, little);
  }
  return why;
}
