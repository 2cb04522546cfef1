/**
 * What a section's name says about the programs in it.
 *
 * @module
 */

// name: BPF_PROG_TYPE_*, BPF_TRACE_* and the like, BPF_F_* (include/uapi/linux/bpf.h), the name that it attaches by.
// Names as in libbpf's documentation of program types and ELF sections.
const SECTIONS: Record<
  string,
  readonly [type: number, attachType?: number, flags?: number, attach?: string]
> = {
  "tracepoint": [5],
  "tp": [5, 0, 0, "tracepoint"],
  "raw_tracepoint": [17, 0, 0, "raw_tp"],
  "raw_tp": [17],
  "raw_tracepoint.w": [24, 0, 0, "raw_tp"],
  "raw_tp.w": [24, 0, 0, "raw_tp"],
  "tp_btf": [26, 23],
  "socket": [1, 0, 0, ""],
  "syscall": [31, 0, 16, ""],
};

/** What a section's name says. */
export interface Section {
  /** BPF_PROG_TYPE_*. */
  readonly type: number;
  /** Expected attach type, 0 for none. */
  readonly expectedAttachType: number;
  /** BPF_F_* to load with. */
  readonly flags: number;
  /** How it attaches, in its full form; empty: not by itself. */
  readonly attach: string;
  /** What it attaches to. */
  readonly target: string;
  /** False for names that begin with `?`. */
  readonly autoload: boolean;
}

/**
 * Reads a program section's name.
 *
 * @param name As `SEC()` has it: `tracepoint/syscalls/sys_enter_openat`, `?raw_tp/sched_switch`.
 * @returns Undefined if programs of such a section are not known.
 *
 * @example
 * ```ts
 * import { parseSection } from "detrace/lib/object/sections.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(parseSection("tp/sched/sched_switch")?.target, "sched/sched_switch");
 * assertEquals(parseSection("tp/sched/sched_switch")?.attach, "tracepoint");
 * ```
 */
export function parseSection(name: string): Section | undefined {
  const autoload = !name.startsWith("?");
  const [, word, target = ""] = /^\??([^/]*)(?:\/(.*))?$/.exec(name) ?? [];
  const row = word === undefined || !Object.hasOwn(SECTIONS, word) ? undefined : SECTIONS[word];
  if (!row) return undefined;
  const [type, expectedAttachType = 0, flags = 0, attach = word!] = row;
  return { type, expectedAttachType, flags, attach, target, autoload };
}
