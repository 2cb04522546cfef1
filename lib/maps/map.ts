/**
 * A BPF map in the kernel: owns its descriptor and gives access to entries as raw bytes. What the bytes mean is the
 * business of codec.ts and typed_map.ts.
 *
 * @module
 */

import { DetraceError } from "../error.ts";
import {
  fdById,
  type MapBatchAttr,
  mapCreate,
  type MapCreateAttr,
  mapDelete,
  mapFreeze,
  mapGetNextKey,
  mapLookup,
  mapLookupAndDelete,
  mapLookupAndDeleteBatch,
  mapLookupBatch,
  mapUpdate,
  objGet,
  objGetInfo,
  objPin,
} from "../sys/bpf.ts";
import {
  type Buffer,
  closeFd,
  duplicateFd,
  Fd,
  map,
  type Mapping,
  PROT_READ,
  PROT_WRITE,
} from "../sys/door.ts";
import { SyscallError } from "../sys/errno.ts";
import { possibleCpus } from "../sys/process.ts";
import {
  BPF_MAP_TYPE_ARRAY,
  BPF_MAP_TYPE_LRU_PERCPU_HASH,
  BPF_MAP_TYPE_PERCPU_ARRAY,
  BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE,
  BPF_MAP_TYPE_PERCPU_HASH,
} from "./types.ts";

/** What is fixed when a map is made. */
export interface MapInfo {
  /** Up to 15 characters, may be empty. */
  readonly name: string;
  /** BPF_MAP_TYPE_*. */
  readonly type: number;
  /** Bytes of a key; 0 where there are no keys (queue, ring buffer). */
  readonly keySize: number;
  /** Bytes of a value, in a per-CPU map of one processor's. */
  readonly valueSize: number;
  /** Number of entries; bytes for a ring buffer. */
  readonly maxEntries: number;
  /** BPF_F_*. */
  readonly flags: number;
}

const ENOSPC = 28;

/** struct bpf_map_info, as far as it is read here. */
function describe(fd: number): DataView {
  const info: Buffer = new Uint8Array(80);
  objGetInfo(fd, info);
  return new DataView(info.buffer);
}

/**
 * A map. Keys and values are bytes in the machine's byte order; a key or value of the wrong length is refused with a
 * {@link DetraceError}, what the kernel refuses with a `SyscallError`.
 *
 * Where the map's type is per-CPU, a value is that of all possible processors, one after another, each padded to a
 * multiple of 8 bytes: {@link valueBytes} in all.
 *
 * @example
 * ```ts
 * import { BpfMap } from "detrace/lib/maps/map.ts";
 * import { BPF_MAP_TYPE_HASH } from "detrace/lib/maps/types.ts";
 * import { getuid } from "detrace/lib/sys/process.ts";
 * import { assertEquals } from "@std/assert";
 *
 * if (getuid() === 0) {
 *   using map = BpfMap.create({ type: BPF_MAP_TYPE_HASH, keySize: 4, valueSize: 1, maxEntries: 10 });
 *   map.set(new Uint8Array([1, 0, 0, 0]), new Uint8Array([7]));
 *   assertEquals(map.get(new Uint8Array([1, 0, 0, 0])), new Uint8Array([7]));
 *   assertEquals(map.drainAll().length, 1);
 *   assertEquals(map.getAll(), []);
 * }
 * ```
 */
export class BpfMap implements Disposable, MapInfo {
  /** Up to 15 characters, may be empty. */
  readonly name: string;
  /** BPF_MAP_TYPE_*. */
  readonly type: number;
  /** Bytes of a key. */
  readonly keySize: number;
  /** Bytes of a value, in a per-CPU map of one processor's. */
  readonly valueSize: number;
  /** Number of entries; bytes for a ring buffer. */
  readonly maxEntries: number;
  /** BPF_F_*. */
  readonly flags: number;
  /** Whether there is a value for each processor. */
  readonly isPerCpu: boolean;
  readonly #fd: Fd;

  /**
   * Takes a descriptor over whose map is known; {@link BpfMap.fromFd} asks the kernel.
   *
   * @param fd The map's descriptor, owned from now on.
   * @param info What the map was made with.
   */
  constructor(fd: number, info: MapInfo) {
    this.#fd = new Fd(fd);
    this.name = info.name;
    this.type = info.type;
    this.keySize = info.keySize;
    this.valueSize = info.valueSize;
    this.maxEntries = info.maxEntries;
    this.flags = info.flags;
    this.isPerCpu = [
      BPF_MAP_TYPE_PERCPU_HASH,
      BPF_MAP_TYPE_PERCPU_ARRAY,
      BPF_MAP_TYPE_LRU_PERCPU_HASH,
      BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE,
    ].includes(info.type);
  }

  /** Makes a map. */
  static create(attr: MapCreateAttr): BpfMap {
    return new BpfMap(mapCreate(attr), { name: "", flags: 0, ...attr });
  }

  /** Takes a descriptor over and asks the kernel what map it is. */
  static fromFd(fd: number): BpfMap {
    try {
      const info = describe(fd);
      const u32 = (offset: number) => info.getUint32(offset, true);
      const name = new TextDecoder().decode(new Uint8Array(info.buffer, 24, 16)).split("\0", 1)[0]!;
      return new BpfMap(fd, {
        name,
        type: u32(0),
        keySize: u32(8),
        valueSize: u32(12),
        maxEntries: u32(16),
        flags: u32(20),
      });
    } catch (error) {
      closeFd(fd);
      throw error;
    }
  }

  /** Opens the map with this id; undefined if there is none. */
  static fromId(id: number): BpfMap | undefined {
    const fd = fdById("map", id);
    return fd === undefined ? undefined : BpfMap.fromFd(fd);
  }

  /** Opens the map pinned at a path of a bpf file system. */
  static fromPin(path: string): BpfMap {
    return BpfMap.fromFd(objGet(path));
  }

  /** Another owner of the same map. */
  duplicate(): BpfMap {
    return new BpfMap(duplicateFd(this.fd), this);
  }

  /** Pins the map, so that it outlives this process. */
  pin(path: string): void {
    objPin(this.fd, path);
  }

  /** The descriptor, -1 once it is closed. */
  get fd(): number {
    return this.#fd.fd;
  }

  /** The number by which the kernel knows the map. */
  get id(): number {
    return describe(this.fd).getUint32(4, true);
  }

  /** Bytes of a value as {@link get} and {@link set} have it. */
  get valueBytes(): number {
    return this.isPerCpu ? this.#stride * possibleCpus() : this.valueSize;
  }

  /** Bytes from one processor's value, or one array entry in memory, to the next. */
  get #stride(): number {
    return this.valueSize + 7 & ~7;
  }

  /** The kernel copies as many bytes as the map says: a buffer that is too short would be read or written past its end. */
  #check(what: string, bytes: Buffer, expected: number): void {
    if (bytes.length !== expected) {
      throw new DetraceError(`map ${this.name}: a ${what} has ${expected} bytes, not ${bytes.length}`);
    }
  }

  /**
   * The value of a key, undefined if there is none.
   *
   * @param flags `BPF_F_LOCK`.
   */
  get(key: Buffer, flags = 0): Buffer | undefined {
    this.#check("key", key, this.keySize);
    const value: Buffer = new Uint8Array(this.valueBytes);
    return mapLookup(this.fd, key, value, flags) ? value : undefined;
  }

  /**
   * Makes or changes an entry. Where there are no keys (queue, stack, bloom filter), the key is empty.
   *
   * @param flags `BPF_ANY`, `BPF_NOEXIST`, `BPF_EXIST`, `BPF_F_LOCK`.
   */
  set(key: Buffer, value: Buffer, flags = 0): void {
    this.#check("key", key, this.keySize);
    this.#check("value", value, this.valueBytes);
    mapUpdate(this.fd, key, value, flags);
  }

  /** Deletes an entry. Says whether there was one. */
  delete(key: Buffer): boolean {
    this.#check("key", key, this.keySize);
    return mapDelete(this.fd, key);
  }

  /**
   * Deletes an entry and gives back its value, undefined if there was none. Hash maps know this as one step since Linux
   * 5.14; before, a change in between is lost.
   */
  take(key: Buffer): Buffer | undefined {
    this.#check("key", key, this.keySize);
    const value: Buffer = new Uint8Array(this.valueBytes);
    try {
      return mapLookupAndDelete(this.fd, key, value) ? value : undefined;
    } catch (error) {
      // The type does not have the command: ENOTSUPP or EOPNOTSUPP, EINVAL where the kernel does not.
      if (!(error instanceof SyscallError && [22, 95, 524].includes(error.errno))) throw error;
      return mapLookup(this.fd, key, value) && mapDelete(this.fd, key) ? value : undefined;
    }
  }

  /** Entries in pieces: keys one after another, values one after another, and how many. */
  *#chunks(remove: boolean): Generator<[keys: Buffer, values: Buffer, count: number]> {
    const { fd, keySize, valueBytes, maxEntries } = this;
    // One more than there are: then the first call tells that it was the last.
    let room = Math.min(maxEntries + 1, 2 + Math.floor(65536 / (keySize + valueBytes)));
    let inBatch: Buffer | undefined;
    for (;;) {
      const keys: Buffer = new Uint8Array(room * keySize), values: Buffer = new Uint8Array(room * valueBytes);
      const outBatch: Buffer = new Uint8Array(Math.max(4, keySize));
      const attr: MapBatchAttr = { outBatch, keys, values, count: room };
      if (inBatch) attr.inBatch = inBatch;
      let result;
      try {
        result = (remove ? mapLookupAndDeleteBatch : mapLookupBatch)(fd, attr);
      } catch (error) {
        if (!(error instanceof SyscallError)) throw error;
        if (error.errno === ENOSPC && room <= maxEntries) {
          room *= 2; // a bucket holds more than we have room for
          continue;
        }
        if (inBatch) throw error;
        break; // the type or the kernel has no batches
      }
      yield [keys, values, result.count];
      if (result.done) return;
      inBatch = outBatch;
    }

    // The kernel begins again at the first key when the key that it shall go on from is gone. So the next key is fetched
    // before anybody sees the present one, keys that come again are left out, and the number of steps has a bound.
    const seen = new Set<string>();
    const after = (key?: Buffer): Buffer | undefined => {
      const next: Buffer = new Uint8Array(keySize);
      return mapGetNextKey(fd, key, next) ? next : undefined;
    };
    let key = after();
    for (let steps = 4 * maxEntries; key && steps > 0; steps--) {
      const next = after(key), name = String.fromCharCode(...key);
      const value = seen.has(name) ? undefined : remove ? this.take(key) : this.get(key);
      seen.add(name);
      if (value) yield [key, value, 1];
      key = next;
    }
  }

  *#each(remove: boolean): Generator<[key: Buffer, value: Buffer]> {
    const { keySize: k, valueBytes: v } = this;
    for (const [keys, values, count] of this.#chunks(remove)) {
      for (let i = 0; i < count; i++) {
        yield [keys.subarray(i * k, i * k + k), values.subarray(i * v, i * v + v)];
      }
    }
  }

  /**
   * All entries, in no order. Entries may be made, changed and deleted meanwhile, here or by programs; those of a hash
   * map that are there all the time come exactly once (before Linux 5.6 at most once).
   */
  entries(): Generator<[key: Buffer, value: Buffer]> {
    return this.#each(false);
  }

  /** All entries at once. */
  getAll(): [key: Buffer, value: Buffer][] {
    return [...this.#each(false)];
  }

  /**
   * Takes all entries out of the map. An array cannot be emptied: its entries are read, then set to zero, and what is
   * counted in between is lost.
   */
  drainAll(): [key: Buffer, value: Buffer][] {
    const array = this.type === BPF_MAP_TYPE_ARRAY || this.type === BPF_MAP_TYPE_PERCPU_ARRAY;
    const all = [...this.#each(!array)];
    const zero: Buffer = new Uint8Array(this.valueBytes);
    if (array) { for (const [key, value] of all) if (value.some(Boolean)) mapUpdate(this.fd, key, zero); }
    return all;
  }

  /** Deletes all entries, sets those of an array to zero. */
  clear(): void {
    this.drainAll();
  }

  /** Forbids user space to write from now on. */
  freeze(): void {
    mapFreeze(this.fd);
  }

  /** Cuts the value of a per-CPU map into those of the processors; `bytes` is not copied. */
  perCpu(bytes: Buffer): Buffer[] {
    const stride = this.#stride;
    return Array.from(
      { length: bytes.length / stride },
      (_, i) => bytes.subarray(i * stride, i * stride + this.valueSize),
    );
  }

  /**
   * Maps the values of an array with BPF_F_MMAPABLE into this process: entries follow one another at multiples of 8 bytes.
   *
   * @param options `write`: whether the memory may be written.
   */
  mmap(options: { write?: boolean } = {}): Mapping {
    return map(this.fd, this.#stride * this.maxEntries, {
      prot: options.write ? PROT_READ | PROT_WRITE : PROT_READ,
      shared: true,
      what: `map ${this.name}`,
    });
  }

  /** Closes the descriptor; the map goes when nobody else holds it. */
  close(): void {
    this.#fd.close();
  }

  /** The same as {@link close}. */
  [Symbol.dispose](): void {
    this.close();
  }
}
