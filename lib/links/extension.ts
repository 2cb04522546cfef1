/**
 * Programs in place of a function of another program (freplace).
 *
 * @module
 */

import { BTF_KIND_FUNC } from "../btf/btf.ts";
import { loadProgramBtf } from "../btf/kernel.ts";
import { DetraceError } from "../error.ts";
import { linkCreate } from "../sys/bpf.ts";
import { tracingOptions } from "../sys/link_options.ts";
import { type AttachWay, type HasFd, Link } from "./link.ts";
import { attachLoaded } from "./tracing.ts";

/**
 * A function of a loaded program.
 *
 * @param program The program, loaded with BTF.
 * @param name The function's name.
 * @returns Its id in the program's types.
 * @throws {DetraceError} The program has no such function, or no types.
 */
export function programFunction(program: HasFd, name: string): number {
  const id = loadProgramBtf(program).find(name, BTF_KIND_FUNC);
  if (id === undefined) throw new DetraceError(`the program has no function ${name}`);
  return id;
}

/**
 * Puts a program in the place of a global function of another program (Linux 5.6). The function's callers must be loaded
 * already; what it returned before it returns again when the link is closed.
 *
 * @param program A BPF_PROG_TYPE_EXT program, loaded for a function of the same parameters and result.
 * @param target Another program and its function, if not what it was loaded for (5.10).
 * @throws {DetraceError} There is no such function; {@link SyscallError} if the kernel refuses.
 */
export function attachExtension(program: HasFd, target?: HasFd & { readonly function: string }): Link {
  if (!target) return attachLoaded(program);
  const tail = tracingOptions({ targetBtfId: programFunction(target, target.function) });
  return new Link("link", [linkCreate({ progFd: program.fd, targetFd: target.fd, attachType: 0 }, tail)]);
}

/** `SEC("freplace/FUNCTION")`. */
export const freplace: AttachWay = {
  attach: (program) => attachExtension(program),
  targetless: true,
};
