/**
 * Maps with a name in a bpf file system: the object that comes first makes them, those that come later share them.
 *
 * @module
 */

import { DetraceError } from "../error.ts";
import { BpfMap } from "../maps/map.ts";
import { BPF_F_RDONLY_PROG, BPF_MAP_TYPE_DEVMAP, BPF_MAP_TYPE_DEVMAP_HASH } from "../maps/types.ts";
import { SyscallError } from "../sys/errno.ts";
import { mkdir, unlink } from "../sys/file.ts";
import type { LoadOptions } from "./object.ts";
import type { MapSpec } from "./spec.ts";

/** Where a map is pinned. The file system keeps names with dots (`.bss`) for itself. */
function pathOf(map: MapSpec, { pinRoot = "/sys/fs/bpf" }: LoadOptions): string {
  return map.pinPath ?? `${pinRoot}/${map.name.replaceAll(".", "_")}`;
}

/** In what a map is not what a spec asks for; undefined if nothing. */
function misfit(spec: MapSpec, map: BpfMap): string | undefined {
  if (map.type !== spec.type) return "type";
  if (map.keySize !== spec.keySize) return "size of keys";
  if (map.valueSize !== spec.valueSize) return "size of values";
  if (map.maxEntries !== spec.maxEntries) return "number of entries";
  // The kernel sets this one by itself.
  const own = [BPF_MAP_TYPE_DEVMAP, BPF_MAP_TYPE_DEVMAP_HASH].includes(map.type) ? BPF_F_RDONLY_PROG : 0;
  return (map.flags & ~own) === (spec.flags & ~own) ? undefined : "flags";
}

/**
 * Insists on a map being what a spec asks for.
 *
 * @param map What is asked for.
 * @param found What there is.
 * @param path Where it is pinned, if it is.
 * @throws {DetraceError} It is of another type or size.
 */
export function checkMap(map: MapSpec, found: BpfMap, path?: string): void {
  const differ = misfit(map, found);
  if (!differ) return;
  const what = path === undefined ? "the one to be used" : `what is pinned at ${path}`;
  throw new DetraceError(`map ${map.name}: ${what} has another ${differ}`, {
    ...(path === undefined ? {} : { hint: "remove that file if nothing uses it any more" }),
  });
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
  try {
    checkMap(map, found, path);
    return found;
  } catch (error) {
    found.close();
    throw error;
  }
}

/**
 * Pins a map that was made.
 *
 * @returns Takes the name away again, for an object whose loading fails. Undefined if somebody else has pinned a map there.
 * @throws {DetraceError} There is no bpf file system there.
 */
export function pin(map: MapSpec, made: BpfMap, options: LoadOptions): (() => void) | undefined {
  const path = pathOf(map, options), directory = path.slice(0, path.lastIndexOf("/"));
  let own = false;
  try {
    try {
      made.pin(path);
    } catch (error) {
      if (!(error instanceof SyscallError) || error.code !== "ENOENT") throw error;
      mkdir(directory);
      own = true;
      made.pin(path);
    }
  } catch (cause) {
    if (own) unlink(directory, true);
    if (!(cause instanceof SyscallError)) throw cause;
    if (cause.code === "EEXIST") return undefined; // the pin or the directory
    throw new DetraceError(`cannot pin map ${map.name} at ${path}: ${cause.message}`, {
      cause,
      ...(["EINVAL", "EPERM", "ENOENT"].includes(cause.code)
        ? { hint: "this needs a bpf file system: mount -t bpf bpf /sys/fs/bpf" }
        : {}),
    });
  }
  return () => unlink(path);
}

/** What the loader needs of this file. */
export const pinning: { check: typeof checkMap; find: typeof findPinned; pin: typeof pin } = {
  check: checkMap,
  find: findPinned,
  pin,
};
