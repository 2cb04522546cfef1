/**
 * Packs bytes in the LZ4 block format (see lz4.ts, which unpacks them): a part of the build alone.
 *
 * @module
 */

/**
 * Packs bytes into a block. Made for the build: it looks for the longest match everywhere, and takes its time.
 *
 * @param bytes Up to some hundred KB.
 * @param known How many of them the reader has already: they are not packed, but matches may lie in them.
 *
 * @example
 * ```ts
 * import { lz4Decompress } from "detrace/lib/object/lz4.ts";
 * import { lz4Compress } from "detrace/lib/object/lz4_compress.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const bytes = new TextEncoder().encode("row, row, row, row, row your boat");
 * assertEquals(lz4Decompress(lz4Compress(bytes), bytes.length), bytes);
 * assertEquals(lz4Decompress(lz4Compress(bytes, 10), bytes.length, bytes.subarray(0, 10)), bytes);
 * ```
 */
export function lz4Compress(bytes: Uint8Array, known = 0): Uint8Array<ArrayBuffer> {
  const out: number[] = [], seen = new Map<number, number[]>();
  const key = (i: number) => bytes[i]! | bytes[i + 1]! << 8 | bytes[i + 2]! << 16 | bytes[i + 3]! << 24;
  const extend = (n: number) => {
    for (; n >= 255; n -= 255) out.push(255);
    out.push(n);
  };
  const sequence = (from: number, to: number, offset: number, length: number) => {
    const literals = to - from;
    out.push(Math.min(literals, 15) << 4 | Math.min(Math.max(length - 4, 0), 15));
    if (literals >= 15) extend(literals - 15);
    for (let i = from; i < to; i++) out.push(bytes[i]!);
    if (length === 0) return;
    out.push(offset & 255, offset >> 8);
    if (length >= 19) extend(length - 19);
  };
  const longest = (at: number): [offset: number, length: number] => {
    let best: [number, number] = [0, 0];
    for (const from of seen.get(key(at)) ?? []) {
      let length = 4;
      while (at + length < bytes.length - 5 && bytes[from + length] === bytes[at + length]) length++;
      if (at - from < 65536 && length >= best[1]) best = [at - from, length];
    }
    return best;
  };
  let from = 0, at = 0;
  const remember = () => {
    const places = seen.get(key(at));
    if (places) places.push(at);
    else seen.set(key(at), [at]);
    at++;
  };
  while (at < known) remember();
  from = at;
  // No match begins in the last 12 bytes.
  while (at < bytes.length - 12) {
    const [offset, length] = longest(at);
    remember();
    if (length < 4 || at < bytes.length - 12 && longest(at)[1] > length) continue; // the next place has a longer one
    sequence(from, at - 1, offset, length);
    for (const end = at - 1 + length; at < end;) remember();
    from = at;
  }
  sequence(from, bytes.length, 0, 0);
  return Uint8Array.from(out);
}
