/**
 * A spec as text and bytes, and back: what a generated skeleton holds, so that a tool neither reads ELF nor sorts out
 * relocations when it starts. All that could be known when the program was compiled has been worked out then.
 *
 * @module
 */

import { lz4Compress, lz4Decompress } from "./lz4.ts";
import type { BpfObjectSpec, FunctionSpec, MapSpec, ProgramSpec } from "./spec.ts";

/** Place of bytes in the blob: offset and length. */
type Place = [offset: number, length: number];

/** A function. Its lines follow its instructions in the blob. */
type PackedFunction = [
  name: string,
  typeId: number,
  insns: number,
  insnBytes: number,
  lineBytes: number,
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
  /** Bytes of the blob before it was compressed. */
  size: number;
  name: string;
  license: string;
  version: number;
  btf?: Place;
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
 * const { json, bytes } = packSpec(spec);
 * assertEquals(unpackSpec(json, bytes).maps, spec.maps);
 * ```
 */
export function packSpec(spec: BpfObjectSpec): { json: string; bytes: Uint8Array<ArrayBuffer> } {
  const parts: Uint8Array[] = [];
  let length = 0;
  const place = (bytes: Uint8Array): Place => {
    const offset = length + 3 & ~3; // lines are read as words
    parts.push(new Uint8Array(offset - length), bytes);
    length = offset + bytes.length;
    return [offset, bytes.length];
  };
  const packFunction = (fn: FunctionSpec): PackedFunction => {
    const [at] = place(fn.insns);
    place(new Uint8Array(fn.lines.buffer, fn.lines.byteOffset, fn.lines.byteLength));
    return [
      fn.name,
      fn.typeId,
      at,
      fn.insns.length,
      fn.lines.byteLength,
      fn.references.map((r) => {
        const kind = REFERENCES.indexOf(r.kind);
        return r.offset === undefined ? [r.insn, kind, r.symbol] : [r.insn, kind, r.symbol, r.offset];
      }),
      fn.coreRelocations.map((r) =>
        r.kind ? [r.offset, r.typeId, r.accessString, r.kind] : [r.offset, r.typeId, r.accessString]
      ),
    ];
  };
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
  const packed: Omit<Packed, "size"> = {
    name: spec.name,
    license: spec.license,
    version: spec.version,
    programs: [...spec.programs.values()].map(packProgram),
    functions: [...spec.functions.values()].map(packFunction),
    maps: [...spec.maps.values()].map(packMap),
    globals: [...spec.globals.values()].map((g) => [g.name, g.map, g.offset, g.size, g.typeId]),
    externs: [...spec.externs.values()],
    ...spec.btfBytes && { btf: place(spec.btfBytes) },
  };
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const part of parts) bytes.set(part, at), at += part.length;
  return { json: JSON.stringify({ size: length, ...packed }), bytes: lz4Compress(bytes) };
}

/**
 * Unpacks what {@link packSpec} packed. It trusts its input, which comes from the same file as the code.
 *
 * @param json The JSON.
 * @param compressed The bytes.
 */
export function unpackSpec(json: string, compressed: Uint8Array): BpfObjectSpec {
  const packed: Packed = JSON.parse(json);
  const bytes = lz4Decompress(compressed, packed.size);
  const at = ([offset, length]: Place) => bytes.subarray(offset, offset + length);
  const unpackFunction = (row: PackedFunction): FunctionSpec => {
    const [name, typeId, start, insnBytes, lineBytes, references, coreRelocations] = row;
    return {
      name,
      typeId,
      insns: at([start, insnBytes]),
      lines: new Uint32Array(bytes.buffer, bytes.byteOffset + start + insnBytes, lineBytes / 4),
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
    return {
      ...unpackFunction(fn),
      type,
      attach,
      target,
      autoload: autoload > 0,
      expectedAttachType,
      flags,
    };
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
  const btfBytes = packed.btf && at(packed.btf);
  return {
    name: packed.name,
    license: packed.license,
    version: packed.version,
    btf: undefined,
    btfBytes,
    programs: byName(packed.programs.map(unpackProgram)),
    functions: byName(packed.functions.map(unpackFunction)),
    maps: byName(packed.maps.map(unpackMap)),
    globals: byName(
      packed.globals.map(([name, map, offset, size, typeId]) => ({ name, map, offset, size, typeId })),
    ),
    externs: byName(packed.externs),
  };
}
