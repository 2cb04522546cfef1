/**
 * Programs whose target was fixed when they were loaded: BTF tracepoints, fentry, fexit, fmod_ret, LSM.
 *
 * @module
 */

import { linkCreate, rawTracepointOpen } from "../sys/bpf.ts";
import { tracingOptions } from "../sys/link_options.ts";
import { type AttachWay, type HasFd, Link } from "./link.ts";

/**
 * Attaches a program to what it was loaded for (Linux 5.5).
 *
 * @param program A BPF_PROG_TYPE_TRACING or BPF_PROG_TYPE_LSM program.
 * @param options `cookie` for `bpf_get_attach_cookie()` (5.19); then `attachType` is the type that it was loaded with.
 * @throws {SyscallError}
 */
export function attachLoaded(
  program: HasFd,
  options: { cookie?: bigint | undefined; attachType?: number } = {},
): Link {
  const { cookie, attachType = 0 } = options;
  if (cookie === undefined) return new Link("link", [rawTracepointOpen(program.fd)]);
  return new Link("link", [linkCreate({ progFd: program.fd, attachType }, tracingOptions({ cookie }))]);
}

/** `SEC("tp_btf/NAME")`, `SEC("fentry/FUNCTION")` and so on. */
export const tracing: AttachWay = {
  attach: (program, { cookie, attachType }) => attachLoaded(program, { cookie, attachType }),
  targetless: true,
};
