/**
 * A spec as text and bytes, and back: what a generated skeleton holds, so that a tool neither reads ELF nor sorts out
 * relocations when it starts. All that could be known when the program was compiled has been worked out then.
 *
 * What every start needs lies open: instructions that are loaded as they are, and values of global data. What only some
 * need is compressed, which takes 3 ms to undo: types, source lines, and instructions that are relocated with the types.
 *
 * @module
 */

import { lz4Compress, lz4Decompress } from "./lz4.ts";
import type { BpfObjectSpec, FunctionSpec, MapSpec, ProgramSpec } from "./spec.ts";

/** Place of bytes: offset from the start of the open ones, and length. */
type Place = [offset: number, length: number];

/** A function. */
type PackedFunction = [
  name: string,
  typeId: number,
  insns: Place,
  lines: Place,
  references: [insn: number, kind: number, symbol: string, offset?: number][],
  coreRelocations: [offset: number, typeId: number, accessString: string, kind?: number][],
];

/** A program. */
type PackedProgram = [
  fn: PackedFunction,
  type: number,
  attach: string,
  target: string,
  autoload: 0 | 1,
  expectedAttachType?: number,
  flags?: number,
];

/** The spec's JSON: everything but the bytes, Maps as lists of their values. */
interface Packed {
  /** Bytes that lie open, before the compressed ones. */
  open: number;
  /** Bytes in all when those are unpacked, which continue the open ones. */
  size: number;
  name: string;
  license: string;
  version: number;
  btf?: Place;
  btfIsOptional?: true;
  programs: PackedProgram[];
  functions: PackedFunction[];
  maps: Record<string, unknown>[];
  globals: [name: string, map: string, offset: number, size: number, typeId: number][];
  externs: BpfObjectSpec["externs"] extends Map<string, infer T> ? T[] : never;
}

const REFERENCES = ["map", "data", "call", "function", "extern", "kfunc"] as const;

/** What most maps have, which the JSON leaves out. */
export const MAP: Omit<MapSpec, "name" | "type" | "extra"> = {
  keySize: 0,
  valueSize: 0,
  maxEntries: 0,
  flags: 0,
  keyTypeId: 0,
  valueTypeId: 0,
  pinByName: false,
  numaNode: 0,
};

/** An object without the entries that are as in `usual`. */
function unusual(object: Record<string, unknown>, usual: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(object).filter(([key, value]) => usual[key] !== value));
}

/**
 * Lines by column instead of by row, as differences from the row before: so they have patterns to compress. What they say
 * of columns of the source (10 bits) is for the kernel alone, and is left out where it does not get it.
 */
function columns(lines: Uint32Array, forKernel: boolean): Uint32Array<ArrayBuffer> {
  const rows = lines.length / 4,
    word = (at: number) => at % 4 < 3 || forKernel ? lines[at]! : lines[at]! & ~1023;
  return Uint32Array.from(lines, (_, i) => {
    const at = i % rows * 4 + Math.floor(i / rows);
    return word(at) - (at < 4 ? 0 : word(at - 4));
  });
}

/**
 * Packs a spec.
 *
 * @param spec A spec that has not been changed since it was read.
 * @returns JSON, and the bytes that it points into, compressed (lz4.ts).
 *
 * @example
 * ```ts
 * import { packSpec, unpackSpec } from "detrace/lib/object/pack.ts";
 * import { readObject } from "detrace/lib/object/read.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const spec = readObject(Deno.readFileSync("tests/fixtures/object/rooms.bpf.o"), "rooms");
 * const { json, bytes } = packSpec(spec), unpacked = unpackSpec(json, bytes);
 * assertEquals(unpacked.maps, spec.maps);
 * for (const [name, { insns, lines }] of spec.programs) {
 *   assertEquals(unpacked.programs.get(name)!.insns, insns);
 *   assertEquals(unpacked.programs.get(name)!.lines, lines);
 * }
 * ```
 */
export function packSpec(spec: BpfObjectSpec): { json: string; bytes: Uint8Array<ArrayBuffer> } {
  const parts: [bytes: Uint8Array, place: Place][][] = [[], []];
  const placeIn = (group: 0 | 1) => (bytes: Uint8Array): Place => {
    const place: Place = [0, bytes.length]; // where it lies is known when all are here
    parts[group]!.push([bytes, place]);
    return place;
  };
  const place = placeIn(0), hide = placeIn(1);
  const packFunction = (fn: FunctionSpec): PackedFunction => [
    fn.name,
    fn.typeId,
    (fn.coreRelocations.length ? hide : place)(fn.insns),
    hide(new Uint8Array(columns(fn.lines, !spec.btfIsOptional).buffer)),
    fn.references.map((r) => {
      const kind = REFERENCES.indexOf(r.kind);
      return r.offset === undefined ? [r.insn, kind, r.symbol] : [r.insn, kind, r.symbol, r.offset];
    }),
    fn.coreRelocations.map((r) =>
      r.kind ? [r.offset, r.typeId, r.accessString, r.kind] : [r.offset, r.typeId, r.accessString]
    ),
  ];
  const packProgram = (p: ProgramSpec): PackedProgram => {
    const row: PackedProgram = [packFunction(p), p.type, p.attach, p.target, p.autoload ? 1 : 0];
    if (p.expectedAttachType || p.flags) row.push(p.expectedAttachType, p.flags);
    return row;
  };
  const packMap = (map: MapSpec): Record<string, unknown> => ({
    ...unusual({ ...map }, { ...MAP }),
    extra: map.extra ? String(map.extra) : undefined,
    ...map.inner && { inner: packMap(map.inner) },
    ...map.values && { values: [...map.values] },
    ...map.data && { data: place(map.data) },
    ...map.structOps && {
      structOps: {
        ...map.structOps,
        bytes: place(map.structOps.bytes),
        programs: [...map.structOps.programs],
      },
    },
  });
  const packed: Omit<Packed, "open" | "size"> = {
    name: spec.name,
    license: spec.license,
    version: spec.version,
    programs: [...spec.programs.values()].map(packProgram),
    functions: [...spec.functions.values()].map(packFunction),
    maps: [...spec.maps.values()].map(packMap),
    globals: [...spec.globals.values()].map((g) => [g.name, g.map, g.offset, g.size, g.typeId]),
    externs: [...spec.externs.values()],
    ...spec.btfBytes && { btf: hide(spec.btfBytes) },
    ...spec.btfIsOptional && { btfIsOptional: true },
  };
  let length = 0, open = 0;
  for (const group of parts) {
    open = length;
    for (const [bytes, place] of group) {
      place[0] = length;
      length = length + bytes.length + 3 & ~3; // lines are read as words
    }
  }
  const all = new Uint8Array(length);
  for (const [bytes, [at]] of parts.flat()) all.set(bytes, at);
  const compressed = lz4Compress(all, open), bytes = new Uint8Array(open + compressed.length);
  bytes.set(all.subarray(0, open)), bytes.set(compressed, open);
  return { json: JSON.stringify({ open, size: length, ...packed }), bytes };
}

/**
 * Unpacks what {@link packSpec} packed. It trusts its input, which comes from the same file as the code.
 *
 * @param json The JSON.
 * @param bytes The bytes.
 */
export function unpackSpec(json: string, bytes: Uint8Array<ArrayBuffer>): BpfObjectSpec {
  const packed: Packed = JSON.parse(json);
  const { open, size } = packed;
  let all: Uint8Array<ArrayBuffer> | undefined;
  const at = ([offset, length]: Place) => {
    if (offset >= open) all ??= lz4Decompress(bytes.subarray(open), size, bytes.subarray(0, open));
    return (all ?? bytes).subarray(offset, offset + length);
  };
  const unpackFunction = (row: PackedFunction): FunctionSpec => {
    const [name, typeId, insns, lines, references, coreRelocations] = row;
    return {
      name,
      typeId,
      get insns() {
        return at(insns);
      },
      get lines() {
        const { buffer, byteOffset, length } = at(lines), rows = length / 16;
        const columns = new Uint32Array(buffer, byteOffset, length / 4), all = columns.slice();
        for (let i = 0; i < all.length; i++) all[i] = columns[(i & 3) * rows + (i >> 2)]! + (all[i - 4] ?? 0);
        return all;
      },
      references: references.map(([insn, kind, symbol, offset]) => ({
        insn,
        kind: REFERENCES[kind]!,
        symbol,
        ...offset !== undefined && { offset },
      })),
      coreRelocations: coreRelocations.map(([offset, typeId, accessString, kind = 0]) => (
        { offset, typeId, accessString, kind }
      )),
    };
  };
  const unpackProgram = (row: PackedProgram): ProgramSpec => {
    const [fn, type, attach, target, autoload, expectedAttachType = 0, flags = 0] = row;
    const rest = { type, attach, target, autoload: autoload > 0, expectedAttachType, flags };
    return Object.assign(unpackFunction(fn), rest);
  };
  // deno-lint-ignore no-explicit-any -- the shapes are those of packSpec
  const unpackMap = (packed: any): MapSpec => {
    const map = { ...MAP, ...packed, extra: BigInt(packed.extra ?? 0) };
    if (map.inner) map.inner = unpackMap(map.inner);
    if (map.values) map.values = new Map(map.values);
    if (map.data) map.data = at(map.data).slice();
    if (map.structOps) {
      const { bytes, programs } = map.structOps;
      map.structOps = { ...map.structOps, bytes: at(bytes).slice(), programs: new Map(programs) };
    }
    return map;
  };
  const byName = <T extends { name: string }>(all: T[]) => new Map(all.map((one) => [one.name, one]));
  const { name, license, version, btf, btfIsOptional = false } = packed;
  return {
    ...{ name, license, version, btf: undefined, btfIsOptional },
    get btfBytes() {
      return btf && at(btf);
    },
    programs: byName(packed.programs.map(unpackProgram)),
    functions: byName(packed.functions.map(unpackFunction)),
    maps: byName(packed.maps.map(unpackMap)),
    globals: byName(
      packed.globals.map(([name, map, offset, size, typeId]) => ({ name, map, offset, size, typeId })),
    ),
    externs: byName(packed.externs),
  };
}
