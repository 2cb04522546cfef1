/**
 * What to do about the commonest causes for which the verifier refuses a program. For who writes programs: the loader brings
 * it with objects that are opened from files or built, not with the skeletons of finished tools.
 *
 * @module
 */

import { registerState } from "./register_state.ts";
import type { VerifierAdvice } from "./verifier_error.ts";

/**
 * Causes in the words of kernel/bpf/verifier.c, and what helps; the first that fits holds. What the register at fault holds
 * follows the cause, if it is known. The kernel's words change: comments say where older ones differ.
 */
export const HINTS: readonly (readonly [cause: RegExp, hint: string])[] = [
  // Numbers that no helper has, for what CO-RE and the loader did not find.
  [
    /#195896080/,
    "this kernel lacks a type or member that the program needs: ask bpf_core_field_exists() or " +
    "bpf_core_type_exists() first",
  ],
  [/unknown#2002\d{6}\b/, "this kernel lacks a function that the program calls: ask bpf_ksym_exists() first"],
  [/invalid func unknown/, "this kernel is too old for that helper, or there is none of that number"],
  // "unknown func" is older. To those kernels sleeping helpers are unknown, too, in programs that cannot sleep.
  [
    /cannot use helper|unknown func/,
    "programs of this type may not call that helper; some helpers are only for sleepable ones",
  ],
  [/kernel function .*not allowed/, "programs of this type may not call that kernel function"],
  [/cannot pass map_type/, "that helper works on maps of another type"],
  [/GPL/, 'give the object a license: char LICENSE[] SEC("license") = "GPL"'],
  [/can(not)? be sleepable/, "programs of this type cannot sleep: take the .s out of the section's name"],
  [
    /sleep/,
    "only a sleepable program may call that, and not while it holds a lock: name its section with .s, as in lsm.s",
  ],

  [/'\w*or_null|type=\w*or_null|null-check|Possibly NULL/, "check the pointer for NULL before using it"],
  [
    /mem access '(scalar|inv)'.* was /,
    "the pointer has become invalid: by bpf_ringbuf_submit() or another release, or as the packet was changed",
  ],
  [
    /mem access '(scalar|inv)'/,
    "read kernel memory with BPF_CORE_READ() or bpf_probe_read_kernel(), user memory with bpf_probe_read_user()",
  ],
  [
    /only read is supported/,
    "programs cannot write to the kernel's structures, only to maps and their stack",
  ],
  [/access beyond/, "offsets differ between kernels: give the struct __attribute__((preserve_access_index))"],
  [
    /referenced or trusted|must be (referenced|a rcu pointer)/,
    "the object may be gone: get a reference to it, or hold bpf_rcu_read_lock() where the pointer is read",
  ],

  [/to packet/, "compare with the packet's end first: if (data + size > data_end) return"],
  // To older kernels a size of 0 is an access of no bytes, to a value for example.
  [/zero-sized?| size=0\b/, "the size may be 0: check that it is not"],
  [
    /is not a known constant|unbounded size/, // the latter is older
    "a record's size must be a constant: bpf_ringbuf_output() takes any, and so do dynptrs (Linux 5.19)",
  ],
  [
    /variable-offset|variable stack/, // the latter is older
    "keep an index into the stack within its array, or that array in a map: older kernels take no such index",
  ],
  // Older kernels say "invalid stack off=". Tail calls leave a caller 256 bytes.
  [
    /stack (R\d+ )?off=|stack size|Too large/,
    "the stack has 512 bytes, for all functions that call each other: keep big data in a per-CPU array map",
  ],
  [/!read_ok|read from stack/, "it is read before anything was written to it; calls clear R1 to R5"],
  [/value is negative|value -\d+ makes/, "make the index or size unsigned, or check that it is not below 0"],
  [
    /unbounded|makes \w+ pointer/,
    "check it against its bound just before using it: if (i < SIZE), or i &= SIZE - 1",
  ],
  [
    /outside of the allowed|access to (map|mem)/,
    "it ends beyond the memory: compare index and size with its size",
  ],
  [/misaligned/, "a number must lie at a multiple of its size: no packed structs on the stack"],
  [
    /write into map forbidden|cannot write into/,
    "that memory is read-only: constants (const volatile) get their values before loading",
  ],

  [/doesn't have \d/, "this kernel gives fewer arguments at that place"],
  [/invalid bpf_context/, "the context of this type of program has no such member, or not for this access"],
  [
    /modified ctx|variable ctx/,
    "the context is read at constant offsets: copy the member to a variable before choosing between members",
  ],
  [
    /prohibited|leaks addr/,
    "to a pointer, numbers are added and nothing else: do other arithmetic on a number, and add that",
  ],
  [/type=\w+ expected=/, "that function takes another kind of argument there"],
  [/same insn/, "one instruction would access two kinds of memory: give each branch an access of its own"],
  [/dynptr/, "make the dynptr first, as with bpf_dynptr_from_mem(), and do not write over it"],

  [/Unreleased|reference leak/, "release it on every path, as with bpf_ringbuf_discard()"],
  [
    /holding a lock|spin_lock/,
    "between bpf_spin_lock() and bpf_spin_unlock() call nothing, and unlock on every path",
  ],
  [/^At .* register R0/, "return a number that this type of program may return"],
  [/infinite loop|back-edge/, "make the loop end: count to a constant, or use bpf_loop() (Linux 5.17)"],
  [
    /too (large|complex)/,
    "the verifier follows every path: shorten loops, use bpf_loop() (Linux 5.17), or split the program",
  ],
  [
    /call stack of/,
    "functions may call each other 8 deep, on the newest kernels 16: make some of them __always_inline",
  ],
  [
    /last insn|unreachable insn|jump out of range/,
    "the compiler drops what C leaves undefined: look for a missing return, a loop without an end, a variable not set",
  ],
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

/**
 * All that programmers are told beyond the log: for `VerifierErrorOptions.advise`.
 *
 * @param cause The verifier's last words.
 * @param lines Lines of the log.
 * @param at Which of them is the instruction at fault, -1 for none.
 * @returns The state of the register at fault in words, and what to do.
 *
 * @example
 * ```ts
 * import { verifierAdvice } from "detrace/lib/programs/hints.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const lines = ["0: (85) call bpf_get_current_task#35 ; R0=scalar()", "1: (61) r0 = *(u32 *)(r0 +16)"];
 * const { state, hint } = verifierAdvice("R0 invalid mem access 'scalar'", lines, 1);
 * assertEquals(state, "R0 is any number");
 * assertEquals(
 *   hint,
 *   "read kernel memory with BPF_CORE_READ() or bpf_probe_read_kernel(), user memory with bpf_probe_read_user()",
 * );
 * ```
 */
export function verifierAdvice(cause: string, lines: readonly string[], at: number): VerifierAdvice {
  const state = registerState(cause, lines, at);
  return { state, hint: verifierHint(state ? `${cause}; ${state}` : cause) };
}
