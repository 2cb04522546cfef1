/**
 * What kprobes and uprobes share: the number of the PMU whose perf events they are, and probes made through tracefs where
 * the kernel shows no such PMU.
 *
 * @module
 */

import { closeFd } from "../sys/door.ts";
import { SyscallError } from "../sys/errno.ts";
import { O_APPEND, O_WRONLY, open, readText, write } from "../sys/file.ts";
import { perfEventOpen } from "../sys/perf_event.ts";
import { attachPerfEvent, type HasFd, type Link } from "./link.ts";
import { tracefs } from "./tracefs.ts";

const PERF_TYPE_TRACEPOINT = 2;

/**
 * The number of a probe PMU (Linux 4.17), for `perf_event_attr.type`.
 *
 * @param name The PMU.
 * @returns Undefined if the kernel does not have it, or /sys is not to be seen.
 * @throws {SyscallError} If that cannot be known.
 */
export function probePmu(name: "kprobe" | "uprobe"): number | undefined {
  try {
    return Number(readText(`/sys/bus/event_source/devices/${name}/type`));
  } catch (error) {
    if (error instanceof SyscallError && error.code === "ENOENT") return undefined;
    throw error;
  }
}

/**
 * Attaches to a probe made through tracefs, as Documentation/trace/kprobetrace.rst and uprobetracer.rst have it. It goes with
 * the link or, if nobody closes that, when Deno exits; what kills the process leaves it behind. So it is only for kernels
 * without {@link probePmu}.
 *
 * @param program A BPF_PROG_TYPE_KPROBE program.
 * @param list The file that lists such probes.
 * @param kind `p` at the place, `r` when the function there returns.
 * @param place Where: `vfs_read+0x10`, `/usr/bin/bash:0x4245a0`.
 * @param options `cookie`: what `bpf_get_attach_cookie()` gives (5.15); `pid`: only in this process (uprobes).
 * @throws {DetraceError} If tracefs cannot be had; {@link SyscallError} if the kernel refuses.
 */
export function attachTracefsProbe(
  program: HasFd,
  list: "kprobe_events" | "uprobe_events",
  kind: "p" | "r",
  place: string,
  options: { cookie?: bigint | undefined; pid?: number | undefined } = {},
): Link {
  const { cookie, pid } = options;
  const directory = tracefs();
  // A second probe of the same name would become part of the first: so the name is one that no other process takes.
  const name = `detrace/${kind}_${Deno.pid}_${Math.random().toString(36).slice(2)}`;
  const change = (line: string) => {
    const fd = open(`${directory}/${list}`, O_WRONLY | O_APPEND);
    try {
      write(fd, new TextEncoder().encode(line), `${list} "${line}"`);
    } finally {
      closeFd(fd);
    }
  };
  const atExit = () => link.close();
  const cleanup = () => {
    removeEventListener("unload", atExit);
    try {
      change(`-:${name}`);
    } catch { /* the link is pinned, and goes on using it */ }
  };
  change(`${kind}:${name} ${place}`);
  let event: number;
  try {
    const config = BigInt(readText(`${directory}/events/${name}/id`));
    const attr = { type: PERF_TYPE_TRACEPOINT, config, samplePeriod: 1n };
    event = perfEventOpen(attr, pid ?? -1, pid === undefined ? 0 : -1);
  } catch (error) {
    cleanup();
    throw error;
  }
  const link = attachPerfEvent(event, program.fd, { cookie, cleanup, through: "tracefs" });
  addEventListener("unload", atExit);
  return link;
}
