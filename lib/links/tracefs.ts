/**
 * tracefs: where the kernel lists its tracepoints. Found where it is mounted, else opened without mounting it anywhere.
 *
 * @module
 */

import { DetraceError } from "../error.ts";
import { check, closeFd, cstring, extra } from "../sys/door.ts";
import { SyscallError } from "../sys/errno.ts";
import { exists, readText } from "../sys/file.ts";

// The same numbers on all architectures (5.2).
const FSOPEN = 430, FSCONFIG = 431, FSMOUNT = 432;
const FSCONFIG_CMD_CREATE = 6;

let found: string | undefined;

/**
 * The directory of tracefs.
 *
 * Where it is not mounted, it is mounted for this process alone: fsopen(2) and fsmount(2) give a descriptor of a mount that
 * has no place in any directory, so that nothing on the machine changes and nothing is left behind.
 *
 * @throws {DetraceError} If it is not mounted and cannot be.
 */
export function tracefs(): string {
  if (found !== undefined) return found;
  for (const path of ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"]) {
    try {
      if (exists(`${path}/events`)) return found = path;
    } catch { /* not readable: the error below says what to do */ }
  }
  const { fsopen, fsconfig, fsmount } = extra({
    fsopen: { name: "syscall", parameters: ["i32", "buffer", "i32"], result: "i32" },
    fsconfig: {
      name: "syscall",
      parameters: ["i32", "i32", "i32", "buffer", "buffer", "i32"],
      result: "i32",
    },
    fsmount: { name: "syscall", parameters: ["i32", "i32", "i32", "i32"], result: "i32" },
  });
  let context = -1;
  try {
    context = check(fsopen(FSOPEN, cstring("tracefs"), 1), "fsopen");
    check(fsconfig(FSCONFIG, context, FSCONFIG_CMD_CREATE, null, null, 0), "fsconfig");
    const mount = check(fsmount(FSMOUNT, context, 1, 0), "fsmount"); // open until the process ends
    return found = `/proc/self/fd/${mount}`;
  } catch (cause) {
    // A user without rights sees the directory, and not whether anything is mounted there.
    throw new DetraceError(
      "cannot read the kernel's tracepoints: tracefs is not mounted or not for this user to read",
      {
        cause,
        hint: "run as root",
      },
    );
  } finally {
    if (context >= 0) closeFd(context);
  }
}

/**
 * Whether the running kernel has a tracepoint.
 *
 * @param name Category and name, `syscalls/sys_enter_open`.
 * @throws {DetraceError} If tracefs cannot be had.
 */
export function hasTracepoint(name: string): boolean {
  return /^[\w-]+\/[\w-]+$/.test(name) && exists(`${tracefs()}/events/${name}/id`);
}

/**
 * A tracepoint's number, for perf_event_open(2).
 *
 * @param name Category and name, `syscalls/sys_enter_open`.
 * @throws {DetraceError} If the kernel has no such tracepoint.
 */
export function tracepointId(name: string): number {
  try {
    if (/^[\w-]+\/[\w-]+$/.test(name)) return Number(readText(`${tracefs()}/events/${name}/id`));
  } catch (error) {
    if (!(error instanceof SyscallError) || error.code !== "ENOENT") throw error;
  }
  throw new DetraceError(`this kernel has no tracepoint ${name}`);
}

/**
 * Where a field lies in a tracepoint's record, as its `format` file says.
 *
 * @param name Category and name, `syscalls/sys_enter_openat`.
 * @param field The field's name.
 * @returns Bytes from the start of the record; undefined if there is no such tracepoint or field.
 */
export function fieldOffset(name: string, field: string): number | undefined {
  if (!hasTracepoint(name)) return undefined;
  const format = readText(`${tracefs()}/events/${name}/format`);
  for (const [, declaration, offset] of format.matchAll(/^\tfield:([^;]*);\toffset:(\d+);/gm)) {
    if (declaration!.replace(/\[.*\]$/, "").endsWith(` ${field}`)) return Number(offset);
  }
}
