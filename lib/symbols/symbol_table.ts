/**
 * From addresses to names, for any kind of symbols: sorted numbers in typed arrays, names left where they were read.
 * Pure: what the kernel, an ELF file or a JIT wrote comes in as bytes.
 *
 * @module
 */

import { type Elf, SHN_UNDEF, STB_LOCAL, STB_WEAK, STT_FUNC, STT_GNU_IFUNC } from "../elf/elf.ts";

const UNDERSCORE = 0x5f;
const AT_SIGN = 0x40; // "name@VERSION" in full symbol tables
const NAME_LIMIT = 4096; // bytes
const COUNT_LIMIT = 1 << 22; // symbols of one table: any user can plant a file with more
const decoder = new TextDecoder();

/** Where the last number that is not above `value` is in a sorted array, -1 if all are above it. */
export function lastAtMost(sorted: Float64Array, value: number): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle]! <= value) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** A name in bytes: up to `stop` or any control character, be it an end mark or something meant for a terminal. */
export function nameAt(bytes: Uint8Array, at: number, stop = 0): string {
  let end = at;
  while (end < at + NAME_LIMIT && bytes[end]! >= 0x20 && bytes[end] !== stop) end++;
  return decoder.decode(bytes.subarray(at, end));
}

/**
 * Symbols by address.
 *
 * @example
 * ```ts
 * import { SymbolTable } from "detrace/lib/symbols/symbol_table.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const table = SymbolTable.fromPerfMap(new TextEncoder().encode("7f001000 20 LazyCompile:~f a.js:1\n"));
 * assertEquals(table.find(0x7f001010), { name: "LazyCompile:~f a.js:1", offset: 0x10 });
 * ```
 */
export class SymbolTable {
  /** Bytes of memory that the table keeps. */
  readonly byteLength: number;
  readonly #strings: Uint8Array;
  readonly #stop: number;
  readonly #starts: Float64Array;
  readonly #sizes: Uint32Array;
  readonly #places: Uint32Array;

  /**
   * Sorts symbols.
   *
   * @param strings Where the names are.
   * @param starts Addresses, in any order, exact integers.
   * @param sizes Bytes of each symbol; 0 reaches to the next symbol. As the next ones, it may be longer than `starts`.
   * @param places Place of each name in `strings`.
   * @param ranks Which of two symbols at one address is taken: that with the lower rank, else the first.
   * @param stop The character that ends names, besides control characters.
   */
  constructor(
    strings: Uint8Array,
    starts: Float64Array,
    sizes: Uint32Array,
    places: Uint32Array,
    ranks?: Uint8Array,
    stop = 0,
  ) {
    // Sorting numbers alone is nine times as fast as with a comparison function: so the index of a symbol is made
    // part of the number to sort. 64 bits hold both; what is too far from the lowest address is left out.
    const count = starts.length;
    let lowest = Infinity;
    for (let i = 0; i < count; i++) if (starts[i]! < lowest) lowest = starts[i]!;
    const bits = 32 - Math.clz32(count);
    const [below, above] = [2 ** bits, 2 ** (32 - bits)];
    const keys = new Uint32Array(2 * count);
    let kept = 0;
    for (let i = 0; i < count; i++) {
      const distance = starts[i]! - lowest;
      if (!(distance < above * 2 ** 32)) continue;
      const high = Math.floor(distance / above);
      keys[kept++] = (distance - high * above) * below + i;
      keys[kept++] = high;
    }
    new BigUint64Array(keys.buffer, 0, kept / 2).sort();

    const [sortedStarts, sortedSizes, sortedPlaces] = columns(count);
    let [last, lastRank] = [-1, 0];
    for (let k = 0; k < kept; k += 2) {
      const i = keys[k]! % below;
      const rank = ranks ? ranks[i]! : 0;
      if (last < 0 || sortedStarts[last] !== starts[i]) sortedStarts[++last] = starts[i]!;
      else if (rank >= lastRank) continue;
      sortedSizes[last] = sizes[i]!;
      sortedPlaces[last] = places[i]!;
      lastRank = rank;
    }
    this.#starts = sortedStarts.subarray(0, last + 1);
    this.#sizes = sortedSizes;
    this.#places = sortedPlaces;
    this.#strings = strings;
    this.#stop = stop;
    this.byteLength = strings.length + 16 * count;
  }

  /**
   * The functions in a symbol table of an ELF file, by their addresses in the file's own terms.
   *
   * @param elf The file.
   * @param type `SHT_SYMTAB` or `SHT_DYNSYM`.
   * @returns Nothing if there is no such table, or no function in it.
   * @throws {ElfError} The table or its strings lie outside of the file.
   */
  static fromElf(elf: Elf, type: number): SymbolTable | undefined {
    const section = elf.sections.find((section) => section.type === type);
    const strings = section && elf.sections[section.link];
    if (!strings) return undefined;
    const [data, names] = [elf.data(section), elf.data(strings)];
    const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
    const u32 = (at: number) => view.getUint32(at, elf.littleEndian);
    const u64 = (at: number) =>
      elf.littleEndian ? u32(at + 4) * 2 ** 32 + u32(at) : u32(at) * 2 ** 32 + u32(at + 4);
    const limit = Math.min(COUNT_LIMIT, Math.floor(data.length / 24)); // Elf64_Sym
    const [starts, sizes, places] = columns(limit);
    const ranks = new Uint8Array(limit);
    let count = 0;
    for (let at = 0; at + 24 <= data.length && count < limit; at += 24) {
      const [kind, binding] = [data[at + 4]! & 15, data[at + 4]! >> 4];
      if (kind !== STT_FUNC && kind !== STT_GNU_IFUNC) continue;
      const undefinedYet = view.getUint16(at + 6, elf.littleEndian) === SHN_UNDEF;
      if (undefinedYet || u64(at + 8) === 0 || u32(at) === 0) continue;
      starts[count] = u64(at + 8);
      sizes[count] = Math.min(u64(at + 16), 0xffffffff);
      places[count] = u32(at);
      // Of aliases the one that its users write: known size, no underscore before the name, global, not weak.
      ranks[count] = (sizes[count] === 0 ? 8 : 0) + (names[u32(at)] === UNDERSCORE ? 4 : 0) +
        (binding === STB_LOCAL ? 2 : 0) + (binding === STB_WEAK ? 1 : 0);
      count++;
    }
    if (count === 0) return undefined;
    return new SymbolTable(names, starts.subarray(0, count), sizes, places, ranks, AT_SIGN);
  }

  /**
   * The symbols that a JIT wrote to /tmp/perf-PID.map: lines of start address, size (both hexadecimal) and name. The
   * last one written for an address counts. Other lines, and a last one without an end, are left out.
   */
  static fromPerfMap(bytes: Uint8Array): SymbolTable {
    let lines = 0;
    for (let at = 0; lines < COUNT_LIMIT && (at = bytes.indexOf(10, at) + 1) > 0;) lines++;
    const [starts, sizes, places] = columns(lines);
    let [free, at] = [lines, 0];
    const hex = () => {
      let value = 0;
      for (;; at++) {
        const c = bytes[at]! | 0x20;
        const digit = c <= 0x39 ? c - 0x30 : c > 0x60 && c <= 0x66 ? c - 0x57 : -1;
        if (digit < 0) return bytes[at] === 0x20 && at++ ? value : 0;
        value = value * 16 + digit;
      }
    };
    for (let line = 0; line < lines; line++) {
      const [start, size] = [hex(), hex()];
      const end = bytes.indexOf(10, at);
      if (start > 0 && size > 0 && end > at) {
        starts[--free] = start; // from the back, so that the last one comes first
        sizes[free] = Math.min(size, 0xffffffff);
        places[free] = at;
      }
      at = end + 1;
    }
    return new SymbolTable(bytes, starts.subarray(free), sizes.subarray(free), places.subarray(free));
  }

  /**
   * The symbol an address belongs to: the nearest one that reaches it, also around smaller ones; else the nearest one
   * before it, if its size is not known.
   *
   * @param address As exact as the addresses given.
   * @returns Its name, and how many bytes the address is from its start.
   */
  find(address: number): { name: string; offset: number } | undefined {
    const found = this.locate(address);
    return found && { name: nameAt(this.#strings, found.place, this.#stop), offset: found.offset };
  }

  /** The same as {@linkcode SymbolTable.find}, with the place of the name instead of the name. */
  locate(address: number): { place: number; offset: number } | undefined {
    const nearest = lastAtMost(this.#starts, address);
    let found = this.#sizes[nearest] === 0 ? nearest : -1;
    for (let i = nearest; i >= 0 && i > nearest - 64; i--) {
      if (address - this.#starts[i]! >= this.#sizes[i]!) continue;
      found = i;
      break;
    }
    return found < 0 ? undefined : { place: this.#places[found]!, offset: address - this.#starts[found]! };
  }
}

/** Starts, sizes, places of that many symbols. */
function columns(count: number): [Float64Array, Uint32Array, Uint32Array] {
  return [new Float64Array(count), new Uint32Array(count), new Uint32Array(count)];
}
