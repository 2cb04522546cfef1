/**
 * Tries every row of the matrix on the running kernel, as root. Prints a line of JSON about the kernel and one for each row;
 * what is our own fault goes to standard error, and the exit status is 1.
 *
 * usage: deno run -A tests/matrix/run.ts [ROW]...
 *
 * @module
 */

import { kernelRelease } from "detrace/lib/sys/process.ts";
import { reasonOf } from "./needs.ts";
import { type Row, ROWS } from "./rows.ts";

/** A line about a row. */
export type Result = { row: string; works: true; how: string } | {
  row: string;
  works: false;
  reason: string;
};

/** The first line. */
export interface Kernel {
  /** `uname -r` */
  readonly release: string;
  /** Deno's name for the architecture. */
  readonly arch: string;
}

/** Tries a row. @throws If it fails for another reason than the kernel's. */
async function attempt({ name, needs, attempt }: Row): Promise<Result> {
  const unmet = needs.filter(({ met }) => !met());
  try {
    const how = await attempt();
    for (const { met, says } of unmet) {
      // A distribution may bring back what is newer.
      if (met() === false) {
        console.error(`note: ${name} works (${how}) on a kernel that lacks: ${says.source}`);
      }
    }
    return { row: name, works: true, how };
  } catch (error) {
    const reason = reasonOf(error);
    if (reason === undefined || !unmet.some(({ says }) => says.test(reason))) throw error;
    return { row: name, works: false, reason };
  }
}

if (import.meta.main) {
  const print = (value: Kernel | Result) => console.log(JSON.stringify(value));
  print({ release: kernelRelease(), arch: Deno.build.arch });
  let passed = 0, failed = 0;
  for (const row of ROWS) {
    if (Deno.args.length && !Deno.args.includes(row.name)) continue;
    try {
      print(await attempt(row));
      passed++;
    } catch (error) {
      console.error(`${row.name}:`, error);
      failed++;
    }
  }
  console.error(`${failed ? "FAILED" : "ok"} | ${passed} passed | ${failed} failed (matrix)`);
  Deno.exit(failed ? 1 : 0);
}
