/**
 * kprobes: a program at a function of the kernel, at an instruction of it, or at its return.
 *
 * @module
 */

import { DetraceError } from "../error.ts";
import { countFunctions } from "../symbols/kernel_functions.ts";
import { ARCH } from "../sys/door.ts";
import { SyscallError } from "../sys/errno.ts";
import { exists } from "../sys/file.ts";
import { perfEventOpen } from "../sys/perf_event.ts";
import { attachPerfEvent, type AttachWay, type HasFd, type Link } from "./link.ts";
import { attachTracefsProbe, probePmu } from "./probe_event.ts";
import { tracefs } from "./tracefs.ts";

/** How a kprobe is attached. */
export interface KprobeOptions {
  /** When the function returns, not when it is called. */
  retprobe?: boolean;
  /** What `bpf_get_attach_cookie()` gives (5.15). */
  cookie?: bigint | undefined;
  /** Through tracefs, as kernels before 4.17 need it; otherwise only where the kernel does not show its kprobe PMU. */
  legacy?: boolean;
}

/**
 * Attaches to a function of the kernel (Linux 4.17 by a perf event of its own, before that through tracefs; with a bpf link
 * 5.15).
 *
 * @param program A BPF_PROG_TYPE_KPROBE program. Its context is struct pt_regs.
 * @param target A function `vfs_read`, with its module `nf_tables:nft_do_chain`; an instruction in it `vfs_read+0x10`; an
 *   address, as a number or as text `0xffffffff81234560`.
 * @param options At its return or its call; cookie.
 * @throws {DetraceError} The kernel has no kprobes, no such function, or does not let it be probed.
 *
 * @example
 * ```ts
 * import { Assembler, R0 } from "detrace/lib/asm/assembler.ts";
 * import { attachKprobe } from "detrace/lib/links/kprobe.ts";
 * import { buildSpec } from "detrace/lib/object/build.ts";
 * import { BpfObject } from "detrace/lib/object/object.ts";
 * import { exists } from "detrace/lib/sys/file.ts";
 * import { getuid } from "detrace/lib/sys/process.ts";
 *
 * if (getuid() === 0 && exists("/sys/bus/event_source/devices/kprobe")) {
 *   const code = new Assembler().mov(R0, 0).exit();
 *   using object = await new BpfObject(buildSpec({ name: "o", programs: { p: { section: "kprobe", code } } })).load();
 *   using _link = attachKprobe(object.programs.get("p")!, "vfs_read", { retprobe: true });
 * }
 * ```
 */
export function attachKprobe(program: HasFd, target: string | bigint, options: KprobeOptions = {}): Link {
  const { retprobe = false, cookie, legacy = false } = options;
  const place = parseTarget(target);
  if (retprobe && place.name && place.offset) {
    throw new DetraceError(
      `cannot probe the return of ${place.text}: a function returns, not an instruction in it`,
    );
  }
  const pmu = legacy ? undefined : probePmu("kprobe");
  if (pmu === undefined && !exists(`${tracefs()}/kprobe_events`)) {
    throw new DetraceError("this kernel has no kprobes (CONFIG_KPROBE_EVENTS)");
  }
  try {
    if (pmu === undefined) {
      return attachTracefsProbe(program, "kprobe_events", retprobe ? "r" : "p", place.text, { cookie });
    }
    // Bit 0 of config: at the return. Without a name in config1, config2 is an address.
    const event = perfEventOpen(
      {
        type: pmu,
        config: retprobe ? 1n : 0n,
        samplePeriod: 1n,
        config1: place.name ?? 0n,
        config2: place.offset,
      },
      -1,
      0,
    );
    return attachPerfEvent(event, program.fd, { cookie, through: "PMU" });
  } catch (error) {
    throw explain(error, place);
  }
}

/**
 * Attaches to a system call: the function of the kernel that takes it, whose only argument is struct pt_regs with those of
 * the caller. From Linux 4.19 on all kernels for x86-64 and arm64 have it so.
 *
 * @param program As for {@link attachKprobe}.
 * @param name The system call's name, `openat`.
 * @param options As for {@link attachKprobe}.
 * @throws {DetraceError} As {@link attachKprobe}.
 */
export function attachKsyscall(program: HasFd, name: string, options?: KprobeOptions): Link {
  return attachKprobe(program, functionOf(name), options);
}

function functionOf(syscall: string): string {
  return `__${ARCH === "x86" ? "x64" : ARCH}_sys_${syscall}`;
}

/** Where a kprobe goes: `offset` bytes into a function, or at an address; and the same as text. */
interface Place {
  readonly name?: string;
  readonly offset: bigint;
  readonly text: string;
}

function parseTarget(target: string | bigint): Place {
  const text = typeof target === "bigint" ? `0x${target.toString(16)}` : target;
  if (/^0x[\da-f]{1,16}$/i.test(text)) return { offset: BigInt(text), text };
  const [, name, offset = "0"] = /^((?:\w+:)?[\w.$]+)(?:\+(0x[\da-f]{1,8}|\d{1,9}))?$/i.exec(text) ?? [];
  if (!name) {
    throw new DetraceError(`"${text}" is no target of a kprobe`, {
      hint: "write function, module:function, function+0x10 or 0xADDRESS",
    });
  }
  return { name, offset: BigInt(offset), text };
}

/** What the kernel means by its refusal. It has one error for several reasons, and not the same one in all versions. */
function explain(error: unknown, { name, offset, text }: Place): unknown {
  const refusals = ["ENOENT", "E2BIG", "EINVAL", "EILSEQ", "EADDRNOTAVAIL"];
  if (!(error instanceof SyscallError && refusals.includes(error.code))) return error;
  const [cause, count] = [error, name ? countFunctions(name) : 1];
  if (count === 0) {
    return new DetraceError(`this kernel has no function ${name}`, {
      cause,
      hint: "it may be part of its callers or have got a suffix from the compiler: see /proc/kallsyms",
    });
  }
  if (count > 1) {
    return new DetraceError(`this kernel has ${count} functions ${name}`, {
      cause,
      hint: "write its module before it, module:function, or take its address from /proc/kallsyms",
    });
  }
  return new DetraceError(`the kernel does not let ${text} be probed`, {
    cause,
    hint: name && offset
      ? "there may be no instruction that begins there"
      : "functions that probes rely on are closed to them: see /sys/kernel/debug/kprobes/blacklist",
  });
}

/** `SEC("kprobe/FUNCTION")`, `SEC("kretprobe/FUNCTION")`. */
export const kprobe: AttachWay = {
  attach: (program, { way, target, cookie }) =>
    attachKprobe(program, target, { retprobe: way === "kretprobe", cookie }),
  present: ({ target }) => isPresent(target),
};

/** `SEC("ksyscall/NAME")`, `SEC("kretsyscall/NAME")`. */
export const ksyscall: AttachWay = {
  attach: (program, { way, target, cookie }) =>
    attachKsyscall(program, target, { retprobe: way === "kretsyscall", cookie }),
  present: ({ target }) => isPresent(functionOf(target)),
};

function isPresent(target: string): boolean {
  const { name } = parseTarget(target);
  return name === undefined || countFunctions(name, 1) > 0;
}
