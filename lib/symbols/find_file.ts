/**
 * From the name of a program or library to its file: as the shell and the dynamic linker find them, or as a process has them.
 *
 * @module
 */

import { DetraceError } from "../error.ts";
import { ARCH } from "../sys/door.ts";
import { SyscallError } from "../sys/errno.ts";
import { exists, readDir, readFile, readLink, readText, stat } from "../sys/file.ts";
import { type Mapping, parseMaps } from "./process.ts";
import { nameAt } from "./symbol_table.ts";

const [CACHE_LIMIT, MAPS_LIMIT] = [8 << 20, 64 << 20]; // bytes of /etc/ld.so.cache and /proc/PID/maps
const decoder = new TextDecoder();
// FLAG_ELF_LIBC6 with FLAG_X8664_LIB64 or FLAG_AARCH64_LIB64: glibc, sysdeps/generic/ldconfig.h
const CACHE_FLAGS = ARCH === "x86" ? 0x303 : 0xa03;
const MULTIARCH = ARCH === "x86" ? "x86_64-linux-gnu" : "aarch64-linux-gnu";
const LIBRARY_DIRECTORIES = [
  ...[`/lib/${MULTIARCH}`, `/usr/lib/${MULTIARCH}`],
  ...["/lib64", "/usr/lib64", "/lib", "/usr/lib", "/usr/local/lib"],
];
const PROGRAM_DIRECTORIES = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
// What the levels of the x86-64 psABI ask of a processor beyond the one below, as /proc/cpuinfo has it.
const LEVELS: readonly (readonly [name: string, flags: string])[] = [
  ["x86-64-v2", "cx16 lahf_lm popcnt pni sse4_1 sse4_2 ssse3"],
  ["x86-64-v3", "abm avx avx2 bmi1 bmi2 f16c fma movbe"],
  ["x86-64-v4", "avx512f avx512bw avx512cd avx512dq avx512vl"],
];

/**
 * Finds a file by the name that people use for it.
 *
 * @param name A path; or without a slash a library's soname (`libc.so.6`), or the name of a program in a directory of PATH,
 *   or a library's name without what stands behind it (`libc`).
 * @param pid The process it is meant for: of what that has mapped the very file, even one that was deleted or replaced since;
 *   else what it would find in its own root directory.
 * @throws {DetraceError} There is no such file, or no such process.
 *
 * @example
 * ```ts
 * import { findFile } from "detrace/lib/symbols/find_file.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(findFile("/proc/self/maps"), "/proc/self/maps");
 * assertEquals(findFile("libc", Deno.pid), findFile("libc.so.6", Deno.pid));
 * ```
 */
export function findFile(name: string, pid?: number): string {
  const { root, mappings } = pid === undefined ? { root: "", mappings: [] } : viewOf(pid);
  for (const { start, end, path } of mappings) {
    const mapped = path.replace(/ \(deleted\)$/, "");
    if (mapped !== name && !isNamed(mapped.slice(mapped.lastIndexOf("/") + 1), name)) continue;
    if (mapped !== path) return `/proc/${pid}/map_files/${start.toString(16)}-${end.toString(16)}`;
    if (isFile(root + path)) return root + path;
  }
  for (const path of candidates(name, root)) if (isFile(path)) return path;
  if (name.includes("/")) throw new DetraceError(`there is no file ${name}`);
  throw new DetraceError(`there is no program or library ${name}`, { hint: "give its path" });
}

/** What a process has mapped, and where its root directory is for us if it is another one. */
function viewOf(pid: number): { root: string; mappings: Mapping[] } {
  const isOurs = (what: string) => readLink(`/proc/${pid}/${what}`) === readLink(`/proc/self/${what}`);
  try {
    const root = isOurs("ns/mnt") && isOurs("root") ? "" : `/proc/${pid}/root`;
    return { root, mappings: parseMaps(decoder.decode(readFile(`/proc/${pid}/maps`, MAPS_LIMIT))) };
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    if (/^E(NOENT|SRCH)$/.test(error.code)) {
      throw new DetraceError(`there is no process ${pid}`, { cause: error });
    }
    return { root: "", mappings: [] }; // what we may not look at is taken to see the same files as we do
  }
}

/** Whether a file's name is this one, or that of a library of this name. */
function isNamed(file: string, name: string): boolean {
  return file === name || file.startsWith(`${name}.so`) && /^\.so(\.\d+)*$/.test(file.slice(name.length));
}

function isFile(path: string): boolean {
  return exists(path) && (stat(path).mode & 0o170000) === 0o100000;
}

function* candidates(name: string, root: string): Generator<string> {
  if (name.includes("/")) {
    if (name.startsWith("/")) yield root + name;
    yield name;
    return;
  }
  if (!/\.so(\.|$)/.test(name)) {
    const path = readText("/proc/self/environ").split("\0").find((entry) => entry.startsWith("PATH="));
    for (const directory of `${path?.slice(5) ?? ""}:${PROGRAM_DIRECTORIES}`.split(":")) {
      if (directory.startsWith("/")) yield `${root}${directory}/${name}`;
    }
  }
  if (exists(`${root}/etc/ld.so.cache`)) {
    const cache = readFile(`${root}/etc/ld.so.cache`, CACHE_LIMIT);
    for (const path of bestFirst(searchLibraryCache(cache, (file) => isNamed(file, name)))) yield root + path;
  }
  for (const directory of LIBRARY_DIRECTORIES) {
    if (!exists(root + directory)) continue;
    const names = readDir(root + directory).filter((file) => isNamed(file, name));
    // The newest version first, as in the cache.
    names.sort((a, b) => b.localeCompare(a, "en", { numeric: true }));
    for (const file of names) yield `${root}${directory}/${file}`;
  }
}

/** Copies of a library for better processors, of those that this one can run the best, and then the common one. */
function bestFirst(paths: string[]): string[] {
  const level = (path: string) => {
    const directory = /\/glibc-hwcaps\/([^/]+)\//.exec(path)?.[1];
    return directory === undefined ? 0 : LEVELS.findIndex(([name]) => name === directory) + 1 || Infinity;
  };
  if (!paths.some(level)) return paths;
  const flags = new Set(/^flags\s*:(.*)$/m.exec(readText("/proc/cpuinfo"))?.[1]?.trim().split(" "));
  const lacking = LEVELS.findIndex(([, asked]) => asked.split(" ").some((flag) => !flags.has(flag)));
  const most = lacking < 0 ? LEVELS.length : lacking;
  return paths.filter((path) => level(path) <= most).sort((a, b) => level(b) - level(a));
}

/**
 * Where a cache of the dynamic linker says that libraries of some name are, those of this architecture alone and in its
 * order: the newest version first. Both layouts that hold `glibc-ld.so.cache1.1` are read (struct cache_file_new: glibc,
 * sysdeps/generic/dl-cache.h); what is damaged has no more entries.
 *
 * @param bytes The content of /etc/ld.so.cache.
 * @param wanted Which names.
 * @returns At most 64 paths, without the copies for processor features of old (before glibc 2.33).
 */
export function searchLibraryCache(bytes: Uint8Array, wanted: (name: string) => boolean): string[] {
  // The older of the layouts has another table in front.
  const start = new TextDecoder("latin1").decode(bytes).indexOf("glibc-ld.so.cache1.1");
  if (start < 0 || start + 48 > bytes.length) return [];
  const cache = bytes.subarray(start);
  const view = new DataView(cache.buffer, cache.byteOffset, cache.length);
  const u32 = (at: number) => view.getUint32(at, true);
  const end = 48 + Math.min(u32(20), Math.floor((cache.length - 48) / 24)) * 24;
  const paths: string[] = [];
  for (let at = 48; at < end && paths.length < 64; at += 24) {
    // struct file_entry_new: flags, offset of the name, offset of the path, unused, u64 processor features. Features with
    // bit 62 are those that the path names.
    const features = view.getBigUint64(at + 16, true);
    if (u32(at) !== CACHE_FLAGS || (features !== 0n && (features >> 62n & 1n) === 0n)) continue;
    if (wanted(nameAt(cache, u32(at + 4)))) paths.push(nameAt(cache, u32(at + 8)));
  }
  return paths;
}
