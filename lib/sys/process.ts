/**
 * What the kernel says of itself and of this process: release, user, clocks, processors, limits.
 *
 * @module
 */

import { ARCH, type Buffer, check, extra, libc, NR } from "./door.ts";
import { readFile, readText } from "./file.ts";

/** `clock` id: counts since boot without suspend; BPF's ktime_get_ns. */
export const CLOCK_MONOTONIC = 1;
/** `clock` id: time of day. */
export const CLOCK_REALTIME = 0;
/** `clock` id: counts since boot with suspend. */
export const CLOCK_BOOTTIME = 7;

let uts: Buffer | undefined;

/** One of uname(2)'s six fields of 65 bytes (struct new_utsname): 0 system, 1 node, 2 release, 3 version, 4 machine. */
function uname(field: number): string {
  if (!uts) {
    uts = new Uint8Array(390);
    check(libc().front(NR.uname, uts, 0, 0, 0, 0), "uname");
  }
  const bytes = uts.subarray(field * 65, field * 65 + 65);
  return new TextDecoder().decode(bytes.subarray(0, bytes.indexOf(0)));
}

/** The kernel's release, `6.12.41-cloud-amd64`. */
export function kernelRelease(): string {
  return uname(2);
}

/**
 * The kernel's version as one number, `(major << 16) + (minor << 8) + patch`, as LINUX_VERSION_CODE is written.
 *
 * Debian and Ubuntu keep the true patch level out of the release, so it is looked for where they put it.
 */
export function kernelVersion(): number {
  let text = kernelRelease();
  const debian = / SMP .*Debian (\d+\.\d+\.\d+)/.exec(uname(3)) ?? /Debian (\d+\.\d+\.\d+)/.exec(uname(3));
  if (debian) text = debian[1]!;
  else if (uname(3).includes("-Ubuntu ")) {
    try {
      text = / (\d+\.\d+\.\d+)\s*$/.exec(readText("/proc/version_signature"))?.[1] ?? text;
    } catch { /* a container may hide the file: the release will do */ }
  }
  const [, major, minor, patch] = /^(\d+)\.(\d+)(?:\.(\d+))?/.exec(text) ?? [];
  return (Number(major ?? 0) << 16) + (Number(minor ?? 0) << 8) + Math.min(255, Number(patch ?? 0));
}

/** The effective user id; 0 is root. */
export function getuid(): number {
  return libc().control(NR.geteuid, 0, 0, 0, null);
}

/** The calling thread's id. */
export function gettid(): number {
  return libc().control(NR.gettid, 0, 0, 0, null);
}

const timespec: BigInt64Array<ArrayBuffer> = new BigInt64Array(2);

/**
 * clock_gettime(2) in nanoseconds.
 *
 * @param id `CLOCK_MONOTONIC`, which BPF programs stamp events with, or another.
 */
export function clock(id: number): bigint {
  check(libc().call(NR.clock_gettime, id, new Uint8Array(timespec.buffer), 0, 0, null), "clock_gettime");
  return timespec[0]! * 1000000000n + timespec[1]!;
}

/** A list of processors as sysfs writes it, `0-3,8`. */
export function parseCpuList(text: string): number[] {
  return text.trim().split(",").filter(Boolean).flatMap((part) => {
    const [first, last = first] = part.split("-").map(Number);
    return Array.from({ length: last! - first! + 1 }, (_, i) => first! + i);
  });
}

let possible: number | undefined;

/** How many processors there could ever be: the number of values of a per-CPU map. */
export function possibleCpus(): number {
  return possible ??= parseCpuList(readText("/sys/devices/system/cpu/possible")).length;
}

/** The processors that run now. */
export function onlineCpus(): number[] {
  return parseCpuList(readText("/sys/devices/system/cpu/online"));
}

let page: number | undefined = ARCH === "x86" ? 4096 : undefined;

/** Bytes in a page: 4096, on arm64 perhaps 16384 or 65536. */
export function pageSize(): number {
  if (page === undefined) {
    // The auxiliary vector: pairs of u64, AT_PAGESZ is 6.
    const vector = new BigUint64Array(readFile("/proc/self/auxv").slice().buffer);
    for (let i = 0; i + 1 < vector.length; i += 2) if (vector[i] === 6n) page = Number(vector[i + 1]);
  }
  return page ??= 4096;
}

/**
 * Raises RLIMIT_MEMLOCK to no limit. Kernels before 5.11 count BPF maps and programs against it.
 *
 * @returns Whether it could be raised.
 */
export function raiseMemlock(): boolean {
  const { prlimit64 } = extra({
    prlimit64: { parameters: ["i32", "i32", "buffer", "buffer"], result: "i32" },
  });
  const unlimited = new BigUint64Array(2).fill(0xffffffffffffffffn);
  return prlimit64(0, 8, new Uint8Array(unlimited.buffer), null) === 0;
}

/** The capabilities in force, a bit a capability (CapEff in /proc/self/status). */
export function capabilities(): bigint {
  return BigInt("0x" + (/^CapEff:\s*([0-9a-f]+)/m.exec(readText("/proc/self/status"))?.[1] ?? "0"));
}
