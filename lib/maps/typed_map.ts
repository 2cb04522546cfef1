/**
 * A map with keys and values as JavaScript values.
 *
 * @module
 */

import { DetraceError } from "../error.ts";
import type { Buffer } from "../sys/door.ts";
import { deleteAll, updateAll } from "./batch.ts";
import type { Codec } from "./codec.ts";
import type { BpfMap } from "./map.ts";

/** A codec of what a per-CPU map has for a key: the values of all possible processors. */
function perCpuCodec<V>(map: BpfMap, value: Codec<V>): Codec<V[]> {
  return {
    size: map.valueBytes,
    encode(values) {
      const bytes: Buffer = new Uint8Array(map.valueBytes), parts = map.perCpu(bytes);
      if (values.length !== parts.length) {
        throw new DetraceError(
          `map ${map.name}: expected a value for each of ${parts.length} processors, got ${values.length}`,
        );
      }
      parts.forEach((part, cpu) => part.set(value.encode(values[cpu]!)));
      return bytes;
    },
    decode: (bytes) => map.perCpu(bytes as Buffer).map((part) => value.decode(part)),
  };
}

/**
 * Gives a {@link BpfMap} keys and values by codecs. It does not own the map.
 *
 * @example
 * ```ts
 * import { Btf } from "detrace/lib/btf/btf.ts";
 * import { BtfBuilder } from "detrace/lib/btf/build.ts";
 * import { codec } from "detrace/lib/maps/codec.ts";
 * import { BpfMap } from "detrace/lib/maps/map.ts";
 * import { TypedMap } from "detrace/lib/maps/typed_map.ts";
 * import { BPF_MAP_TYPE_HASH } from "detrace/lib/maps/types.ts";
 * import { getuid } from "detrace/lib/sys/process.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const builder = new BtfBuilder();
 * const u32 = builder.addInt("unsigned int", 4, {});
 * const u64 = builder.addInt("unsigned long long", 8, {});
 * const btf = Btf.parse(builder.build());
 *
 * if (getuid() === 0) {
 *   using map = BpfMap.create({ type: BPF_MAP_TYPE_HASH, keySize: 4, valueSize: 8, maxEntries: 10 });
 *   const counts = new TypedMap(map, codec<number>(btf, u32), codec<bigint>(btf, u64));
 *   counts.set(1, 7n);
 *   assertEquals([...counts], [[1, 7n]]);
 * }
 * ```
 */
export class TypedMap<K, V> implements Iterable<[key: K, value: V]> {
  /** The map underneath. */
  readonly map: BpfMap;
  readonly #key: Codec<K>;
  readonly #value: Codec<V>;

  /**
   * Takes the map as it is.
   *
   * @param map Not per-CPU: for such a map see {@link TypedMap.perCpu}.
   * @param key Codec of the keys.
   * @param value Codec of the values.
   * @throws {DetraceError} If the sizes are not the map's.
   */
  constructor(map: BpfMap, key: Codec<K>, value: Codec<V>) {
    if (key.size !== map.keySize || value.size !== map.valueBytes) {
      throw new DetraceError(
        `map ${map.name} has keys of ${map.keySize} and values of ${map.valueBytes} bytes, ` +
          `the types given have ${key.size} and ${value.size}`,
      );
    }
    this.map = map;
    this.#key = key;
    this.#value = value;
  }

  /**
   * A per-CPU map: each key has a list of values, one for each possible processor.
   *
   * @param map Per-CPU.
   * @param key Codec of the keys.
   * @param value Codec of one processor's value.
   * @throws {DetraceError} If the sizes are not the map's.
   */
  static perCpu<K, V>(map: BpfMap, key: Codec<K>, value: Codec<V>): TypedMap<K, V[]> {
    if (!map.isPerCpu || value.size !== map.valueSize) {
      throw new DetraceError(
        map.isPerCpu
          ? `map ${map.name} has values of ${map.valueSize} bytes, the type given has ${value.size}`
          : `map ${map.name} has one value for all processors`,
      );
    }
    return new TypedMap(map, key, perCpuCodec(map, value));
  }

  /** The value of a key, undefined if there is none. */
  get(key: K): V | undefined {
    const value = this.map.get(this.#key.encode(key));
    return value && this.#value.decode(value);
  }

  /**
   * Makes or changes an entry.
   *
   * @param flags `BPF_ANY`, `BPF_NOEXIST`, `BPF_EXIST`.
   */
  set(key: K, value: V, flags = 0): void {
    this.map.set(this.#key.encode(key), this.#value.encode(value), flags);
  }

  /** Deletes an entry. Says whether there was one. */
  delete(key: K): boolean {
    return this.map.delete(this.#key.encode(key));
  }

  /** Makes or changes many entries. See {@link updateAll} of batch.ts. */
  updateAll(entries: Iterable<readonly [key: K, value: V]>): void {
    const encode = ([key, value]: readonly [K, V]) =>
      [this.#key.encode(key), this.#value.encode(value)] as const;
    updateAll(this.map, Iterator.from(entries).map(encode));
  }

  /** Deletes many entries and says how many there were. See {@link deleteAll} of batch.ts. */
  deleteAll(keys: Iterable<K>): number {
    return deleteAll(this.map, Iterator.from(keys).map((key) => this.#key.encode(key)));
  }

  /** Deletes an entry and gives back its value, undefined if there was none. See {@link BpfMap.take}. */
  take(key: K): V | undefined {
    const value = this.map.take(this.#key.encode(key));
    return value && this.#value.decode(value);
  }

  /** All entries, in no order. See {@link BpfMap.entries}. */
  *entries(): Generator<[key: K, value: V]> {
    for (const entry of this.map.entries()) yield this.#decode(entry);
  }

  /** Takes all entries out of the map. See {@link BpfMap.drainAll}. */
  drainAll(): [key: K, value: V][] {
    return this.map.drainAll().map((entry) => this.#decode(entry));
  }

  /** The same as {@link entries}. */
  [Symbol.iterator](): Generator<[key: K, value: V]> {
    return this.entries();
  }

  #decode([key, value]: [Buffer, Buffer]): [K, V] {
    return [this.#key.decode(key), this.#value.decode(value)];
  }
}
