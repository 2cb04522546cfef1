/**
 * Tracepoints, raw tracepoints and BTF tracepoints.
 *
 * @module
 */

import { DetraceError } from "../error.ts";
import { rawTracepointOpen } from "../sys/bpf.ts";
import { SyscallError } from "../sys/errno.ts";
import { perfEventOpen } from "../sys/perf_event.ts";
import { attachPerfEvent, Link } from "./link.ts";
import { tracepointId } from "./tracefs.ts";

const PERF_TYPE_TRACEPOINT = 2;

/** What can be attached: anything with a program's descriptor. */
export interface HasFd {
  /** File descriptor of a loaded program. */
  readonly fd: number;
}

/**
 * Attaches to a tracepoint (Linux 4.7; with a bpf link 5.15, before that by the event's ioctl).
 *
 * @param program A BPF_PROG_TYPE_TRACEPOINT program. Its context is the event's record, as the tracepoint's `format` file has it.
 * @param name Category and name, `syscalls/sys_enter_openat`.
 * @param options `cookie` for `bpf_get_attach_cookie()` (5.15).
 * @throws {DetraceError} If there is no such tracepoint; {@link SyscallError} if the kernel refuses.
 */
export function attachTracepoint(program: HasFd, name: string, options: { cookie?: bigint } = {}): Link {
  const id = tracepointId(name);
  // The event counts one processor, but a program at a tracepoint runs on all.
  const event = perfEventOpen({ type: PERF_TYPE_TRACEPOINT, config: BigInt(id), samplePeriod: 1n }, -1, 0);
  return attachPerfEvent(event, program.fd, options.cookie);
}

/**
 * Attaches to a raw tracepoint (Linux 4.17): the tracepoint's arguments as they are, without a record of them.
 *
 * @param program A BPF_PROG_TYPE_RAW_TRACEPOINT program.
 * @param name The event's name alone, `sched_switch`.
 * @throws {DetraceError} If there is no such tracepoint; {@link SyscallError} if the kernel refuses.
 */
export function attachRawTracepoint(program: HasFd, name: string): Link {
  try {
    return new Link("link", [rawTracepointOpen(program.fd, name)]);
  } catch (error) {
    if (error instanceof SyscallError && error.code === "ENOENT") {
      throw new DetraceError(`this kernel has no raw tracepoint ${name}`, { cause: error });
    }
    throw error;
  }
}

/**
 * Attaches a program whose target was fixed when it was loaded: `tp_btf` (Linux 5.5).
 *
 * @param program A BPF_PROG_TYPE_TRACING program.
 * @throws {SyscallError}
 */
export function attachLoaded(program: HasFd): Link {
  return new Link("link", [rawTracepointOpen(program.fd)]);
}
