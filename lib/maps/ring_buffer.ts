/**
 * The consumer of BPF_MAP_TYPE_RINGBUF: the way every event takes from a program to a tool, so nothing here allocates or
 * awaits for a single record.
 *
 * Layout (kernel/bpf/ringbuf.c): a page with the consumer's position, a page with the producers', then the data, which the
 * kernel maps twice in a row. Positions count bytes since the start. A record is a u32 length whose bit 31 says that it
 * is still being written and bit 30 that it was thrown away, a u32 of the kernel's, and the data, padded to 8 bytes.
 *
 * @module
 */

import { DetraceError } from "../error.ts";
import { type Buffer, map, type Mapping, PROT_READ, PROT_WRITE } from "../sys/door.ts";
import type { Poller } from "../sys/poll.ts";
import { pageSize } from "../sys/process.ts";
import { type ConsumeOptions, watch } from "./consumer.ts";

const DISCARD = 1 << 30;

/**
 * A ring buffer, mapped. Two may not consume the same map. BPF_F_RB_OVERWRITE is not supported.
 *
 * @example
 * ```ts
 * import { BpfMap } from "detrace/lib/maps/map.ts";
 * import { RingBuffer } from "detrace/lib/maps/ring_buffer.ts";
 * import { BPF_MAP_TYPE_RINGBUF } from "detrace/lib/maps/types.ts";
 * import { getuid } from "detrace/lib/sys/process.ts";
 * import { assertEquals } from "@std/assert";
 *
 * if (getuid() === 0) {
 *   using map = BpfMap.create({ type: BPF_MAP_TYPE_RINGBUF, keySize: 0, valueSize: 0, maxEntries: 65536 });
 *   using ring = new RingBuffer(map.fd, map.maxEntries);
 *   // ... load and attach a program that writes to the map ...
 *   const records = ring.drain((offset) => console.log("pid", ring.words[offset >> 2]));
 *   assertEquals(records, 0);
 * }
 * ```
 */
export class RingBuffer implements Disposable {
  /**
   * The data area, and behind its end its beginning once more, so that every record lies in one piece. Read only: writing
   * ends the process. After {@link dispose} its length is 0, and that of every other view of its buffer.
   */
  readonly bytes: Buffer;
  /** The same memory as 32-bit words: records start at multiples of 8 bytes. */
  readonly words: Int32Array<ArrayBuffer>;
  /** Bytes of the data area, once. */
  readonly size: number;
  readonly #fd: number;
  readonly #mappings: Mapping[] = [];
  /** Low word of the producers' position. */
  readonly #produced: Int32Array<ArrayBuffer>;
  readonly #consumed: BigInt64Array<ArrayBuffer>;
  /** The consumer's position, and its low word. */
  #position: bigint;
  #at: number;
  #draining = false;
  #closed = false;
  #poller: Poller | undefined;

  /**
   * Maps the memory; records that are there already come with the first {@link drain}.
   *
   * @param mapFd The map's descriptor, which must stay open while {@link consume} runs.
   * @param size The map's maxEntries: bytes, a power of two.
   * @param longest Bytes of the longest record, if that is known: less is mapped then, which counts as memory of this process.
   * @throws {DetraceError} If the size cannot be that of a ring buffer, or is over 1 GiB.
   */
  constructor(mapFd: number, size: number, longest: number = size) {
    const page = pageSize();
    if (!(size >= page && size <= 2 ** 30) || size & size - 1) {
      throw new DetraceError(`a ring buffer of ${size} bytes: expected a power of two from ${page} to 2^30`);
    }
    const open = (length: number, prot: number, offset: number): ArrayBuffer => {
      const mapping = map(mapFd, length, { prot, offset, shared: true, what: "ring buffer" });
      this.#mappings.push(mapping);
      return mapping.bytes.buffer;
    };
    this.size = size;
    this.#fd = mapFd;
    const again = Math.min(size, Math.ceil((longest + 8) / page) * page);
    const data = open(page + size + again, PROT_READ, page);
    try {
      this.#consumed = new BigInt64Array(open(page, PROT_READ | PROT_WRITE, 0), 0, 1);
    } catch (error) {
      this.#release();
      throw error;
    }
    this.#produced = new Int32Array(data, 0, 1);
    this.bytes = new Uint8Array(data, page);
    this.words = new Int32Array(data, page);
    this.#position = this.#consumed[0]!;
    this.#at = Number(BigInt.asIntN(32, this.#position));
  }

  /** Bytes that producers have written or are writing and that are not consumed yet, 8 of each record's header included. */
  get pending(): number {
    return this.#closed ? 0 : Atomics.load(this.#produced, 0) - this.#at | 0;
  }

  /**
   * Takes out the records that are there now, up to one that is still being written.
   *
   * The callback gets where in {@link bytes} a record's data lies, and must not keep it: the memory is overwritten after
   * the batch. If it throws, the record counts as taken, and the error goes out. It may call {@link dispose}.
   *
   * @param callback Byte offset, a multiple of 8, and length in bytes.
   * @returns The number of records given to the callback.
   * @throws {DetraceError} If a record is longer than the ring buffer was told, and so does not lie in one piece.
   */
  drain(callback: (offset: number, length: number) => void): number {
    if (this.#closed || this.#draining) return 0;
    const words = this.words, reach = this.bytes.length, mask = this.size - 1, quarter = this.size >> 2;
    const end = Atomics.load(this.#produced, 0);
    // Low words do: the distance is never more than the size.
    let at = this.#at, records = 0;
    this.#draining = true;
    try {
      while (at !== end && !this.#closed) {
        const offset = at & mask;
        const length = Atomics.load(words, offset >> 2);
        if (length < 0) break;
        at = at + ((length & ~DISCARD) + 15 & ~7) | 0;
        if (length < DISCARD) {
          if (offset + 8 + length > reach) {
            throw new DetraceError(
              `a record of ${length} bytes: the ring buffer was opened for shorter ones`,
            );
          }
          records++;
          callback(offset + 8, length);
        }
        // Not only at the end: producers need room while a long batch is worked on.
        if ((at - this.#at | 0) >= quarter) this.#store(at);
      }
    } finally {
      this.#store(at);
      this.#draining = false;
      if (this.#closed) this.#release();
    }
    return records;
  }

  /** Moves the consumer's position on: `at` is its low word. */
  #store(at: number): void {
    if (at === this.#at) return;
    this.#position += BigInt(at - this.#at | 0);
    this.#at = at;
    Atomics.store(this.#consumed, 0, this.#position);
  }

  #watch(signal: AbortSignal | undefined): AsyncGenerator<void, void, void> {
    if (this.#poller) throw new DetraceError("the ring buffer is being consumed already");
    const fill = () => this.#closed ? -1 : this.pending / this.size;
    return watch([this.#fd], fill, (poller) => this.#poller = poller, signal);
  }

  /**
   * Gives records to the callback as they come, until the signal or {@link dispose}. A record after a pause comes at once,
   * one among many within about 25 ms.
   *
   * @param callback As for {@link drain}.
   * @param options When to end, and what to do after every batch.
   */
  async consume(
    callback: (offset: number, length: number) => void,
    options: ConsumeOptions = {},
  ): Promise<void> {
    for await (const _ of this.#watch(options.signal)) {
      if (this.drain(callback)) options.batchEnd?.();
    }
  }

  /**
   * Copies of records as they come, for scripts where speed does not matter. Whoever leaves the loop early loses the
   * records of the batch.
   *
   * @param options When to end.
   */
  async *records(options: { signal?: AbortSignal } = {}): AsyncIterableIterator<Buffer> {
    for await (const _ of this.#watch(options.signal)) {
      const batch: Buffer[] = [];
      this.drain((offset, length) => batch.push(this.bytes.slice(offset, offset + length)));
      yield* batch;
    }
  }

  /** Ends {@link consume} and {@link records} and unmaps the memory; the map stays open. */
  dispose(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#poller?.close();
    if (!this.#draining) this.#release();
  }

  /** The same as {@link dispose}. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  #release(): void {
    for (const mapping of this.#mappings) mapping.close();
  }
}
