/**
 * The verifier's refusal as one sentence: the cause first, then where in the source, then which instruction.
 *
 * The log has no specification; what is read here is what kernel/bpf/verifier.c and kernel/bpf/log.c print: instructions
 * `17: (63) *(u32 *)(r0 +0) = r7 ; R0=…`, source lines `; text @ file:line`, states, and after the last instruction the
 * cause, followed by statistics.
 *
 * @module
 */

import { DetraceError } from "../error.ts";

/** What is known of a program that the kernel did not take. */
export interface VerifierErrorOptions {
  /** The program's name. */
  program: string;
  /** The name of the errno that the load ended with, such as `EACCES`. */
  errno: string;
  /** The verifier's log, possibly empty, possibly cut at one end. */
  log: string;
  /**
   * Where an instruction (a slot of the program as loaded) comes from: the file as the compiler was told it, the line
   * counted from 1, and what stands there. Without it the log's own source lines serve.
   */
  line?: (insn: number) => { file: string; line: number; text: string } | undefined;
  /** Instructions that were made invalid on purpose, each with the reason (lib/core's CorePoison). */
  poisons?: () => ReadonlyMap<number, string>;
  /** The Linux that brought programs of this type, `6.4`, where the running kernel is older. */
  since?: string | undefined;
  /** What programmers get told beyond the log: `verifierAdvice` of hints.ts, which finished tools do without. */
  advise?: VerifierAdviser | undefined;
}

/** What can be told beyond the log. */
export interface VerifierAdvice {
  /** What the register at fault holds, a clause. */
  readonly state: string | undefined;
  /** What to do about the cause. */
  readonly hint: string | undefined;
}

/**
 * Knows more about a refusal than the log says, by the verifier's last words (empty for none), lines of the log (its end at
 * least), and which of them is the instruction at fault (-1 for none).
 */
export type VerifierAdviser = (cause: string, lines: readonly string[], at: number) => VerifierAdvice;

const TAIL = 1 << 18; // characters; the cause stands at the end, and a log can have hundreds of megabytes

const INSN = /^(\d+): \([\da-f]{2}\) (.*?)(?:\s+;|\s*$)/;

// Everything that is printed next to the cause and is not the cause.
const NOISE =
  /^($|[\s;(]|-- |\d+: |from \d|processed |verification time|stack depth|mark_|func#|Validating |Live regs|calle[re]:|returning|to caller|(cur|old|parent) |propagating|last_idx|regs=|arg#\d+ ref)/;

// What an errno means when there is no cause in the log, or no log.
const CODES: Record<string, string> = {
  EPERM: "need CAP_BPF and CAP_PERFMON (run with sudo, or see README#capabilities)",
  EINVAL: "refused without a reason: this kernel may not know its type, attach type or a flag",
  E2BIG: "too many instructions for this kernel, or an attribute it does not know",
  ENOSPC: "the verifier's log did not fit its buffer, and the reason is lost",
};

function explain({ program, errno, log, line, poisons, since, advise }: VerifierErrorOptions) {
  const all = log.slice(-TAIL).split("\n");
  if (errno === "ENOSPC" || log.length > TAIL) all.shift(); // the first line may have lost its head
  let at = all.findLastIndex((l) => INSN.test(l));
  let causes = all.slice(at + 1).filter((l) => !NOISE.test(l)).slice(0, 3);
  // Kernels before 6.4, and BPF_LOG_FIXED, keep the head of a log that is too long: its end is anything but the cause.
  const cut = log && !log.endsWith("\n") && !all.at(-1)?.startsWith("processed ");
  if (cut) causes = [];
  const cause = causes.join("; ");

  const named = /\binsn (\d+)/.exec(cause)?.[1];
  if (named) at = all.findLastIndex((l) => l.startsWith(`${named}: (`));
  else if (!cause || /combined stack|call stack/.test(cause)) at = -1; // not the last instruction's fault
  const [, slot = named, text] = INSN.exec(all[at] ?? "") ?? [];
  const insn = slot ? Number(slot) : undefined;

  const above = (test: RegExp) => all[all.findLastIndex((l, i) => i < at && test.test(l))];
  const source = above(/^; /);
  const shown = above(RegExp(`\\bR${/\bR(\d+) (?!!)/.exec(cause)?.[1]}(_\\w+)?=`));
  let [, words, place] = /^; (.*?)(?: @ ([^@]+:\d+))?$/.exec(source ?? "") ?? [];
  const found = insn === undefined ? undefined : line?.(insn);
  if (found) [words, place] = [found.text, `${found.file}:${found.line}`];

  const reason = insn === undefined ? undefined : poisons?.().get(insn);
  const code = cut ? "ENOSPC" : errno;
  // An older kernel has no words for what it does not know, or says which programs can sleep.
  const refusal = since && (cause ? /sleepable/.test(cause) : code === "EINVAL")
    ? `this kernel does not know programs of its type (Linux ${since})`
    : cause || (CODES[code] ?? `refused by the kernel (${code})`);
  let message = `program ${program}: ${reason ?? refusal}`;
  if (place || words) message += ` at ${[place, words && `"${words.trim()}"`].filter(Boolean).join(": ")}`;
  if (text || reason) message += ` (insn ${insn}${reason ? "" : `: ${text}`})`;
  let { state, hint }: Partial<VerifierAdvice> = advise?.(cause, all, at) ?? {};
  if (state) message += `, where ${state}`;
  if (!cause && code === "EPERM") hint = "as root already: this kernel forbids or lacks this type of program";
  const lines = [shown, source, all[at], ...causes].filter((l) => l !== undefined);
  return { message, state, hint, lines, insn };
}

/**
 * A program was refused by the kernel.
 *
 * @example
 * ```ts
 * import { verifierAdvice } from "detrace/lib/programs/hints.ts";
 * import { VerifierError } from "detrace/lib/programs/verifier_error.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const error = new VerifierError({
 *   advise: verifierAdvice,
 *   program: "tp_enter",
 *   errno: "EACCES",
 *   log: `6: (85) call bpf_map_lookup_elem#1 ; R0=map_value_or_null(id=1,map=m,ks=4,vs=24)
 * ; e->pid = pid; @ opensnoop.bpf.c:41
 * 7: (63) *(u32 *)(r0 +0) = r7
 * R0 invalid mem access 'map_value_or_null'
 * processed 8 insns (limit 1000000) max_states_per_insn 0 total_states 1 peak_states 1 mark_read 0
 * `,
 * });
 * assertEquals(
 *   error.message,
 *   `program tp_enter: R0 invalid mem access 'map_value_or_null' at opensnoop.bpf.c:41: "e->pid = pid;" ` +
 *     "(insn 7: *(u32 *)(r0 +0) = r7), where R0 is NULL or a value (24 bytes) of map m",
 * );
 * assertEquals(error.hint, "check the pointer for NULL before using it");
 * ```
 */
export class VerifierError extends DetraceError {
  /** "VerifierError". */
  override readonly name = "VerifierError";
  /** The program's name. */
  readonly program: string;
  /** The name of the errno that the load ended with. */
  readonly code: string;
  /** The slot of the instruction at fault, where one is. */
  readonly insn: number | undefined;
  /** What the register at fault holds, a clause that is in the message too: `R6 is NULL or a value (24 bytes) of map m`. */
  readonly state: string | undefined;
  /**
   * The lines of the log that matter, in its order: the last that shows the register at fault, the source line, the
   * instruction, the cause. Empty when there is no log.
   */
  readonly lines: readonly string[];
  /** The whole log. */
  readonly log: string;

  /**
   * Reads the log.
   *
   * @param options What is known.
   */
  constructor(options: VerifierErrorOptions) {
    const { message, state, hint, lines, insn } = explain(options);
    super(message, hint === undefined ? undefined : { hint });
    this.program = options.program;
    this.code = options.errno;
    this.insn = insn;
    this.state = state;
    this.lines = lines;
    this.log = options.log;
  }
}
