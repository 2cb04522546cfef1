/**
 * What to do about the commonest causes for which the verifier refuses a program. For who writes programs: the loader brings
 * it with objects that are opened from files or built, not with the skeletons of finished tools.
 *
 * @module
 */

const HINTS: [RegExp, string][] = [
  [/#195896080/, "this kernel lacks a type or field that the program needs"],
  [/_or_null'/, "check the pointer for NULL before using it"],
  [/mem access '(sc|inv)/, "read kernel memory with bpf_probe_read_kernel() or BPF_CORE_READ()"],
  [/unbounded|allowed memory|access to/, "check the offset or size against the bounds just before using it"],
  [/!read_ok|read from stack/, "it is read before anything was written to it"],
  [/to stack|stack size/, "the stack has 512 bytes: keep big data in a per-CPU array map"],
  [
    /too (large|complex)|infinite|back-edge/,
    "bound the loop (a constant, or bpf_loop()), or split the program",
  ],
  [/GPL/, 'give the object a license: char LICENSE[] SEC("license") = "GPL"'],
  [/ func |helper/, "this kernel does not have that function for this type of program"],
  [/bpf_context/, "the context of this type of program has no such field"],
  [/Unreleased/, "release it on every path, as with bpf_ringbuf_discard()"],
];

/**
 * What to do about a cause.
 *
 * @param cause The verifier's last words.
 * @returns Undefined if nothing is known.
 *
 * @example
 * ```ts
 * import { verifierHint } from "detrace/lib/programs/hints.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(verifierHint("R0 invalid mem access 'map_value_or_null'"), "check the pointer for NULL before using it");
 * ```
 */
export function verifierHint(cause: string): string | undefined {
  return HINTS.find(([test]) => test.test(cause))?.[1];
}
