/**
 * The producer of BPF_MAP_TYPE_USER_RINGBUF (Linux 6.1): records from this process to programs, which take them out with
 * bpf_user_ringbuf_drain.
 *
 * Layout (kernel/bpf/ringbuf.c): as that of a ring buffer, with the roles exchanged. The page with the consumer's position
 * can only be read, the page with the producer's position and the data, which the kernel maps twice in a row, are ours.
 *
 * @module
 */

import { DetraceError } from "../error.ts";
import { type Buffer, map, type Mapping, PROT_READ, PROT_WRITE } from "../sys/door.ts";
import { pageSize } from "../sys/process.ts";

const BUSY = 1 << 31, DISCARD = 1 << 30;
/** Bytes of a record's header: a u32 length with the bits above, and a u32 of nothing. */
const HEADER = 8;
/** The longest record that a program can be given: what a dynptr holds (DYNPTR_MAX_SIZE, kernel/bpf/helpers.c). */
const LONGEST = 2 ** 24 - 1;

/**
 * The writing end of a user ring buffer. Only one may write to a map.
 *
 * @example
 * ```ts
 * import { BpfMap } from "detrace/lib/maps/map.ts";
 * import { BPF_MAP_TYPE_USER_RINGBUF } from "detrace/lib/maps/types.ts";
 * import { UserRingBuffer } from "detrace/lib/maps/user_ring_buffer.ts";
 * import { getuid, kernelVersion } from "detrace/lib/sys/process.ts";
 * import { assert } from "@std/assert";
 *
 * if (getuid() === 0 && kernelVersion() >= 0x060100) {
 *   const maxEntries = 65536;
 *   using map = BpfMap.create({ type: BPF_MAP_TYPE_USER_RINGBUF, keySize: 0, valueSize: 0, maxEntries });
 *   using ring = new UserRingBuffer(map.fd, maxEntries);
 *   assert(ring.write(new TextEncoder().encode("to the program")));
 * }
 * ```
 */
export class UserRingBuffer implements Disposable {
  /** Bytes of the data area. */
  readonly size: number;
  readonly #mappings: Mapping[] = [];
  /** Everything from the producer's page on. */
  readonly #memory: ArrayBuffer;
  readonly #words: Int32Array<ArrayBuffer>;
  readonly #consumed: BigUint64Array<ArrayBuffer>;
  readonly #produced: BigUint64Array<ArrayBuffer>;
  readonly #page: number = pageSize();
  #position: bigint;

  /**
   * Maps the memory.
   *
   * @param mapFd The map's descriptor; it may be closed afterwards.
   * @param size The map's maxEntries: bytes, a power of two of at least a page.
   * @throws {DetraceError} If the size cannot be that of a ring buffer, or is over 1 GiB.
   */
  constructor(mapFd: number, size: number) {
    const page = this.#page;
    if (!(size >= page && size <= 2 ** 30) || size & size - 1) {
      throw new DetraceError(
        `a user ring buffer of ${size} bytes: expected a power of two from ${page} to 2^30`,
      );
    }
    const open = (length: number, prot: number, offset: number): ArrayBuffer => {
      const mapping = map(mapFd, length, { prot, offset, shared: true, what: "user ring buffer" });
      this.#mappings.push(mapping);
      return mapping.bytes.buffer;
    };
    this.size = size;
    this.#consumed = new BigUint64Array(open(page, PROT_READ, 0), 0, 1);
    try {
      this.#memory = open(page + 2 * size, PROT_READ | PROT_WRITE, page);
    } catch (error) {
      this.dispose();
      throw error;
    }
    this.#produced = new BigUint64Array(this.#memory, 0, 1);
    this.#words = new Int32Array(this.#memory);
    this.#position = Atomics.load(this.#produced, 0);
  }

  /** Bytes that no program has taken out yet, 8 of each record's header included. */
  get pending(): number {
    return this.#mappings.length ? Number(this.#position - Atomics.load(this.#consumed, 0)) : 0;
  }

  /**
   * Takes room for a record, to be filled and then given to {@link submit} or {@link discard}. Programs see nothing behind
   * it before that.
   *
   * @param length Bytes of the record.
   * @returns The ring's own memory, which holds whatever was there before; undefined if there is no room now.
   * @throws {DetraceError} If so long a record never fits, or the ring is disposed of.
   */
  reserve(length: number): Buffer | undefined {
    if (!this.#mappings.length) throw new DetraceError("the user ring buffer is disposed of");
    const most = Math.min(this.size - HEADER, LONGEST);
    if (!(Number.isInteger(length) && length >= 0 && length <= most)) {
      throw new DetraceError(`a record of ${length} bytes: this user ring buffer takes up to ${most}`);
    }
    const total = length + HEADER + 7 & ~7;
    if (this.size - this.pending < total) return undefined;
    const offset = this.#page + (Number(BigInt.asUintN(32, this.#position)) & this.size - 1);
    Atomics.store(this.#words, offset >> 2, length | BUSY);
    this.#position += BigInt(total);
    Atomics.store(this.#produced, 0, this.#position);
    return new Uint8Array(this.#memory, offset + HEADER, length);
  }

  /** Gives a reserved record to the programs; it must not be written to any more. */
  submit(record: Buffer): void {
    this.#commit(record, 0);
  }

  /** Throws a reserved record away: programs skip it. */
  discard(record: Buffer): void {
    this.#commit(record, DISCARD);
  }

  #commit(record: Buffer, flag: number): void {
    const at = record.byteOffset - HEADER >> 2;
    if (record.buffer !== this.#memory || Atomics.load(this.#words, at) !== (record.length | BUSY)) {
      throw new DetraceError("this is no reserved record of the user ring buffer");
    }
    Atomics.store(this.#words, at, record.length | flag);
  }

  /**
   * Writes a record.
   *
   * @param bytes What the program gets.
   * @returns False if there is no room now.
   * @throws {DetraceError} As {@link reserve}.
   */
  write(bytes: Uint8Array): boolean {
    const record = this.reserve(bytes.length);
    if (!record) return false;
    record.set(bytes);
    this.submit(record);
    return true;
  }

  /** Unmaps the memory; the map stays open, and what was written stays in it. */
  dispose(): void {
    for (const mapping of this.#mappings.splice(0)) mapping.close();
  }

  /** The same as {@link dispose}. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}
