/**
 * uprobes: a program at a function of a program or library, at an instruction of it, or at its return, in all processes that
 * run it or in one.
 *
 * @module
 */

import { PF_X } from "../elf/elf.ts";
import { DetraceError } from "../error.ts";
import { fileOffset, findFunctions, withElf } from "../symbols/elf_file.ts";
import { findFile } from "../symbols/find_file.ts";
import { SyscallError } from "../sys/errno.ts";
import { exists } from "../sys/file.ts";
import { perfEventOpen } from "../sys/perf_event.ts";
import { attachPerfEvent, type AttachWay, type HasFd, type Link } from "./link.ts";
import { attachTracefsProbe, probePmu } from "./probe_event.ts";
import { tracefs } from "./tracefs.ts";

/** Where a uprobe goes: a function, or an instruction of it, or an address, or a place in the file. */
export interface UprobeTarget {
  /** The file, or a name that `findFile()` finds: `libc.so.6`, `libc`, `bash`. */
  readonly path: string;
  /** A function. */
  readonly symbol?: string | undefined;
  /** The symbol's version, `GLIBC_2.34`; without it, that which programs linked today get. */
  readonly version?: string | undefined;
  /** An address in the file's own terms, as nm(1) and objdump(1) show it. */
  readonly address?: number | undefined;
  /** Bytes from the function or the address; without them, from the start of the file. */
  readonly offset?: number | undefined;
}

/** How a uprobe is attached. */
export interface UprobeOptions {
  /** When the function returns, not when it is called. */
  retprobe?: boolean;
  /** Only in this process; the file is then looked for as that process sees it. */
  pid?: number | undefined;
  /** What `bpf_get_attach_cookie()` gives (5.15). */
  cookie?: bigint | undefined;
  /**
   * Bytes from the start of the file to a counter of 16 bits, which the kernel keeps above zero in the memory of each process
   * for as long as the probe is there (4.20).
   */
  refCounterOffset?: number | undefined;
  /** Through tracefs, as kernels before 4.17 need it; otherwise only where the kernel does not show its uprobe PMU. */
  legacy?: boolean;
}

/** A place in a file, in bytes from its start. */
export interface FilePlace {
  /** The file. */
  readonly path: string;
  /** Where in it. */
  readonly offset: number;
}

/**
 * Attaches to a function of a program or library (Linux 4.17 by a perf event of its own, before that through tracefs; with a
 * bpf link 5.15).
 *
 * An offset must lead to the start of an instruction: a breakpoint inside of one changes what the process executes.
 *
 * @param program A BPF_PROG_TYPE_KPROBE program. Its context is struct pt_regs.
 * @param target Where: {@link UprobeTarget}, or as text `PATH:SYMBOL`, `PATH:SYMBOL@VERSION`, `PATH:SYMBOL+OFFSET`, or
 *   `PATH:0xOFFSET` with bytes from the start of the file.
 * @param options At return or call, in which process, cookie, counter.
 * @throws {DetraceError} There is no such file or function, or the kernel does not let it be probed.
 *
 * @example
 * ```ts
 * import { Assembler, R0 } from "detrace/lib/asm/assembler.ts";
 * import { attachUprobe } from "detrace/lib/links/uprobe.ts";
 * import { buildSpec } from "detrace/lib/object/build.ts";
 * import { BpfObject } from "detrace/lib/object/object.ts";
 * import { getuid } from "detrace/lib/sys/process.ts";
 *
 * if (getuid() === 0) {
 *   const code = new Assembler().mov(R0, 0).exit();
 *   using object = await new BpfObject(buildSpec({ name: "o", programs: { p: { section: "uprobe", code } } })).load();
 *   using _link = attachUprobe(object.programs.get("p")!, "libc.so.6:getpgid", { retprobe: true, pid: Deno.pid });
 * }
 * ```
 */
export function attachUprobe(
  program: HasFd,
  target: string | UprobeTarget,
  options: UprobeOptions = {},
): Link {
  const wanted = typeof target === "string" ? parseUprobeTarget(target) : target;
  if (options.retprobe && wanted.symbol !== undefined && wanted.offset) {
    throw new DetraceError(
      `cannot probe the return of ${wanted.symbol}+${wanted.offset}: a function returns, not an instruction in it`,
    );
  }
  return attachAt(program, locate(wanted, options.pid), options);
}

/**
 * Reads a target.
 *
 * @param text As for {@link attachUprobe}.
 * @throws {DetraceError} It has no such form.
 *
 * @example
 * ```ts
 * import { parseUprobeTarget } from "detrace/lib/links/uprobe.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const { path, symbol, version } = parseUprobeTarget("libc.so.6:memcpy@GLIBC_2.14");
 * assertEquals([path, symbol, version], ["libc.so.6", "memcpy", "GLIBC_2.14"]);
 * ```
 */
export function parseUprobeTarget(text: string): UprobeTarget {
  const number = String.raw`0x[\da-f]{1,13}|\d{1,15}`;
  const form = new RegExp(
    `^(.+):(?:(${number})|([^:@+\\d][^:@+]*)(?:@@?([^:@+]+))?(?:\\+(${number}))?)$`,
    "is",
  );
  const [, path, place, symbol, version, added] = form.exec(text) ?? [];
  const offset = place ?? added;
  if (path === undefined) {
    throw new DetraceError(`"${text}" is no target of a uprobe`, {
      hint: "write PATH:SYMBOL, PATH:SYMBOL@VERSION, PATH:SYMBOL+OFFSET or PATH:0xOFFSET",
    });
  }
  return { path, symbol, version, offset: offset === undefined ? undefined : Number(offset) };
}

/**
 * Finds the place that a target names.
 *
 * @param target What is looked for.
 * @param pid The process it is meant for.
 * @throws {DetraceError} There is no such file, function or address.
 */
export function locate(target: UprobeTarget, pid?: number): FilePlace {
  const { symbol, version, address, offset = 0 } = target;
  const path = findFile(target.path, pid);
  if (symbol !== undefined) {
    const name = version === undefined ? symbol : `${symbol}@${version}`;
    return { path, offset: offset + withElf(path, (elf) => findFunctions(elf, [name]))[0]! };
  }
  if (address === undefined) return { path, offset };
  const place = withElf(path, (elf) => fileOffset(elf, address + offset, PF_X));
  if (place === undefined) throw new DetraceError(`${path} has no code at 0x${address.toString(16)}`);
  return { path, offset: place };
}

/**
 * Attaches to a place in a file.
 *
 * @param program As for {@link attachUprobe}.
 * @param place Where.
 * @param options As for {@link attachUprobe}.
 * @throws {DetraceError} The kernel does not let it be probed.
 */
export function attachAt(program: HasFd, { path, offset }: FilePlace, options: UprobeOptions = {}): Link {
  const { retprobe = false, pid, cookie, refCounterOffset = 0, legacy = false } = options;
  const pmu = legacy ? undefined : probePmu("uprobe");
  if (pmu === undefined && !exists(`${tracefs()}/uprobe_events`)) {
    throw new DetraceError("this kernel has no uprobes (CONFIG_UPROBE_EVENTS)");
  }
  const place = `${path}:0x${offset.toString(16)}`;
  if (refCounterOffset >= 2 ** 32) throw new DetraceError(`the counter of ${place} is beyond 4 GiB`);
  try {
    if (pmu === undefined) {
      if (/\s/.test(path)) throw new DetraceError(`tracefs does not take ${path}, a path with spaces`);
      const counter = refCounterOffset ? `(0x${refCounterOffset.toString(16)})` : "";
      return attachTracefsProbe(program, "uprobe_events", retprobe ? "r" : "p", place + counter, {
        cookie,
        pid,
      });
    }
    // Bit 0 of config: at the return. Bits 32 to 63: the counter's place.
    const config = BigInt(refCounterOffset) << 32n | (retprobe ? 1n : 0n);
    const attr = { type: pmu, config, config1: path, config2: BigInt(offset) };
    return attachPerfEvent(perfEventOpen(attr, pid ?? -1, pid === undefined ? 0 : -1), program.fd, {
      cookie,
      through: "PMU",
    });
  } catch (cause) {
    if (!(cause instanceof SyscallError) || cause.syscall.startsWith("bpf")) throw cause;
    if (!/^E(INVAL|IO|NOTSUPP|OPNOTSUPP|ILSEQ)$/.test(cause.code)) throw cause;
    throw new DetraceError(`the kernel does not let ${place} be probed`, {
      cause,
      hint: "there may be no instruction, or one that cannot be probed",
    });
  }
}

/** Whether something is found: a {@link DetraceError} says no, a failed system call is thrown. */
export function isFound(find: () => unknown): boolean {
  try {
    find();
    return true;
  } catch (error) {
    if (error instanceof SyscallError || !(error instanceof DetraceError)) throw error;
    return false;
  }
}

/** `SEC("uprobe/PATH:SYMBOL")`, `SEC("uretprobe/PATH:SYMBOL")`. */
export const uprobe: AttachWay = {
  attach: (program, { way, target, cookie, pid }) =>
    attachUprobe(program, target, { retprobe: way === "uretprobe", cookie, pid }),
  present: ({ target, pid }) => {
    const wanted = parseUprobeTarget(target);
    return isFound(() => locate(wanted, pid));
  },
};
