/**
 * When to look into a ring: shared by the ring buffer and the perf buffer.
 *
 * A wait in epoll costs about 1 µs of work on both sides for each wake-up, and the kernel wakes a consumer that has
 * caught up at every record. So epoll is used only when nothing comes; while records come, the ring is looked at every few
 * milliseconds, more often if it fills up faster.
 *
 * @module
 */

import { Poller, sleep } from "../sys/poll.ts";

// Milliseconds. A sleep costs 0.3 ms of work, whatever it finds; nobody sees that lines come 40 times a second.
const LONGEST_SLEEP = 25;
const TIMER_LATE = 1.5;
/** In what time the records are taken to have come that are there after a wait: nobody knows. */
const AFTER_WAIT = 2;

/** How a consumer is run. */
export interface ConsumeOptions {
  /** Ends it: what is there by then is still consumed. */
  signal?: AbortSignal;
  /** Called after every batch of records. */
  batchEnd?: () => void;
}

/**
 * Yields whenever the rings have something in them, and leaves it to the caller to take it out.
 *
 * @param fds What to wait for.
 * @param fill How full the fullest ring is, 0 to 1; below 0 when the rings are gone, which ends it.
 * @param use Told the poller to wake (or close) when `fill` changes to below 0, and undefined at the end.
 * @param signal Ends it after one more look.
 */
export async function* watch(
  fds: readonly number[],
  fill: () => number,
  use: (poller: Poller | undefined) => void,
  signal: AbortSignal | undefined,
): AsyncGenerator<void, void, void> {
  if (fill() < 0) return;
  const poller = new Poller();
  const wake = () => poller.wake();
  use(poller);
  signal?.addEventListener("abort", wake);
  try {
    for (const fd of fds) poller.add(fd);
    for (let slept = 0, before = performance.now();;) {
      // Asked before looking: what came before the abort is still seen.
      const last = signal?.aborted;
      const now = performance.now(), took = now - before, full = fill();
      before = now;
      if (full > 0) yield;
      if (full < 0 || last) return;
      if (full) {
        // At this rate the ring is half full after took / full / 2. Working and late timers need their part of that time.
        const work = Math.max(took - slept, TIMER_LATE);
        // No less in it than before: perhaps a record is being written that long. Do not spin on it.
        const least = fill() < full ? 0 : 1;
        slept = Math.max(least, Math.min(LONGEST_SLEEP, 2 * slept + 1, Math.floor(took / full / 2 - work)));
        await sleep(slept);
      } else {
        // Here the last look was after the last store of the consumer's position, and found nothing: so the kernel wakes us.
        await poller.wait();
        slept = 0;
        before = performance.now() - AFTER_WAIT;
      }
    }
  } finally {
    signal?.removeEventListener("abort", wake);
    poller.close();
    use(undefined);
  }
}
