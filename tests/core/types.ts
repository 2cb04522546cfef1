/**
 * Small type universes for the tests: text to BTF, one type a line, so that a test shows all the types it is about.
 *
 * @module
 */

import { Btf } from "../../lib/btf/btf.ts";
import { CoreRelocator } from "../../lib/core/core.ts";

/** BTF made from text, and the ids of its labels. */
export interface Types {
  btf: Btf;
  ids: Record<string, number>;
  strings: number;
}

const KINDS =
  "- int ptr array struct union enum fwd typedef volatile const restrict func proto var datasec float decl_tag type_tag enum64"
    .split(" ");

/**
 * Builds BTF. A line is `label = kind ...`, where types are labels, ids or `void`, and `-` is no name:
 *
 * `int NAME SIZE [signed] [offset=BITS]`, `float NAME SIZE`, `ptr T` (and const, volatile, restrict), `typedef NAME T`,
 * `type_tag NAME T`, `array T LENGTH`, `struct NAME SIZE MEMBER:T@BIT/WIDTH...` (and union), `fwd NAME [union]`,
 * `enum NAME SIZE [signed] A=1 B=2...` (and enum64), `proto RETURN PARAM...`, `func NAME T`.
 */
export function types(text: string, options: { base?: Types; big?: boolean; name?: string } = {}): Types {
  const { base, big = false, name = "vmlinux" } = options;
  const lines = text.split("\n").map((line) => line.trim()).filter(Boolean).map((line) => line.split(/\s+/));
  const first = base?.btf.endId ?? 1, ids: Record<string, number> = { void: 0, ...base?.ids };
  lines.forEach(([label], i) => ids[label!] = first + i);
  let strings = base ? "" : "\0";
  const words: number[] = [];
  const string = (s: string): number => {
    if (s === "-" || s === "") return 0;
    strings += s + "\0";
    return (base?.strings ?? 0) + strings.length - s.length - 1;
  };
  const id = (label: string): number => {
    const id = ids[label] ?? Number(label);
    if (Number.isNaN(id)) throw new Error(`no type ${label}`);
    return id;
  };
  for (const [, , kind, ...rest] of lines) {
    const number = KINDS.indexOf(kind!),
      flags = rest.filter((word) => /^(signed|union|offset=.*)$/.test(word));
    const args = rest.filter((word) => !flags.includes(word));
    const record = (name: string, vlen: number, flag: boolean, third: number, ...tail: number[]) =>
      words.push(string(name), vlen | number << 24 | (flag ? 1 << 31 : 0), third, ...tail);
    const [a = "-", b = "0", ...more] = args;
    switch (kind) {
      case "int": {
        const offset = Number(flags.find((flag) => flag.startsWith("offset="))?.slice(7) ?? 0);
        const encoding = flags.includes("signed") ? 1 : 0;
        record(a, 0, false, Number(b), encoding << 24 | offset << 16 | Number(b) * 8);
        break;
      }
      case "struct":
      case "union": {
        const bits = more.some((member) => member.includes("/"));
        const members = more.flatMap((member) => {
          const [, name, type, at, width] = /^(.*?):(.+)@(\d+)(?:\/(\d+))?$/.exec(member)!;
          return [string(name!), id(type!), Number(at) | Number(width ?? 0) << 24];
        });
        record(a, more.length, bits, Number(b), ...members);
        break;
      }
      case "enum":
      case "enum64": {
        const values = more.flatMap((value) => {
          const [name, n] = value.split("="), big = BigInt(n!);
          const low = Number(BigInt.asIntN(32, big)), high = Number(BigInt.asIntN(32, big >> 32n));
          return kind === "enum" ? [string(name!), low] : [string(name!), low, high];
        });
        record(a, more.length, flags.includes("signed"), Number(b), ...values);
        break;
      }
      case "array":
        record("-", 0, false, 0, id(a), 0, Number(b));
        break;
      case "proto":
        record("-", args.length - 1, false, id(a), ...args.slice(1).flatMap((param) => [0, id(param)]));
        break;
      case "fwd":
        record(a, 0, flags.includes("union"), 0);
        break;
      case "float":
        record(a, 0, false, Number(b));
        break;
      case "typedef":
      case "type_tag":
      case "func":
        record(a, 0, false, id(b));
        break;
      default:
        record("-", 0, false, id(a));
    }
  }
  const header = new Uint8Array(24), view = new DataView(header.buffer);
  view.setUint16(0, 0xeb9f, !big);
  header[2] = 1;
  [24, 0, words.length * 4, words.length * 4, strings.length].forEach((n, i) =>
    view.setUint32(4 + 4 * i, n, !big)
  );
  const body = new DataView(new ArrayBuffer(words.length * 4));
  words.forEach((word, i) => body.setInt32(4 * i, word, !big));
  const bytes = new Uint8Array([
    ...header,
    ...new Uint8Array(body.buffer),
    ...new TextEncoder().encode(strings),
  ]);
  const btf = Btf.parse(bytes, base ? { base: base.btf, name } : { name });
  return { btf, ids, strings: (base?.strings ?? 0) + strings.length };
}

/** One instruction, or both slots of a 64-bit load. */
export function insn(
  code: number,
  registers: number,
  offset: number,
  imm: bigint | number,
  big = false,
): Uint8Array {
  const wide = code === 0x18, bytes = new Uint8Array(wide ? 16 : 8), view = new DataView(bytes.buffer);
  bytes.set([code, registers]);
  view.setInt16(2, offset, !big);
  view.setInt32(4, Number(BigInt.asIntN(32, BigInt(imm))), !big);
  if (wide) view.setInt32(12, Number(BigInt.asIntN(32, BigInt(imm) >> 32n)), !big);
  return bytes;
}

/** `r1 = imm` */
export const mov = (imm: number): Uint8Array => insn(0xb7, 1, 0, imm);

/** A record: root label, access string, kind, and the instruction it is for. */
export type Record_ = [root: string, access: string, kind: number, insn: Uint8Array];

/** Relocates instructions one after the other. @returns Those instructions afterwards, and the poisons' reasons. */
export function relocate(
  local: Types,
  target: Types,
  records: Record_[],
  modules: () => Types[] = () => [],
): {
  insns: Uint8Array[];
  reasons: string[];
} {
  const relocator = new CoreRelocator(local.btf, {
    vmlinux: target.btf,
    modules: () => modules().map(({ btf }) => btf),
  });
  const bytes = new Uint8Array(records.reduce((sum, [, , , insn]) => sum + insn.length, 0));
  let offset = 0;
  const relocations = records.map(([root, accessString, kind, insn]) => {
    bytes.set(insn, offset);
    offset += insn.length;
    return { offset: offset - insn.length, typeId: local.ids[root] ?? Number(root), accessString, kind };
  });
  const poisons = relocator.relocate(bytes, relocations, "main");
  return {
    insns: relocations.map(({ offset }, i) => bytes.slice(offset, offset + records[i]![3].length)),
    reasons: poisons.map(({ reason }) => reason),
  };
}

/** What one record makes of `r1 = held`; `held` must be what the local types say. "poison" if it is poisoned. */
export function value(
  local: Types,
  target: Types,
  root: string,
  access: string,
  kind: number,
  held: number,
): number | "poison" {
  const [bytes] = relocate(local, target, [[root, access, kind, mov(held)]]).insns;
  return bytes![0] === 0x85 ? "poison" : new DataView(bytes!.buffer).getInt32(4, true);
}
