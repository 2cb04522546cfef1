/**
 * The sentence for what a kernel does not have yet.
 *
 * @module
 */

import { DetraceError } from "../error.ts";
import { SyscallError } from "../sys/errno.ts";
import { kernelVersion } from "../sys/process.ts";

/**
 * What to throw where a kernel refused to attach: on a kernel that is too old, which one is new enough.
 *
 * @param error What was thrown.
 * @param feature What the kernel was asked for, `netfilter links`.
 * @param version The first Linux that has it, `6.4`.
 * @param option The kernel's option for it, where a newer kernel may well be built without.
 * @returns A {@link DetraceError} with the sentence, or the error as it is.
 *
 * @example
 * ```ts
 * import { explainRefusal } from "detrace/lib/links/refusal.ts";
 * import { SyscallError } from "detrace/lib/sys/errno.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const error = new SyscallError("bpf(BPF_LINK_CREATE)", 22);
 * const sentence = String(explainRefusal(error, "such links", "99.1"));
 * assertEquals(sentence, "DetraceError: this kernel has no such links (Linux 99.1)");
 * assertEquals(explainRefusal(error, "such links", "2.6"), error);
 * ```
 */
export function explainRefusal(error: unknown, feature: string, version: string, option?: string): unknown {
  if (!(error instanceof SyscallError) || !/^(EINVAL|E2BIG|EOPNOTSUPP|ENOTSUPP)$/.test(error.code)) {
    return error;
  }
  const [major = 0, minor = 0] = version.split(".").map(Number);
  if (kernelVersion() >= (major << 16) + (minor << 8) && !option) return error;
  const needs = `Linux ${version}${option ? ` with ${option}` : ""}`;
  return new DetraceError(`this kernel has no ${feature} (${needs})`, { cause: error });
}
