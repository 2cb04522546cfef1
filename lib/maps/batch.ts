/**
 * Many entries written or deleted with few system calls, where the map's type and the kernel can (hash tables: Linux 5.6).
 *
 * @module
 */

import { DetraceError } from "../error.ts";
import { mapDeleteBatch, mapUpdateBatch } from "../sys/bpf.ts";
import type { Buffer } from "../sys/door.ts";
import { SyscallError } from "../sys/errno.ts";
import type { BpfMap } from "./map.ts";

/** Bytes of keys and values that go to the kernel at once. */
const ROOM = 1 << 16;

/** Cuts a list into pieces for one call each. */
function* pieces<T>(map: BpfMap, list: Iterable<T>): Generator<T[]> {
  const most = Math.max(1, Math.floor(ROOM / (map.keySize + map.valueBytes)));
  let piece: T[] = [];
  for (const one of list) {
    if (piece.push(one) < most) continue;
    yield piece;
    piece = [];
  }
  if (piece.length) yield piece;
}

/** Keys or values one after another. */
function join(map: BpfMap, what: string, list: readonly Buffer[], size: number): Buffer {
  const all: Buffer = new Uint8Array(list.length * size);
  list.forEach((bytes, i) => {
    if (bytes.length !== size) {
      throw new DetraceError(`map ${map.name}: a ${what} has ${size} bytes, not ${bytes.length}`);
    }
    all.set(bytes, i * size);
  });
  return all;
}

/**
 * Makes or changes entries.
 *
 * @param map Where.
 * @param entries Keys and values as {@link BpfMap.set} takes them.
 * @throws {DetraceError} The first entry that cannot be set: it has another size, or there is no room for it. Those behind
 * it are not set.
 *
 * @example
 * ```ts
 * import { deleteAll, updateAll } from "detrace/lib/maps/batch.ts";
 * import { BpfMap } from "detrace/lib/maps/map.ts";
 * import { BPF_MAP_TYPE_HASH } from "detrace/lib/maps/types.ts";
 * import { getuid } from "detrace/lib/sys/process.ts";
 * import { assertEquals } from "@std/assert";
 *
 * if (getuid() === 0) {
 *   using map = BpfMap.create({ type: BPF_MAP_TYPE_HASH, keySize: 1, valueSize: 1, maxEntries: 10 });
 *   updateAll(map, [1, 2, 3].map((i) => [new Uint8Array([i]), new Uint8Array([i * i])]));
 *   assertEquals(map.get(new Uint8Array([3])), new Uint8Array([9]));
 *   assertEquals(deleteAll(map, [2, 3, 4].map((i) => new Uint8Array([i]))), 2);
 * }
 * ```
 */
export function updateAll(map: BpfMap, entries: Iterable<readonly [key: Buffer, value: Buffer]>): void {
  let batches = true;
  for (const piece of pieces(map, entries)) {
    if (batches) {
      const keys = join(map, "key", piece.map(([key]) => key), map.keySize);
      const values = join(map, "value", piece.map(([, value]) => value), map.valueBytes);
      try {
        if (mapUpdateBatch(map.fd, { keys, values, count: piece.length }) === piece.length) continue;
      } catch (error) {
        if (!(error instanceof SyscallError)) throw error;
        batches = false;
      }
    }
    // The type or the kernel has no batches; or an entry does not go in, and this shows which.
    for (const [key, value] of piece) map.set(key, value);
  }
}

/**
 * Deletes entries.
 *
 * @param map Where.
 * @param keys As {@link BpfMap.delete} takes them.
 * @returns How many of them were there.
 */
export function deleteAll(map: BpfMap, keys: Iterable<Buffer>): number {
  let deleted = 0, batches = true;
  for (const piece of pieces(map, keys)) {
    const joined = join(map, "key", piece, map.keySize);
    for (let i = 0; i < piece.length;) {
      if (batches) {
        try {
          const rest = { keys: joined.subarray(i * map.keySize), count: piece.length - i };
          const done = mapDeleteBatch(map.fd, rest);
          deleted += done;
          i += done;
        } catch (error) {
          if (!(error instanceof SyscallError)) throw error;
          batches = false;
        }
      }
      // The one that ended the batch: it is not there, or there are no batches.
      if (i < piece.length && map.delete(piece[i++]!)) deleted++;
    }
  }
  return deleted;
}
