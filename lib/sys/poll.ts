/**
 * Waiting for file descriptors: epoll(7), with an eventfd(2) that ends a wait from this side.
 *
 * @module
 */

import { ARCH, type Buffer, check, closeFd, errno, libc, NR, waits } from "./door.ts";
import { SyscallError } from "./errno.ts";
import { write } from "./file.ts";

/**
 * Sleeps. Deno's first setTimeout loads 12 ms worth of Node's timers; this costs a hop to another thread.
 *
 * @param ms Milliseconds, up to an hour; 0 lets other tasks run.
 */
export async function sleep(ms: number): Promise<void> {
  await waits().sleep(Math.round(ms * 1000));
}

/** An epoll set. While a {@link wait} is pending the process does not end by itself; {@link wake} ends the wait. */
export class Poller {
  readonly #epoll: number;
  readonly #event: number;
  // struct epoll_event is packed on x86-64 (12 bytes), 16 bytes elsewhere. The kernel writes here from another thread.
  readonly #events: Buffer = new Uint8Array(16 * 16);
  #pending: Promise<number> | undefined;
  #closed = false;

  /** Makes an empty set. @throws {SyscallError} */
  constructor() {
    this.#epoll = check(libc().control(NR.epoll_create1, 0o2000000, 0, 0, null), "epoll_create1");
    this.#event = libc().control(NR.eventfd2, 0, 0o2004000, 0, null); // EFD_CLOEXEC | EFD_NONBLOCK
    if (this.#event < 0) {
      const error = new SyscallError("eventfd", errno());
      closeFd(this.#epoll);
      throw error;
    }
    this.add(this.#event);
  }

  /** Adds a descriptor that is waited for until it can be read. */
  add(fd: number): void {
    const event: Buffer = new Uint8Array(16);
    const view = new DataView(event.buffer);
    view.setUint32(0, 1, true); // EPOLLIN
    view.setInt32(ARCH === "x86" ? 4 : 8, fd, true);
    check(libc().control(NR.epoll_ctl, this.#epoll, 1, fd, event), "epoll_ctl");
  }

  /**
   * Waits on a thread of its own until a descriptor can be read, {@link wake} is called, or the time is over.
   *
   * @param timeout Milliseconds, -1 for ever.
   */
  async wait(timeout = -1): Promise<void> {
    if (this.#closed) return;
    this.#pending = waits().wait(this.#epoll, this.#events, 16, timeout);
    await this.#pending;
    this.#pending = undefined;
    if (this.#closed) this.#release();
    else libc().call(NR.read, this.#event, new Uint8Array(8), 8, 0, null); // a wake-up ends one wait
  }

  /** Ends the pending wait, or the next one. */
  wake(): void {
    if (!this.#closed) write(this.#event, new Uint8Array([1, 0, 0, 0, 0, 0, 0, 0]));
  }

  /** Ends a pending wait, then closes the set; the descriptors in it stay open. */
  close(): void {
    if (this.#closed) return;
    this.wake();
    this.#closed = true;
    if (!this.#pending) this.#release();
  }

  /** The same as {@link close}. */
  [Symbol.dispose](): void {
    this.close();
  }

  #release(): void {
    closeFd(this.#event);
    closeFd(this.#epoll);
  }
}
