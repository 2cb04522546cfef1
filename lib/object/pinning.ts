/**
 * Maps with a name in a bpf file system: the object that comes first makes them, those that come later share them.
 *
 * @module
 */

import { DetraceError } from "../error.ts";
import { BpfMap } from "../maps/map.ts";
import { SyscallError } from "../sys/errno.ts";
import { mkdir, unlink } from "../sys/file.ts";
import type { LoadOptions } from "./object.ts";
import type { MapSpec } from "./spec.ts";

const HINT = "mount one with: mount -t bpf bpf /sys/fs/bpf";

/** Where a map is pinned. */
function pathOf(map: MapSpec, { pinRoot = "/sys/fs/bpf" }: LoadOptions): string {
  return map.pinPath ?? `${pinRoot}/${map.name}`;
}

/**
 * The map that is pinned already.
 *
 * @returns Undefined if there is none yet.
 * @throws {DetraceError} It is of another type or size.
 */
export function findPinned(map: MapSpec, options: LoadOptions): BpfMap | undefined {
  const path = pathOf(map, options);
  let found: BpfMap;
  try {
    found = BpfMap.fromPin(path);
  } catch (error) {
    if (error instanceof SyscallError && error.code === "ENOENT") return undefined;
    throw error;
  }
  const differ = misfit(map, found);
  if (differ === undefined) return found;
  found.close();
  throw new DetraceError(`map ${map.name}: what is pinned at ${path} has another ${differ}`, {
    hint: "remove that file if nothing uses it any more",
  });
}

/** In what a map is not what a spec asks for; undefined if nothing. */
export function misfit(spec: MapSpec, map: BpfMap): string | undefined {
  if (map.type !== spec.type) return "type";
  if (map.keySize !== spec.keySize) return "size of keys";
  if (map.valueSize !== spec.valueSize) return "size of values";
  if (spec.maxEntries && map.maxEntries !== spec.maxEntries) return "number of entries";
  // The kernel adds flags of its own to some types (BPF_F_RDONLY_PROG of a frozen map stays).
  return map.flags === spec.flags ? undefined : "flags";
}

/**
 * Pins a map that was made.
 *
 * @returns Takes the name away again, for an object whose loading fails.
 * @throws {DetraceError} There is no bpf file system there.
 */
export function pin(map: MapSpec, made: BpfMap, options: LoadOptions): () => void {
  const path = pathOf(map, options);
  const directory = path.slice(0, path.lastIndexOf("/"));
  try {
    try {
      made.pin(path);
    } catch (error) {
      if (!(error instanceof SyscallError) || error.code !== "ENOENT") throw error;
      mkdir(directory);
      made.pin(path);
    }
  } catch (cause) {
    if (!(cause instanceof SyscallError)) throw cause;
    throw new DetraceError(`cannot pin map ${map.name} at ${path}: ${cause.message}`, {
      cause,
      ...(["EINVAL", "EPERM", "ENOENT"].includes(cause.code) ? { hint: HINT } : {}),
    });
  }
  return () => unlink(path);
}

/** What the loader needs of this file. */
export const pinning: { find: typeof findPinned; pin: typeof pin } = { find: findPinned, pin };
