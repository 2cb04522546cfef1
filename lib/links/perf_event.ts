/**
 * Perf events: a program at every so many events of a counter, at a frequency, or at an access to memory.
 *
 * @module
 */

import { DetraceError } from "../error.ts";
import { ARCH } from "../sys/door.ts";
import { SyscallError } from "../sys/errno.ts";
import { readDir, readText } from "../sys/file.ts";
import { type PerfEventAttr, perfEventOpen } from "../sys/perf_event.ts";
import { kernelVersion, onlineCpus } from "../sys/process.ts";
import { attachAll, attachPerfEvent, type AttachWay, type HasFd, type Link } from "./link.ts";

const PERF_TYPE_HARDWARE = 0, PERF_TYPE_SOFTWARE = 1, PERF_TYPE_HW_CACHE = 3, PERF_TYPE_RAW = 4;
const PERF_TYPE_BREAKPOINT = 5;

/** What the kernel itself counts, by its name in perf-list(1); the clocks count ns (`cgroup-switches`: 5.13). */
export type SoftwareEvent =
  | "cpu-clock"
  | "task-clock"
  | "page-faults"
  | "context-switches"
  | "cpu-migrations"
  | "minor-faults"
  | "major-faults"
  | "alignment-faults"
  | "emulation-faults"
  | "cgroup-switches";
/** What most processors count. */
export type HardwareEvent =
  | "cpu-cycles"
  | "instructions"
  | "cache-references"
  | "cache-misses"
  | "branch-instructions"
  | "branch-misses"
  | "bus-cycles"
  | "stalled-cycles-frontend"
  | "stalled-cycles-backend"
  | "ref-cycles";
// deno-fmt-ignore
/** What some processors count of their caches, `L1-dcache-load-misses`. */
export type CacheEvent =
  `${"L1-dcache" | "L1-icache" | "LLC" | "dTLB" | "iTLB" | "branch" | "node"}-${
    "loads" | "load-misses" | "stores" | "store-misses" | "prefetches" | "prefetch-misses"}`;

// Numbers, here and below: include/uapi/linux/perf_event.h and hw_breakpoint.h.
const SOFTWARE: Readonly<Record<SoftwareEvent, number>> = {
  "cpu-clock": 0,
  "task-clock": 1,
  "page-faults": 2,
  "context-switches": 3,
  "cpu-migrations": 4,
  "minor-faults": 5,
  "major-faults": 6,
  "alignment-faults": 7,
  "emulation-faults": 8,
  "cgroup-switches": 11,
};
const HARDWARE: Readonly<Record<HardwareEvent, number>> = {
  "cpu-cycles": 0,
  "instructions": 1,
  "cache-references": 2,
  "cache-misses": 3,
  "branch-instructions": 4,
  "branch-misses": 5,
  "bus-cycles": 6,
  "stalled-cycles-frontend": 7,
  "stalled-cycles-backend": 8,
  "ref-cycles": 9,
};
const CACHES = ["L1-dcache", "L1-icache", "LLC", "dTLB", "iTLB", "branch", "node"];
const CACHE_COUNTS = ["loads", "load-misses", "stores", "store-misses", "prefetches", "prefetch-misses"];
const ACCESS = { r: 1, w: 2, rw: 3, x: 4 };

/** A counter, and how often the program runs: every `period` events, or at a frequency that the kernel tries to keep. */
export type CounterEvent =
  & ({ software: SoftwareEvent } | { hardware: HardwareEvent } | { cache: CacheEvent } | {
    /** The processor's own number for what it counts. */
    raw: bigint;
  })
  & ({ period: number | bigint } | { hz: number });

/** An access to memory, at which the program runs each time. */
export interface BreakpointEvent {
  /** Address in the kernel or in processes. */
  breakpoint: bigint;
  /** Read, written, read or written, executed; `r` alone is not to be had on x86. */
  access: "r" | "w" | "rw" | "x";
  /** Bytes that are watched, 8 if not given; the address is a multiple of it. */
  length?: 1 | 2 | 4 | 8;
}

/** What a program runs at. */
export type PerfEvent = CounterEvent | BreakpointEvent;

/** Where events are counted, and with what. */
export interface PerfEventOptions {
  /** Only in this process, and those that it starts from now on; everything on all processors if not given. */
  pid?: number | undefined;
  /** What `bpf_get_attach_cookie()` gives (5.15); 0 in threads and processes that are started later. */
  cookie?: bigint | undefined;
}

/**
 * Attaches to perf events, one on each processor or in each thread of a process (Linux 4.9; with a bpf link 5.15).
 *
 * @param program A BPF_PROG_TYPE_PERF_EVENT program. Its context is struct bpf_perf_event_data.
 * @param event What is counted, and how often the program runs.
 * @param options In one process; cookie.
 * @throws {DetraceError} The machine or the kernel does not count that, or there is no such process.
 *
 * @example
 * ```ts
 * import { Assembler, R0 } from "detrace/lib/asm/assembler.ts";
 * import { attachPerfEvents } from "detrace/lib/links/perf_event.ts";
 * import { buildSpec } from "detrace/lib/object/build.ts";
 * import { BpfObject } from "detrace/lib/object/object.ts";
 * import { getuid } from "detrace/lib/sys/process.ts";
 *
 * if (getuid() === 0) {
 *   const code = new Assembler().mov(R0, 0).exit();
 *   using object = await new BpfObject(buildSpec({ name: "o", programs: { p: { section: "perf_event", code } } })).load();
 *   const program = object.programs.get("p")!;
 *   using _profile = attachPerfEvents(program, { software: "cpu-clock", hz: 99 });
 *   using _faults = attachPerfEvents(program, { software: "page-faults", period: 100 }, { pid: Deno.pid });
 * }
 * ```
 */
export function attachPerfEvents(program: HasFd, event: PerfEvent, options: PerfEventOptions = {}): Link {
  return attachAll(
    openEvents(event, options.pid),
    (fd) => attachPerfEvent(fd, program.fd, { cookie: options.cookie }),
  );
}

/** Opens an event on each processor or in each thread, while they are attached. */
function* openEvents(event: PerfEvent, pid: number | undefined): Generator<number> {
  const attr = { ...attrOf(event), inherit: pid !== undefined };
  const places = pid === undefined
    ? onlineCpus().map((cpu) => ({ thread: -1, cpu }))
    : threads(pid).map((thread) => ({ thread, cpu: -1 }));
  for (const { thread, cpu } of places) {
    let fd: number;
    try {
      fd = perfEventOpen(attr, thread, cpu);
    } catch (error) {
      if (!(error instanceof SyscallError)) throw error;
      // Meanwhile the thread has ended, or the processor went away.
      const gone = cpu < 0 ? error.code === "ESRCH" : error.code === "ENODEV" && !onlineCpus().includes(cpu);
      if (gone) continue;
      throw explain(error, event);
    }
    yield fd;
  }
}

function threads(pid: number): number[] {
  try {
    return readDir(`/proc/${pid}/task`).map(Number);
  } catch (cause) {
    throw new DetraceError(`there is no process ${pid}`, { cause });
  }
}

function attrOf(event: PerfEvent): PerfEventAttr {
  if ("breakpoint" in event) {
    // Before 6.6 arm64 does not step over an access that a program was run for: the process would stand still.
    if (ARCH === "arm64" && kernelVersion() < 0x60600) {
      throw new DetraceError("programs cannot run at breakpoints on arm64 in this kernel (Linux 6.6)");
    }
    const { breakpoint, access, length = 8 } = event;
    return {
      type: PERF_TYPE_BREAKPOINT,
      config: 0n,
      samplePeriod: 1n,
      breakpoint: ACCESS[access],
      config1: breakpoint,
      config2: access === "x" ? 8n : BigInt(length), // the size of a long, whatever the instruction's is
    };
  }
  const rate = "hz" in event ? event.hz : event.period;
  if (!(rate > 0 && rate < 2 ** 63)) {
    throw new DetraceError("a perf event needs a period or a frequency above zero");
  }
  const [type, config] = counterOf(event);
  return { type, config: BigInt(config), samplePeriod: BigInt(rate), frequency: "hz" in event };
}

function counterOf(event: CounterEvent): [type: number, config: number | bigint] {
  if ("software" in event) return [PERF_TYPE_SOFTWARE, SOFTWARE[event.software]];
  if ("hardware" in event) return [PERF_TYPE_HARDWARE, HARDWARE[event.hardware]];
  if ("raw" in event) return [PERF_TYPE_RAW, event.raw];
  return [PERF_TYPE_HW_CACHE, cacheConfig(event.cache)!];
}

/** A cache event's number: the cache, the operation from bit 8 on, whether it missed in bit 16; undefined if it is none. */
function cacheConfig(name: string): number | undefined {
  const cache = CACHES.findIndex((cache) => name.startsWith(`${cache}-`));
  const count = CACHE_COUNTS.findIndex((count) => name === `${CACHES[cache]}-${count}`);
  return count < 0 ? undefined : cache | count >> 1 << 8 | (count & 1) << 16;
}

function isKey<T extends object>(table: T, key: string | undefined): key is keyof T & string {
  return key !== undefined && Object.hasOwn(table, key);
}

/** What the kernel means by its refusal. */
function explain(cause: SyscallError, event: PerfEvent): DetraceError {
  const { code } = cause;
  if ("breakpoint" in event) {
    const { breakpoint, access, length = 8 } = event;
    const what = `watch 0x${breakpoint.toString(16)} (${length} bytes, ${access})`;
    if (code === "ENOSPC") return new DetraceError(`cannot ${what}: all breakpoints are in use`, { cause });
    if (code !== "EINVAL") return cause;
    return new DetraceError(`the processor cannot ${what}`, {
      cause,
      hint:
        "the address has to be a multiple of the length; x86 cannot watch for reading alone, arm64 not the kernel " +
        "for one process",
    });
  }
  if ("hz" in event && code === "EINVAL") {
    const most = Number(readText("/proc/sys/kernel/perf_event_max_sample_rate"));
    if (event.hz > most) {
      return new DetraceError(`${event.hz} Hz is above kernel.perf_event_max_sample_rate, ${most}`, {
        cause,
      });
    }
  }
  if ("software" in event) {
    if (code !== "ENOENT") return cause;
    return new DetraceError(`this kernel has no software event ${event.software}`, { cause });
  }
  if (!/^E(NOENT|OPNOTSUPP|NODEV|INVAL)$/.test(code)) return cause;
  const name = "raw" in event
    ? `raw event 0x${event.raw.toString(16)}`
    : "cache" in event
    ? event.cache
    : event.hardware;
  return new DetraceError(`this machine does not count ${name}`, {
    cause,
    hint: "most virtual machines have no hardware counters",
  });
}

const NS: Readonly<Record<string, number>> = { us: 1e3, ms: 1e6, s: 1e9 };

/**
 * Reads an event from text, as the targets of `SEC("perf_event")` have it; the spelling is that of bpftrace's probes.
 *
 * - `profile:hz:99`, `profile:ms:10` (also `s`, `us`): by the clock
 * - `software:page-faults:100`, `hardware:cpu-cycles:1000000`, `cache:LLC-load-misses:1000`, `raw:0x1cd:1000`: a counter and
 *   its period, or a frequency as in `hardware:cpu-cycles:99hz`
 * - `watchpoint:0x7f0012345678:8:w`: address, length, access
 *
 * @throws {DetraceError} It has no such form, or there is no such counter.
 *
 * @example
 * ```ts
 * import { parsePerfEvent } from "detrace/lib/links/perf_event.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(parsePerfEvent("profile:hz:99"), { software: "cpu-clock", hz: 99 });
 * assertEquals(parsePerfEvent("hardware:cpu-cycles:1000000"), { hardware: "cpu-cycles", period: 1000000 });
 * assertEquals(parsePerfEvent("watchpoint:0x1000:4:w"), { breakpoint: 0x1000n, length: 4, access: "w" });
 * ```
 */
export function parsePerfEvent(text: string): PerfEvent {
  const [, unit, time] = /^profile:(hz|us|ms|s):(\d{1,9})$/.exec(text) ?? [];
  if (unit === "hz") return { software: "cpu-clock", hz: Number(time) };
  if (unit) return { software: "cpu-clock", period: Number(time) * NS[unit]! };

  const [, address, length, access] = /^watchpoint:(0x[\da-f]{1,16}):([1248]):(r|w|rw|x)$/i.exec(text) ?? [];
  if (address) {
    return {
      breakpoint: BigInt(address),
      length: Number(length) as 1 | 2 | 4 | 8,
      access: access!.toLowerCase() as keyof typeof ACCESS,
    };
  }

  const [, kind, name, count, hz] = /^(software|hardware|cache|raw):([\w-]+):(\d{1,15})(hz)?$/.exec(text) ??
    [];
  const rate = hz ? { hz: Number(count) } : { period: Number(count) };
  if (kind === "software" && isKey(SOFTWARE, name)) return { software: name, ...rate };
  if (kind === "hardware" && isKey(HARDWARE, name)) return { hardware: name, ...rate };
  if (kind === "cache" && cacheConfig(name!) !== undefined) return { cache: name as CacheEvent, ...rate };
  if (kind === "raw" && /^(0x[\da-f]{1,16}|\d{1,15})$/.test(name!)) return { raw: BigInt(name!), ...rate };
  throw new DetraceError(kind ? `there is no ${kind} event "${name}"` : `"${text}" is no perf event`, {
    hint:
      "write profile:hz:99, software:page-faults:100, hardware:cpu-cycles:1000000 or watchpoint:0xADDRESS:8:w",
  });
}

/** `SEC("perf_event/EVENT")`, with an event as {@link parsePerfEvent} reads it. */
export const perfEvent: AttachWay = {
  attach: (program, { target, pid, cookie }) =>
    attachPerfEvents(program, parsePerfEvent(target), { pid, cookie }),
};
