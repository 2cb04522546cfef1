/**
 * What map types are called, which Linux brought them, and what they ask for: for the error when a kernel does not take a
 * map.
 *
 * @module
 */

import type { SyscallError } from "../sys/errno.ts";
import { kernelRelease, kernelVersion } from "../sys/process.ts";
import type { MapSpec } from "./spec.ts";

/** One type of map. */
export interface MapType {
  /** In words and plural, as in "needs ring buffers". */
  readonly name: string;
  /** The first Linux that has it, `5.8`. */
  readonly version: string;
  /** What the kernel asks of such a map's sizes and flags, or of its own configuration. */
  readonly rule?: string;
}

const BPF_MAP_TYPE_STRUCT_OPS = 26, BPF_F_LINK = 1 << 13;
const U32 = "keys of 4 bytes", FDS = "keys and values of 4 bytes", NO_KEY = "no keys";
const STORAGE = "keys of 4 bytes, types (BTF) of keys and values, no maxEntries, and BPF_F_NO_PREALLOC";
const RING = "no keys and values, and a size that is a power of two of at least a page";

/** All types by their numbers, BPF_MAP_TYPE_* (include/uapi/linux/bpf.h). */
export const MAP_TYPES: ReadonlyMap<number, MapType> = new Map(
  ([
    ["hash tables", "3.19"],
    ["arrays", "3.19", U32],
    ["program arrays", "4.2", FDS],
    ["perf event arrays", "4.3", FDS],
    ["per-CPU hash tables", "4.6"],
    ["per-CPU arrays", "4.6", U32],
    ["stack traces", "4.6", `${U32} and values of 8 bytes for each frame`],
    ["cgroup arrays", "4.8", FDS],
    ["LRU hash tables", "4.10"],
    ["per-CPU LRU hash tables", "4.10"],
    ["longest-prefix tries", "4.11", "keys of a u32 and an address, and BPF_F_NO_PREALLOC"],
    ["arrays of maps", "4.12", `${FDS}, and an inner map`],
    ["hash tables of maps", "4.12", "values of 4 bytes, and an inner map"],
    ["device maps", "4.14", "CONFIG_NET, keys of 4 and values of 4 or 8 bytes"],
    ["socket maps", "4.14", "CONFIG_BPF_STREAM_PARSER, keys of 4 and values of 4 or 8 bytes"],
    ["processor maps", "4.15", "CONFIG_NET, keys of 4 and values of 4 or 8 bytes"],
    ["AF_XDP socket maps", "4.18", `CONFIG_XDP_SOCKETS, ${FDS}`],
    ["socket hash tables", "4.18", "CONFIG_BPF_STREAM_PARSER, and values of 4 or 8 bytes"],
    ["cgroup storage", "4.19", "keys of 8 or 16 bytes, and no maxEntries"],
    ["reuseport socket arrays", "4.19", "keys of 4 and values of 4 or 8 bytes"],
    ["per-CPU cgroup storage", "4.20", "keys of 8 or 16 bytes, and no maxEntries"],
    ["queues", "4.20", NO_KEY],
    ["stacks", "4.20", NO_KEY],
    ["socket storage", "5.2", STORAGE],
    ["device hash tables", "5.4", "CONFIG_NET, keys of 4 and values of 4 or 8 bytes"],
    ["struct_ops", "5.6"],
    ["ring buffers", "5.8", RING],
    ["inode storage", "5.10", `CONFIG_BPF_LSM, ${STORAGE}`],
    ["task storage", "5.11", STORAGE],
    ["bloom filters", "5.16", NO_KEY],
    ["user ring buffers", "6.1", RING],
    ["cgroup-local storage", "6.2", STORAGE],
    ["arenas", "6.9", "no keys and values, BPF_F_MMAPABLE, and up to 4 GiB in pages"],
    ["instruction arrays", "6.19", "keys of 4 and values of 16 bytes"],
    ["resizable hash tables", "7.2", "BPF_F_NO_PREALLOC"],
  ] as [string, string, string?][]).map(([name, version, rule], i) => [
    i + 1,
    { name, version, ...(rule === undefined ? {} : { rule }) },
  ]),
);

/**
 * Why a kernel does not take a map.
 *
 * @param map What was asked for.
 * @param cause What the kernel said.
 * @returns Half a sentence; undefined if no more is known than the kernel's own words.
 */
export function mapError(map: MapSpec, cause: SyscallError): string | undefined {
  const type = MAP_TYPES.get(map.type);
  if (!type) return `there is no map type ${map.type}`;
  const links = map.type === BPF_MAP_TYPE_STRUCT_OPS && (map.flags & BPF_F_LINK) !== 0;
  const { name, version, rule }: MapType = links ? { name: "links to struct_ops", version: "6.4" } : type;
  const [major, minor] = version.split(".").map(Number);
  if (cause.code === "EINVAL" && kernelVersion() < (major! << 16) + (minor! << 8)) {
    return `it needs ${name}, which Linux ${version} brought; this is ${kernelRelease()}`;
  }
  if (cause.code === "EINVAL" && rule) return `${cause.message}; ${name} need ${rule}`;
  if (cause.code === "EOPNOTSUPP") {
    return `${cause.message}; this kernel's compiler for programs has no ${name}`;
  }
}
