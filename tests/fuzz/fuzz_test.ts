/**
 * Damaged input gives a result or a DetraceError: no other exception, no endless loop, no gigabytes.
 *
 * A round's input follows from seed, target and round number alone. `DETRACE_FUZZ_ROUNDS` sets the rounds per target,
 * `DETRACE_FUZZ_SEED` the seed, `DETRACE_FUZZ_FIRST` the first round.
 *
 * @module
 */

import { assert } from "@std/assert";
import { Random } from "./mutate.ts";
import { TARGETS } from "./targets.ts";
import type { Order, Result } from "./worker.ts";

const HANGS = 10_000; // ms without a round: far above what a round may take, as the machine may be busy

function number(variable: string, otherwise: number): number {
  const granted = Deno.permissions.querySync({ name: "env", variable }).state === "granted";
  return Number(granted && Deno.env.get(variable) || otherwise);
}

const ROUNDS = number("DETRACE_FUZZ_ROUNDS", 300);
const SEED = number("DETRACE_FUZZ_SEED", 1);
const FIRST = number("DETRACE_FUZZ_FIRST", 0);

/** Runs one target in the worker; the answer to a worker that does not come back is a failure too. */
function run(worker: Worker, target: number): Promise<Result> {
  const progress = new Int32Array(new SharedArrayBuffer(4));
  const { promise, resolve, reject } = Promise.withResolvers<Result>();
  let last = -1;
  const watch = setInterval(() => {
    const round = Atomics.load(progress, 0);
    if (round === last) resolve({ read: 0, failure: { round, what: `does not end within ${HANGS} ms` } });
    last = round;
  }, HANGS);
  worker.onmessage = ({ data }) => resolve(data);
  worker.onerror = (event) => {
    event.preventDefault();
    reject(new Error(`the worker failed: ${event.message}`));
  };
  worker.postMessage({ target, seed: SEED, first: FIRST, rounds: ROUNDS, progress } satisfies Order);
  return promise.finally(() => clearInterval(watch));
}

for (const target of TARGETS) {
  Deno.test(`${target.name}: the seeds are read without an error`, () => {
    for (const seed of target.seeds) target.read(seed.slice(), new Random(SEED), false);
  });
}

Deno.test("damaged bytes give a result or a DetraceError, soon and in little memory", async (test) => {
  const start = () => new Worker(import.meta.resolve("./worker.ts"), { type: "module" });
  let worker = start();
  try {
    for (const [index, { name }] of TARGETS.entries()) {
      await test.step(name, async () => {
        const { read, failure } = await run(worker, index);
        if (failure) {
          worker.terminate();
          worker = start();
          throw new Error(
            `${name}, DETRACE_FUZZ_SEED=${SEED} DETRACE_FUZZ_FIRST=${failure.round} DETRACE_FUZZ_ROUNDS=1: ` +
              failure.what,
          );
        }
        // A fuzzer whose inputs all fail at the front door looks at nothing.
        assert(ROUNDS < 100 || read > ROUNDS / 20, `only ${read} of ${ROUNDS} inputs got past the header`);
      });
    }
  } finally {
    worker.terminate();
  }
  const { rss } = Deno.memoryUsage();
  assert(rss < 1 << 30, `fuzzing left a process of ${Math.round(rss / 2 ** 20)} MB`);
});
