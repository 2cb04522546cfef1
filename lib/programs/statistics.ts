/**
 * How long and how often programs run (Linux 5.8). The kernel counts only while somebody asks it to, since that costs some
 * 20 ns each time a program runs.
 *
 * @module
 */

import { enableStats } from "../sys/bpf.ts";
import { Fd } from "../sys/door.ts";
import { programInfo } from "./info.ts";

/** How much a program has run. */
export interface RunTotals {
  /** ns. */
  readonly timeNs: bigint;
  /** Times. */
  readonly count: bigint;
  /** Times that it was not run, because it ran already on that processor (5.12). */
  readonly missed: bigint;
}

/**
 * Makes the kernel count, for all programs, until it is disposed of.
 *
 * @example
 * ```ts
 * import { Assembler, R0 } from "detrace/lib/asm/assembler.ts";
 * import { buildSpec } from "detrace/lib/object/build.ts";
 * import { BpfObject } from "detrace/lib/object/object.ts";
 * import { RunStatistics } from "detrace/lib/programs/statistics.ts";
 * import { getuid } from "detrace/lib/sys/process.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const code = new Assembler().mov(R0, 0).exit();
 * const spec = buildSpec({ name: "counted", programs: { counted: { section: "raw_tp", code } } });
 * if (getuid() === 0) {
 *   using object = await new BpfObject(spec).load();
 *   const program = object.programs.get("counted")!;
 *   using statistics = new RunStatistics();
 *   for (let i = 0; i < 5; i++) program.testRun();
 *   assertEquals(statistics.of(program).count, 5n);
 * }
 * ```
 */
export class RunStatistics implements Disposable {
  readonly #fd: Fd = new Fd(enableStats());

  /** What a program has run since it was loaded, as far as somebody let the kernel count. @throws {SyscallError} */
  of(program: { readonly fd: number }): RunTotals {
    const { runTimeNs, runCount, recursionMisses } = programInfo(program.fd);
    return { timeNs: runTimeNs, count: runCount, missed: recursionMisses };
  }

  /** Ends the counting, if nobody else wants it. */
  [Symbol.dispose](): void {
    this.#fd.close();
  }
}
