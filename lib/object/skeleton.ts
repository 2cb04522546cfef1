/**
 * What the generated files `bpf/NAME.ts` are built on: an object with its name, and records read in place.
 *
 * @module
 */

import { DetraceError } from "../error.ts";
import type { ConsumeOptions } from "../maps/consumer.ts";
import { RingBuffer } from "../maps/ring_buffer.ts";
import type { BpfMap } from "../maps/map.ts";
import type { Program } from "../programs/program.ts";
import { BpfObject, type LoaderParts } from "./object.ts";
import { unpackSpec } from "./unpack.ts";

/**
 * A view of one record in a buffer's memory. One view is used for all records of a loop: its fields are those of the record
 * that it stands on now. Take {@link toObject} of what is to be kept.
 */
export abstract class RecordView {
  /** The memory that the record lies in. */
  bytes: Uint8Array = new Uint8Array(0);
  /** The same memory in words. Records begin at multiples of 8. */
  i32: Int32Array = new Int32Array(0);
  /** The same memory in unsigned words. */
  u32: Uint32Array = new Uint32Array(0);
  /** Where the record begins, in bytes. */
  at = 0;
  /** Bytes of the record; shorter than the struct where its tail is not needed. */
  length = 0;

  /** Binds the view to a buffer's memory. */
  bind(bytes: Uint8Array): this {
    this.bytes = bytes;
    this.i32 = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength >> 2);
    this.u32 = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength >> 2);
    return this;
  }

  /** A copy of the fields as a plain object. */
  abstract toObject(): object;

  /** The C string in `size` bytes from `offset` on. Bytes that are not UTF-8 become U+FFFD. */
  protected string(offset: number, size: number): string {
    const start = this.at + offset, limit = this.at + Math.min(offset + size, this.length);
    let end = start;
    while (end < limit && this.bytes[end] !== 0) end++;
    return decoder.decode(this.bytes.subarray(start, end));
  }

  /** A 64-bit field, exact. */
  protected u64(offset: number): bigint {
    const i = (this.at + offset) >> 2;
    return BigInt(this.u32[i]!) | BigInt(this.u32[i + 1]!) << 32n;
  }
}

const decoder = new TextDecoder();

/**
 * The records of a ring buffer, as typed events.
 *
 * @typeParam V The generated view of a record.
 */
export class Events<V extends RecordView> implements AsyncIterable<ReturnType<V["toObject"]>> {
  readonly #object: BpfObject;
  readonly #map: string;
  readonly #view: V;
  readonly #longest: number | undefined;
  #ring: RingBuffer | undefined;

  /** Internal: `object` owns the ring buffer map called `map`; `view` reads its records, of up to `longest` bytes. */
  constructor(object: BpfObject, map: string, view: V, longest?: number) {
    this.#object = object;
    this.#map = map;
    this.#view = view;
    this.#longest = longest;
  }

  /** Bytes that the ring holds. A power of two of at least a page; to be set before loading. */
  get size(): number {
    return this.#object.spec.maps.get(this.#map)!.maxEntries;
  }
  set size(bytes: number) {
    if (this.#object.loaded) throw new DetraceError("the ring buffer's size is set before loading");
    this.#object.spec.maps.get(this.#map)!.maxEntries = bytes;
  }

  /**
   * Calls back for every record until the signal says stop, or the object is closed. The view is the same each time, and its
   * fields are read from the ring itself: what is to be kept must be copied.
   *
   * @param callback Called for each record, in order.
   * @param options `signal` ends it after the last record; `batchEnd` is called after each batch of records.
   */
  forEach(callback: (event: V) => void, options: ConsumeOptions = {}): Promise<void> {
    const ring = this.#open(), view = this.#view.bind(ring.bytes);
    return ring.consume((offset, length) => {
      view.at = offset;
      view.length = length;
      callback(view);
    }, options);
  }

  /** Events as plain objects, for `for await`. The loop's end ends it. */
  async *[Symbol.asyncIterator](): AsyncIterator<ReturnType<V["toObject"]>> {
    const view = this.#view;
    for await (const record of this.#open().records()) {
      const padded = new Uint8Array((record.length + 7) & ~7);
      padded.set(record);
      view.bind(padded);
      view.at = 0;
      view.length = record.length;
      yield view.toObject() as ReturnType<V["toObject"]>;
    }
  }

  #open(): RingBuffer {
    const map = this.#object.maps.get(this.#map);
    if (!map) throw new DetraceError("events come after load()");
    return this.#ring ??= new RingBuffer(map.fd, map.maxEntries, this.#longest);
  }

  /** Unmaps the ring. */
  close(): void {
    this.#ring?.[Symbol.dispose]();
    this.#ring = undefined;
  }
}

/**
 * The base of every generated skeleton: the object in its file, and the events of its ring buffers.
 *
 * @typeParam MapName Names of its maps.
 * @typeParam ProgramName Names of its programs.
 */
export class Skeleton<MapName extends string = string, ProgramName extends string = string>
  extends BpfObject {
  readonly #events: Events<RecordView>[] = [];

  /** Unpacks the object: its JSON, its bytes in base64, and the parts of the loader that it needs. See unpack.ts. */
  constructor(json: string, base64: string, parts: LoaderParts = {}) {
    super(unpackSpec(json, Uint8Array.fromBase64(base64)), parts);
  }

  /** A map, after `load()`. @throws {DetraceError} Before. */
  map(name: MapName): BpfMap {
    return loaded(this.maps.get(name), name);
  }

  /** A program, after `load()` if it was to be loaded. @throws {DetraceError} Else. */
  program(name: ProgramName): Program {
    return loaded(this.programs.get(name), name);
  }

  /** Internal: the records of a ring buffer map, read with a view; bytes of the longest, where its struct says so. */
  protected records<V extends RecordView>(map: string, view: V, longest?: number): Events<V> {
    const events = new Events(this, map, view, longest);
    this.#events.push(events as unknown as Events<RecordView>);
    return events;
  }

  /** Ends consumers, detaches, and closes programs and maps. */
  override close(): void {
    for (const events of this.#events) events.close();
    super.close();
  }
}

function loaded<T>(one: T | undefined, name: string): T {
  if (!one) throw new DetraceError(`${name} is not loaded`);
  return one;
}
