/**
 * The LZ4 block format (lz4_Block_format.md): it halves the objects in the skeletons, and unpacks in a few lines.
 *
 * A block is a row of sequences: a token (high half: how many literals, low half: length of the match less 4; 15 is
 * continued in bytes of 255 and a last one below), the literals, and where the match begins, 16 bits back from here. The
 * last sequence has no match, and ends in at least 5 literals.
 *
 * @module
 */

/**
 * Unpacks a block. It trusts its input, which comes from the same file as the code.
 *
 * @param block What `lz4Compress` of lz4_compress.ts made.
 * @param size Bytes in all.
 * @param known The first of them, which were not packed.
 */
export function lz4Decompress(
  block: Uint8Array,
  size: number,
  known: Uint8Array = new Uint8Array(0),
): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(size);
  bytes.set(known);
  let from = 0, to = known.length;
  // Byte by byte and in one piece: most matches are short, and this runs once, before anything of it is compiled.
  while (from < block.length) {
    const token = block[from++]!;
    let length = token >> 4, more = length === 15 ? 255 : 0;
    while (more === 255) length += more = block[from++]!;
    while (length-- > 0) bytes[to++] = block[from++]!;
    if (from >= block.length) break;
    let match = to - (block[from]! | block[from + 1]! << 8);
    from += 2;
    length = token & 15;
    more = length === 15 ? 255 : 0;
    while (more === 255) length += more = block[from++]!;
    for (length += 4; length > 0; length--) bytes[to++] = bytes[match++]!;
  }
  return bytes;
}
