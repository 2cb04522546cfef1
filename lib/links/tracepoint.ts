/**
 * Tracepoints and raw tracepoints.
 *
 * @module
 */

import { DetraceError } from "../error.ts";
import { rawTracepointOpen } from "../sys/bpf.ts";
import { SyscallError } from "../sys/errno.ts";
import { perfEventOpen } from "../sys/perf_event.ts";
import { attachPerfEvent, type AttachWay, type HasFd, Link } from "./link.ts";
import { hasTracepoint, tracepointId } from "./tracefs.ts";

const PERF_TYPE_TRACEPOINT = 2;

/**
 * Attaches to a tracepoint (Linux 4.7; with a bpf link 5.15, before that by the event's ioctl).
 *
 * @param program A BPF_PROG_TYPE_TRACEPOINT program. Its context is the event's record, as the tracepoint's `format` file has it.
 * @param name Category and name, `syscalls/sys_enter_openat`.
 * @param options `cookie` for `bpf_get_attach_cookie()` (5.15).
 * @throws {DetraceError} If there is no such tracepoint; {@link SyscallError} if the kernel refuses.
 */
export function attachTracepoint(
  program: HasFd,
  name: string,
  options: { cookie?: bigint | undefined } = {},
): Link {
  const id = tracepointId(name);
  // The event counts one processor, but a program at a tracepoint runs on all.
  const event = perfEventOpen({ type: PERF_TYPE_TRACEPOINT, config: BigInt(id), samplePeriod: 1n }, -1, 0);
  return attachPerfEvent(event, program.fd, options);
}

/**
 * Attaches to a raw tracepoint (Linux 4.17): the tracepoint's arguments as they are, without a record of them.
 *
 * @param program A BPF_PROG_TYPE_RAW_TRACEPOINT program.
 * @param name The event's name alone, `sched_switch`.
 * @param options `cookie` for `bpf_get_attach_cookie()` (6.10).
 * @throws {DetraceError} If there is no such tracepoint; {@link SyscallError} if the kernel refuses.
 */
export function attachRawTracepoint(
  program: HasFd,
  name: string,
  options: { cookie?: bigint | undefined } = {},
): Link {
  try {
    return new Link("link", [rawTracepointOpen(program.fd, name, options.cookie)]);
  } catch (error) {
    if (error instanceof SyscallError && error.code === "ENOENT") {
      throw new DetraceError(`this kernel has no raw tracepoint ${name}`, { cause: error });
    }
    throw error;
  }
}

/** `SEC("tracepoint/CATEGORY/NAME")`. */
export const tracepoint: AttachWay = {
  attach: (program, { target, cookie }) => attachTracepoint(program, target, { cookie }),
  present: ({ target }) => hasTracepoint(target),
};

/** `SEC("raw_tp/NAME")`. */
export const rawTracepoint: AttachWay = {
  attach: (program, { target, cookie }) => attachRawTracepoint(program, target, { cookie }),
};
