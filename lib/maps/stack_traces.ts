/**
 * Stacks that programs stored with bpf_get_stackid in a BPF_MAP_TYPE_STACK_TRACE.
 *
 * @module
 */

import { DetraceError } from "../error.ts";
import type { BpfMap } from "./map.ts";
import { BPF_F_STACK_BUILD_ID, BPF_MAP_TYPE_STACK_TRACE } from "./types.ts";

/**
 * The addresses of a stack, innermost function first.
 *
 * @param map A map of type BPF_MAP_TYPE_STACK_TRACE without BPF_F_STACK_BUILD_ID: a value is an array of u64, and ends at 0.
 * @param id What bpf_get_stackid returned; below zero is an error number (`-EEXIST`: the slot held another stack).
 * @returns undefined if there is no such stack.
 * @throws {DetraceError} If the map is of another kind.
 */
export function readStack(map: BpfMap, id: number): bigint[] | undefined {
  if (map.type !== BPF_MAP_TYPE_STACK_TRACE || map.flags & BPF_F_STACK_BUILD_ID) {
    throw new DetraceError(`map ${map.name} does not hold stacks of addresses`);
  }
  const value = id < 0 ? undefined : map.get(new Uint8Array(Uint32Array.of(id).buffer));
  if (!value) return undefined;
  const addresses = [...new BigUint64Array(value.buffer)], end = addresses.indexOf(0n);
  return end < 0 ? addresses : addresses.slice(0, end);
}
