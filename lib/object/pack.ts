/**
 * Packs a spec for a skeleton, when it is compiled: see unpack.ts, which tools load.
 *
 * @module
 */

import { lz4Compress } from "./lz4_compress.ts";
import type { BpfObjectSpec, FunctionSpec, MapSpec, ProgramSpec } from "./spec.ts";
import {
  MAP,
  type Packed,
  type PackedFunction,
  type PackedProgram,
  type Place,
  REFERENCES,
} from "./unpack.ts";

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
 * import { packSpec } from "detrace/lib/object/pack.ts";
 * import { unpackSpec } from "detrace/lib/object/unpack.ts";
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
