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

/** The spec's JSON: everything but the bytes, Maps as lists of their values. */
interface Packed {
  /** Bytes of the blob before it was compressed. */
  size: number;
  name: string;
  license: string;
  version: number;
  btf?: Place;
  programs: Record<string, unknown>[];
  functions: Record<string, unknown>[];
  maps: Record<string, unknown>[];
  globals: [name: string, map: string, offset: number, size: number, typeId: number][];
  externs: BpfObjectSpec["externs"] extends Map<string, infer T> ? T[] : never;
}

// What most programs have, which the JSON leaves out.
const PROGRAM = { expectedAttachType: 0, flags: 0, attach: "", target: "", autoload: false, typeId: 0 };

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
  const packFunction = (fn: FunctionSpec) => ({
    ...unusual({ ...fn }, PROGRAM),
    insns: place(fn.insns),
    lines: place(new Uint8Array(fn.lines.buffer, fn.lines.byteOffset, fn.lines.byteLength)),
    coreRelocations: fn.coreRelocations.map((r) => [r.offset, r.typeId, r.accessString, r.kind]),
    references: fn.references.map((
      r,
    ) => [r.insn, r.kind, r.symbol, ...r.offset === undefined ? [] : [r.offset]]),
  });
  const packMap = (map: MapSpec): Record<string, unknown> => ({
    ...unusual({ ...map }, { ...MAP }),
    extra: map.extra ? String(map.extra) : undefined,
    ...map.inner && { inner: packMap(map.inner) },
    ...map.values && { values: [...map.values] },
    ...map.data && { data: place(map.data) },
  });
  const packed: Omit<Packed, "size"> = {
    name: spec.name,
    license: spec.license,
    version: spec.version,
    programs: [...spec.programs.values()].map(packFunction),
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
  // deno-lint-ignore no-explicit-any -- the shapes are those of packSpec
  const unpackFunction = (packed: any): ProgramSpec => {
    const fn = { ...PROGRAM, ...packed };
    const [offset, length]: Place = fn.lines;
    fn.insns = at(fn.insns);
    fn.lines = new Uint32Array(bytes.buffer, bytes.byteOffset + offset, length / 4);
    fn.coreRelocations = fn.coreRelocations.map((r: [number, number, string, number]) => (
      { offset: r[0], typeId: r[1], accessString: r[2], kind: r[3] }
    ));
    fn.references = fn.references.map((r: [number, string, string, number?]) =>
      r.length > 3
        ? { insn: r[0], kind: r[1], symbol: r[2], offset: r[3] }
        : { insn: r[0], kind: r[1], symbol: r[2] }
    );
    return fn;
  };
  // deno-lint-ignore no-explicit-any -- the shapes are those of packSpec
  const unpackMap = (packed: any): MapSpec => {
    const map = { ...MAP, ...packed, extra: BigInt(packed.extra ?? 0) };
    if (map.inner) map.inner = unpackMap(map.inner);
    if (map.values) map.values = new Map(map.values);
    if (map.data) map.data = at(map.data).slice();
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
    programs: byName(packed.programs.map(unpackFunction)),
    functions: byName(packed.functions.map(unpackFunction)),
    maps: byName(packed.maps.map(unpackMap)),
    globals: byName(
      packed.globals.map(([name, map, offset, size, typeId]) => ({ name, map, offset, size, typeId })),
    ),
    externs: byName(packed.externs),
  };
}
