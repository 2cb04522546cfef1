/**
 * Arenas (BPF_MAP_TYPE_ARENA, Linux 6.9): memory that programs and this process share, with pointers that mean the same to
 * both. The kernel wants to know its address here before it takes a program that uses it.
 *
 * @module
 */

import { DetraceError } from "../error.ts";
import type { BpfMap } from "../maps/map.ts";
import { BPF_F_SEGV_ON_FAULT } from "../maps/types.ts";
import { address, map as mapMemory, type Mapping, PROT_READ, PROT_WRITE, release } from "../sys/door.ts";
import { pageSize } from "../sys/process.ts";
import type { MapSpec } from "./spec.ts";

/**
 * Maps an arena: where its `extra` says, or anywhere.
 *
 * @param map The arena's spec.
 * @param made The arena.
 * @param fresh Whether it has no content yet: then the global variables in it get their first values.
 * @throws {DetraceError} The variables do not fit in it, or something else lies at its address.
 */
export function arena(map: MapSpec, made: BpfMap, fresh: boolean): Mapping {
  const size = made.maxEntries * pageSize();
  if (map.data && map.data.length > size) {
    throw new DetraceError(
      `map ${map.name}: its variables take ${map.data.length} bytes, but the arena has ${size}`,
    );
  }
  if (map.data && map.flags & BPF_F_SEGV_ON_FAULT) {
    throw new DetraceError(
      `map ${map.name}: an arena with BPF_F_SEGV_ON_FAULT cannot have variables with first values`,
    );
  }
  const mapping = mapMemory(made.fd, size, {
    prot: PROT_READ | PROT_WRITE,
    shared: true,
    address: map.extra,
    what: `arena ${map.name}`,
  });
  if (fresh && map.data) mapping.bytes.set(map.data);
  return mapping;
}

/**
 * The address at which an arena begins, for programs and in this process alike: a pointer in it minus this is an offset in
 * its memory.
 *
 * @param memory `object.data()` of the arena, after loading.
 */
export function arenaAddress(memory: DataView<ArrayBuffer>): bigint {
  const start = address(memory);
  release();
  return start;
}
