/**
 * Fuzzes one target, off the test's thread, so that the test can tell when a reader does not come back.
 *
 * @module
 */

import { DetraceError } from "../../lib/error.ts";
import { mutate, Random } from "./mutate.ts";
import { type Target, TARGETS } from "./targets.ts";

/** What the test asks for: rounds `first` to `first + rounds - 1` of a target. */
export interface Order {
  target: number;
  seed: number;
  first: number;
  rounds: number;
  /** Where the round at hand is written. */
  progress: Int32Array;
}

/** What comes back: what went wrong in a round, or nothing, and how many inputs were read to their end. */
export interface Result {
  read: number;
  failure?: { round: number; what: string };
}

const SLOW = 2000; // ms
const BIG = 128 << 20; // bytes that one small input may leave behind, garbage included

function fuzz(target: Target, index: number, { seed, first, rounds, progress }: Order): Result {
  let read = 0;
  const used = () => {
    const { heapUsed, external } = Deno.memoryUsage();
    return heapUsed + external;
  };
  for (let round = first; round < first + rounds; round++) {
    Atomics.store(progress, 0, round);
    const random = new Random(seed, index, round), seeds = target.seeds;
    const input = seeds.length ? mutate(random.of(seeds), random) : new Uint8Array();
    const start = performance.now(), before = used();
    let what: string | undefined;
    try {
      target.read(input, random, true);
      read++;
    } catch (error) {
      if (!(error instanceof DetraceError)) what = error instanceof Error ? error.stack : `threw ${error}`;
    }
    const time = performance.now() - start, memory = used() - before;
    if (time > SLOW) what ??= `took ${Math.round(time)} ms for ${input.length} bytes`;
    if (memory > BIG) what ??= `took ${Math.round(memory / 2 ** 20)} MB for ${input.length} bytes`;
    if (what !== undefined) return { read, failure: { round, what } };
  }
  return { read };
}

// The checker takes every file for one of the main thread.
const scope = globalThis as unknown as {
  onmessage: (event: MessageEvent<Order>) => void;
  postMessage: (result: Result) => void;
};

scope.onmessage = ({ data }) => scope.postMessage(fuzz(TARGETS[data.target]!, data.target, data));
