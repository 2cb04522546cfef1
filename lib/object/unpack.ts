/**
 * What a generated skeleton holds: a spec as JSON and bytes, so that a tool neither reads ELF nor sorts out relocations when
 * it starts. All that could be known when the program was compiled has been worked out then, by pack.ts.
 *
 * What every start needs lies open: instructions that are loaded as they are, and values of global data. What only some
 * need is compressed, which takes 3 ms to undo: types, source lines, and instructions that are relocated with the types.
 *
 * @module
 */

import { lz4Decompress } from "./lz4.ts";
import type { BpfObjectSpec, FunctionSpec, MapSpec, ProgramSpec } from "./spec.ts";

/** Place of bytes: offset from the start of the open ones, and length. */
export type Place = [offset: number, length: number];

/** A function. */
export type PackedFunction = [
  name: string,
  typeId: number,
  insns: Place,
  lines: Place,
  references: [insn: number, kind: number, symbol: string, offset?: number][],
  coreRelocations: [offset: number, typeId: number, accessString: string, kind?: number][],
];

/** A program. */
export type PackedProgram = [
  fn: PackedFunction,
  type: number,
  attach: string,
  target: string,
  autoload: 0 | 1,
  expectedAttachType?: number,
  flags?: number,
];

/** The spec's JSON: everything but the bytes, Maps as lists of their values. */
export interface Packed {
  /** Bytes that lie open, before the compressed ones. */
  open: number;
  /** Bytes in all when those are unpacked, which continue the open ones. */
  size: number;
  /** As in the spec. */
  name: string;
  /** As in the spec. */
  license: string;
  /** As in the spec. */
  version: number;
  /** The types. */
  btf?: Place;
  /** As in the spec. */
  btfIsOptional?: true;
  /** Programs. */
  programs: PackedProgram[];
  /** Subprograms. */
  functions: PackedFunction[];
  /** Maps without what is as in {@link MAP}. */
  maps: Record<string, unknown>[];
  /** Global variables. */
  globals: [name: string, map: string, offset: number, size: number, typeId: number][];
  /** As in the spec. */
  externs: BpfObjectSpec["externs"] extends Map<string, infer T> ? T[] : never;
}

/** Kinds of references, which stand as numbers. */
export const REFERENCES = ["map", "data", "call", "function", "extern", "kfunc"] as const;

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

/**
 * Unpacks what `packSpec` of pack.ts packed. It trusts its input, which comes from the same file as the code.
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
