/**
 * perf_event_open(2) and its ioctls (include/uapi/linux/perf_event.h).
 *
 * @module
 */

import { address, type Buffer, check, cstring, libc, NR, release } from "./door.ts";

/** `struct perf_event_attr`, as far as tracing needs it. */
export interface PerfEventAttr {
  /** PERF_TYPE_HARDWARE 0, SOFTWARE 1, TRACEPOINT 2, HW_CACHE 3, RAW 4, BREAKPOINT 5, or a PMU's own number. */
  type: number;
  /** Meaning depends on the type: a tracepoint's id, a software event's number. */
  config: bigint;
  /** Events per sample, or Hz with `frequency`. */
  samplePeriod?: bigint;
  /** The period is in Hz. */
  frequency?: boolean;
  /** What a sample holds: PERF_SAMPLE_RAW 1024 for BPF output. */
  sampleType?: bigint;
  /** Wake the reader after so many samples. */
  wakeupEvents?: number;
  /** Name of a function or path for probe PMUs, address of a breakpoint. */
  config1?: string | bigint;
  /** Offset or address for probe PMUs, length of a breakpoint. */
  config2?: bigint;
  /** HW_BREAKPOINT_R 1, W 2, X 4 of a breakpoint. */
  breakpoint?: number;
  /** Count nothing yet. */
  disabled?: boolean;
  /** Threads and processes that a counted thread starts are counted with it. */
  inherit?: boolean;
}

/**
 * perf_event_open(2), close-on-exec.
 *
 * @param a What to count.
 * @param pid Process, or -1 for all.
 * @param cpu Processor, or -1 for all (with a process).
 * @param group Leader's descriptor, or -1.
 * @returns A file descriptor, owned by the caller.
 * @throws {SyscallError}
 */
export function perfEventOpen(a: PerfEventAttr, pid: number, cpu: number, group = -1): number {
  const attr: Buffer = new Uint8Array(112); // PERF_ATTR_SIZE_VER5
  const view = new DataView(attr.buffer);
  view.setUint32(0, a.type, true);
  view.setUint32(4, 112, true);
  view.setBigUint64(8, a.config, true);
  view.setBigUint64(16, a.samplePeriod ?? 0n, true);
  view.setBigUint64(24, a.sampleType ?? 0n, true);
  // disabled is bit 0, inherit bit 1, freq bit 10
  view.setUint32(40, (a.disabled ? 1 : 0) | (a.inherit ? 2 : 0) | (a.frequency ? 1024 : 0), true);
  view.setUint32(48, a.wakeupEvents ?? 0, true);
  view.setUint32(52, a.breakpoint ?? 0, true);
  const config1 = typeof a.config1 === "string" ? address(cstring(a.config1)) : a.config1;
  view.setBigUint64(56, config1 ?? 0n, true);
  view.setBigUint64(64, a.config2 ?? 0n, true);
  const fd = libc().front(NR.perf_event_open, attr, pid, cpu, group, 8); // PERF_FLAG_FD_CLOEXEC
  release();
  return check(fd, "perf_event_open");
}

/** PERF_EVENT_IOC_ENABLE. */
export function perfEventEnable(fd: number): void {
  check(libc().control(NR.ioctl, fd, 0x2400, 0, null), "ioctl(PERF_EVENT_IOC_ENABLE)");
}

/** PERF_EVENT_IOC_DISABLE. */
export function perfEventDisable(fd: number): void {
  check(libc().control(NR.ioctl, fd, 0x2401, 0, null), "ioctl(PERF_EVENT_IOC_DISABLE)");
}

/** PERF_EVENT_IOC_SET_BPF: runs a program at each event; how programs attach before perf links (5.15). */
export function perfEventSetBpf(fd: number, progFd: number): void {
  check(libc().control(NR.ioctl, fd, 0x40042408, progFd, null), "ioctl(PERF_EVENT_IOC_SET_BPF)");
}
