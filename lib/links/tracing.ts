/**
 * Programs whose target was fixed when they were loaded: BTF tracepoints, fentry, fexit, fmod_ret, LSM.
 *
 * @module
 */

import { BTF_KIND_FUNC, BTF_KIND_TYPEDEF } from "../btf/btf.ts";
import { findInKernel, loadKernelBtf } from "../btf/kernel.ts";
import { DetraceError } from "../error.ts";
import { linkCreate, progLoad, rawTracepointOpen } from "../sys/bpf.ts";
import { closeFd } from "../sys/door.ts";
import { SyscallError } from "../sys/errno.ts";
import { readText } from "../sys/file.ts";
import { tracingOptions } from "../sys/link_options.ts";
import { type AttachWay, type HasFd, Link } from "./link.ts";

const BPF_PROG_TYPE_TRACING = 26, BPF_TRACE_FENTRY = 24;
const RETURN_0 = new Uint8Array(new BigUint64Array([0xb7n, 0x95n]).buffer); // r0 = 0; exit

/**
 * Attaches a program to what it was loaded for (Linux 5.5, on arm64 6.0; BTF tracepoints on all that have them).
 *
 * @param program A BPF_PROG_TYPE_TRACING or BPF_PROG_TYPE_LSM program.
 * @param options `cookie` for `bpf_get_attach_cookie()` (5.19); then `attachType` is the type that it was loaded with.
 * @throws {DetraceError} The kernel cannot; {@link SyscallError} if it refuses for another reason.
 */
export function attachLoaded(
  program: HasFd,
  options: { cookie?: bigint | undefined; attachType?: number } = {},
): Link {
  const { cookie, attachType = 0 } = options;
  try {
    if (cookie === undefined) return new Link("link", [rawTracepointOpen(program.fd)]);
    return new Link("link", [linkCreate({ progFd: program.fd, attachType }, tracingOptions({ cookie }))]);
  } catch (cause) {
    if (!(cause instanceof SyscallError)) throw cause;
    if (cause.code === "ENOTSUPP") {
      throw new DetraceError(
        "this kernel cannot call programs from its functions (BPF trampolines: Linux 5.5, on arm64 6.0)",
        { cause, hint: "use a kprobe or a tracepoint" },
      );
    }
    if (cookie !== undefined && (cause.code === "EINVAL" || cause.code === "E2BIG")) {
      throw new DetraceError("this kernel has no cookies for such programs (Linux 5.19)", { cause });
    }
    throw cause;
  }
}

let fentry: boolean | undefined;

/**
 * Whether fentry, fexit, fmod_ret and LSM programs can be attached here. Some kernels load them and do not run them, some
 * forbid them, so a program is attached for a moment, to a function that the kernel calls for its own tests alone. Asked
 * once in the life of the process; it takes some 20 ms.
 *
 * @example
 * ```ts
 * import { canAttachFentry } from "detrace/lib/links/tracing.ts";
 *
 * const section = canAttachFentry() ? "fentry/vfs_open" : "kprobe/vfs_open";
 * console.log(section);
 * ```
 */
export function canAttachFentry(): boolean {
  return fentry ??= tryFentry();
}

function tryFentry(): boolean {
  let program = -1;
  try {
    const attachBtfId = loadKernelBtf().find("bpf_fentry_test1", BTF_KIND_FUNC);
    if (attachBtfId === undefined) return false;
    program = progLoad({
      type: BPF_PROG_TYPE_TRACING,
      expectedAttachType: BPF_TRACE_FENTRY,
      attachBtfId,
      insns: RETURN_0,
      license: "GPL",
    });
    closeFd(rawTracepointOpen(program));
    return true;
  } catch (error) {
    if (error instanceof DetraceError) return false;
    throw error;
  } finally {
    if (program >= 0) closeFd(program);
  }
}

/**
 * Whether LSM programs can be attached here and run (Linux 5.7 with CONFIG_BPF_LSM). Without "bpf" among its security
 * modules a kernel attaches them and never runs them.
 *
 * @example
 * ```ts
 * import { canRunLsm } from "detrace/lib/links/tracing.ts";
 *
 * console.log(canRunLsm() ? "lsm/file_open" : "kprobe/security_file_open");
 * ```
 */
export function canRunLsm(): boolean {
  return canAttachFentry() && (securityModules()?.includes("bpf") ?? true) &&
    inKernel(BTF_KIND_FUNC, "file_open", "bpf_lsm_");
}

/** The kernel's security modules in the order that they are asked; undefined if it does not tell. */
function securityModules(): string[] | undefined {
  try {
    return readText("/sys/kernel/security/lsm").trim().split(",");
  } catch (error) {
    if (error instanceof SyscallError) return undefined;
    throw error;
  }
}

/** Whether the kernel has it; see {@link findInKernel}. */
function inKernel(kind: number, name: string, prefix = ""): boolean {
  return findInKernel(loadKernelBtf(), kind, name, prefix) !== undefined;
}

const attach: AttachWay["attach"] = (program, { cookie, attachType }) =>
  attachLoaded(program, { cookie, attachType });

/** `SEC("tp_btf/NAME")`. */
export const tracing: AttachWay = {
  attach,
  present: ({ target }) => inKernel(BTF_KIND_TYPEDEF, target, "btf_trace_"),
  targetless: true,
};

/** `SEC("fentry/FUNCTION")`, `SEC("fexit/FUNCTION")`, `SEC("fmod_ret/FUNCTION")`; `MODULE:FUNCTION` for one of a module. */
export const traced: AttachWay = {
  attach,
  present: ({ target }) => canAttachFentry() && inKernel(BTF_KIND_FUNC, target),
  targetless: true,
};

/** `SEC("lsm/HOOK")` (Linux 5.7). Without "bpf" among its security modules a kernel attaches them and never runs them. */
export const lsm: AttachWay = {
  attach(program, request) {
    const modules = securityModules();
    if (modules && !modules.includes("bpf")) {
      throw new DetraceError(`bpf is not among this kernel's security modules (${modules})`, {
        hint: `boot it with lsm=${modules},bpf (Linux 5.7 with CONFIG_BPF_LSM)`,
      });
    }
    return attach(program, request);
  },
  present: ({ target }) => canRunLsm() && inKernel(BTF_KIND_FUNC, target, "bpf_lsm_"),
  targetless: true,
};
