/**
 * The consumer of BPF_MAP_TYPE_PERF_EVENT_ARRAY: how events come from kernels before 5.8, which have no ring buffer map.
 *
 * Each processor has a ring of its own (struct perf_event_mmap_page, include/uapi/linux/perf_event.h): a page with the
 * positions, then the data. A record begins with u32 type, u16 flags, u16 size; a sample has a u32 length and the data.
 *
 * @module
 */

import { DetraceError } from "../error.ts";
import { mapDelete, mapUpdate } from "../sys/bpf.ts";
import { type Buffer, closeFd, map, type Mapping, PROT_READ, PROT_WRITE } from "../sys/door.ts";
import { SyscallError } from "../sys/errno.ts";
import { perfEventOpen } from "../sys/perf_event.ts";
import type { Poller } from "../sys/poll.ts";
import { onlineCpus, pageSize } from "../sys/process.ts";
import { type ConsumeOptions, watch } from "./consumer.ts";

const DATA_HEAD = 1024, DATA_TAIL = 1032; // byte offsets in struct perf_event_mmap_page
const PERF_RECORD_LOST = 2;
const PERF_RECORD_SAMPLE = 9;
const ENODEV = 19;

/**
 * Is given a sample: `length` bytes at `offset` of `bytes`, valid until it returns. The kernel pads samples, so that up to 7
 * bytes more may come than the program wrote.
 */
export type SampleCallback = (bytes: Buffer, offset: number, length: number, cpu: number) => void;

/** How a {@link PerfBuffer} is made. */
export interface PerfBufferOptions {
  /** Pages of data for each processor, a power of two; default 64. */
  pages?: number;
  /** Told how many samples a processor had no room for. */
  lost?: (count: number, cpu: number) => void;
}

/** One processor's ring. */
interface Ring {
  cpu: number;
  fd: number;
  mapping: Mapping;
  words: Int32Array<ArrayBuffer>;
  tail: BigInt64Array<ArrayBuffer>;
  /** The consumer's position, and its low word. */
  position: bigint;
  at: number;
}

/** The rings of all processors that are online when it is made. Samples of different processors come in no order. */
export class PerfBuffer implements Disposable {
  /** Samples that were lost so far for want of room. */
  lost = 0;
  readonly #mapFd: number;
  readonly #size: number;
  readonly #page: number = pageSize();
  readonly #lost: ((count: number, cpu: number) => void) | undefined;
  readonly #rings: Ring[] = [];
  /** Where a record is put together that goes round the end; a record's size is a u16. */
  #scratch: Buffer | undefined;
  #draining = false;
  #closed = false;
  #poller: Poller | undefined;

  /**
   * Opens a perf event for each processor and puts it into the map.
   *
   * @param mapFd A BPF_MAP_TYPE_PERF_EVENT_ARRAY with a slot for every processor; must stay open.
   * @throws {DetraceError} If `pages` is no power of two.
   * @throws {SyscallError} If the kernel refuses; ENOSPC or EPERM of mmap: over `kernel.perf_event_mlock_kb`.
   */
  constructor(mapFd: number, options: PerfBufferOptions = {}) {
    const { pages = 64, lost } = options, page = this.#page;
    if (!(pages > 0 && pages <= 2 ** 17) || pages & pages - 1) {
      throw new DetraceError(`a perf buffer of ${pages} pages: expected a power of two up to 131072`);
    }
    this.#mapFd = mapFd;
    this.#size = pages * page;
    this.#lost = lost;
    try {
      for (const cpu of onlineCpus()) {
        let fd;
        try {
          // PERF_TYPE_SOFTWARE, PERF_COUNT_SW_BPF_OUTPUT, PERF_SAMPLE_RAW
          fd = perfEventOpen(
            { type: 1, config: 10n, sampleType: 1024n, samplePeriod: 1n, wakeupEvents: 1 },
            -1,
            cpu,
          );
        } catch (error) {
          if (error instanceof SyscallError && error.errno === ENODEV) continue; // went offline meanwhile
          throw error;
        }
        let mapping;
        try {
          mapping = map(fd, page + this.#size, {
            prot: PROT_READ | PROT_WRITE,
            shared: true,
            what: "perf buffer",
          });
        } catch (error) {
          closeFd(fd);
          throw error;
        }
        const { buffer } = mapping.bytes;
        this.#rings.push({
          cpu,
          fd,
          mapping,
          words: new Int32Array(buffer),
          tail: new BigInt64Array(buffer, DATA_TAIL, 1),
          position: 0n,
          at: 0,
        });
        mapUpdate(mapFd, bytesOf(cpu), bytesOf(fd));
      }
    } catch (error) {
      this.#release();
      throw error;
    }
  }

  /** Bytes that are not consumed yet, of all processors. */
  get pending(): number {
    return this.#closed ? 0 : this.#rings.reduce((sum, ring) => sum + behind(ring), 0);
  }

  /**
   * Takes out the samples that are there now. If the callback throws, the sample counts as taken, and the error goes out.
   * It may call {@link dispose}.
   *
   * @returns The number of samples given to the callback.
   */
  drain(callback: SampleCallback): number {
    if (this.#closed || this.#draining) return 0;
    let samples = 0;
    this.#draining = true;
    try {
      for (const ring of this.#rings) samples += this.#drainRing(ring, callback);
    } finally {
      this.#draining = false;
      if (this.#closed) this.#release();
    }
    return samples;
  }

  #drainRing(ring: Ring, callback: SampleCallback): number {
    const { words, cpu, mapping } = ring, size = this.#size, page = this.#page;
    const end = Atomics.load(words, DATA_HEAD >> 2);
    let at = ring.at, samples = 0;
    try {
      while (at !== end && !this.#closed) {
        const offset = at & size - 1, header = page + offset >> 2;
        const type = words[header]!, length = words[header + 1]! >>> 16;
        if (length < 8) throw new DetraceError("the perf buffer is damaged");
        let bytes = mapping.bytes, record = page + offset;
        if (offset + length > size) {
          bytes = this.#scratch ??= new Uint8Array(65536);
          bytes.set(mapping.bytes.subarray(record));
          bytes.set(mapping.bytes.subarray(page, record + length - size), size - offset);
          record = 0;
        }
        at = at + length | 0;
        if (type === PERF_RECORD_SAMPLE) {
          samples++;
          callback(bytes, record + 12, Math.min(u32(bytes, record + 8), length - 12), cpu);
        } else if (type === PERF_RECORD_LOST) {
          const lost = u32(bytes, record + 16) + u32(bytes, record + 20) * 2 ** 32;
          this.lost += lost;
          this.#lost?.(lost, cpu);
        }
        if ((at - ring.at | 0) >= size >> 2) store(ring, at);
      }
    } finally {
      store(ring, at);
    }
    return samples;
  }

  /**
   * Gives samples to the callback as they come, until the signal or {@link dispose}. A sample after a pause comes at once,
   * one among many within about 25 ms.
   *
   * @param callback As for {@link drain}.
   * @param options When to end, and what to do after every batch.
   */
  async consume(callback: SampleCallback, options: ConsumeOptions = {}): Promise<void> {
    if (this.#poller) throw new DetraceError("the perf buffer is being consumed already");
    const fill = () => this.#closed ? -1 : Math.max(0, ...this.#rings.map(behind)) / this.#size;
    const fds = this.#rings.map((ring) => ring.fd);
    for await (const _ of watch(fds, fill, (poller) => this.#poller = poller, options.signal)) {
      if (this.drain(callback)) options.batchEnd?.();
    }
  }

  /** Ends {@link consume}, takes the perf events out of the map and closes them; the map stays open. */
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
    for (const { cpu, fd, mapping } of this.#rings) {
      try {
        mapDelete(this.#mapFd, bytesOf(cpu));
      } catch { /* the map is closed already, and with it goes the entry */ }
      mapping.close();
      closeFd(fd);
    }
  }
}

/** Moves the consumer's position on: `at` is its low word. */
function store(ring: Ring, at: number): void {
  ring.position += BigInt(at - ring.at | 0);
  ring.at = at;
  Atomics.store(ring.tail, 0, ring.position);
}

function bytesOf(value: number): Buffer {
  return new Uint8Array(Uint32Array.of(value).buffer);
}

function u32(bytes: Buffer, offset: number): number {
  return (bytes[offset]! | bytes[offset + 1]! << 8 | bytes[offset + 2]! << 16 | bytes[offset + 3]! << 24) >>>
    0;
}

function behind(ring: Ring): number {
  return Atomics.load(ring.words, DATA_HEAD >> 2) - ring.at | 0;
}
