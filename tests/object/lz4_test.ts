import { assert, assertEquals } from "@std/assert";
import { lz4Decompress } from "detrace/lib/object/lz4.ts";
import { lz4Compress } from "detrace/lib/object/lz4_compress.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

Deno.test("a block of the format's own making is unpacked", () => {
  // Token: 3 literals, a match of 4 + 2 bytes from 3 back; then 5 literals and the end.
  const block = new Uint8Array([0x32, 97, 98, 99, 3, 0, 0x50, 100, 101, 102, 103, 104]);
  assertEquals(lz4Decompress(block, 14), bytes("abcabcabcdefgh"));
  // 15 + 2 literals, a match of 4 + 15 + 255 + 1 bytes from 1 back, and 5 literals.
  const long = new Uint8Array([
    0xff,
    2,
    ...bytes("abcdefghijklmnopq"),
    1,
    0,
    255,
    1,
    0x50,
    ...bytes("vwxyz"),
  ]);
  assertEquals(lz4Decompress(long, 17 + 275 + 5), bytes("abcdefghijklmnop" + "q".repeat(276) + "vwxyz"));
});

Deno.test("whatever is packed comes back, and what repeats is packed", () => {
  let state = 1;
  const random = () => (state = Math.imul(state, 1664525) + 1013904223 >>> 0) / 2 ** 32;
  for (let round = 0; round < 300; round++) {
    const letters = 1 + Math.floor(random() ** 3 * 256), length = Math.floor(random() ** 2 * 3000);
    const input = Uint8Array.from({ length }, () => random() * letters);
    assertEquals(lz4Decompress(lz4Compress(input), length), input);
  }
  assert(lz4Compress(bytes("all the same ".repeat(1000))).length < 100);
});
