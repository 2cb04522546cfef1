import { assertEquals, assertThrows } from "@std/assert";
import { DetraceError } from "../../lib/error.ts";
import { decode, encode, readImm64, writeImm64 } from "../../lib/asm/insn.ts";

const hex = (text: string) => Uint8Array.fromHex(text.replaceAll(" ", ""));

// Bytes by `clang-19 -target bpfel|bpfeb -c`, meaning by `llvm-objdump-19 -d`: r0 = *(u32 *)(r10 - 0x4).
const LITTLE = hex("61 a0 fc ff 00 00 00 00");
const BIG = hex("61 0a ff fc 00 00 00 00");
const LOAD = { code: 0x61, dst: 0, src: 10, off: -4, imm: 0 };

Deno.test("a slot is decoded in both byte orders, with the registers' nibbles swapped in the big one", () => {
  assertEquals(decode(LITTLE, 0), LOAD);
  assertEquals(decode(BIG, 0, false), LOAD);
});

Deno.test("encode writes what decode reads, in both byte orders", () => {
  const bytes = new Uint8Array(16);
  encode(bytes, 1, LOAD);
  assertEquals(bytes, hex("00 00 00 00 00 00 00 00 61 a0 fc ff 00 00 00 00"));
  encode(bytes, 1, LOAD, false);
  assertEquals(bytes.subarray(8), BIG);
  for (const littleEndian of [true, false]) {
    for (const insn of [LOAD, { code: 255, dst: 15, src: 15, off: -32768, imm: -(2 ** 31) }]) {
      encode(bytes, 0, insn, littleEndian);
      assertEquals(decode(bytes, 0, littleEndian), insn);
    }
  }
});

Deno.test("off and imm are signed", () => {
  assertEquals(decode(hex("05 00 ff 7f ff ff ff 7f"), 0), {
    code: 5,
    dst: 0,
    src: 0,
    off: 32767,
    imm: 2147483647,
  });
  assertEquals(decode(hex("05 00 00 80 00 00 00 80"), 0), {
    code: 5,
    dst: 0,
    src: 0,
    off: -32768,
    imm: -2147483648,
  });
});

Deno.test("a 64-bit immediate lies in the imm of two slots, low half first in both byte orders", () => {
  const little = hex("18 02 00 00 88 77 66 55  00 00 00 00 44 33 22 f1");
  const big = hex("18 20 00 00 55 66 77 88  00 00 00 00 f1 22 33 44");
  assertEquals(readImm64(little, 0), 0xf122334455667788n);
  assertEquals(readImm64(big, 0, false), 0xf122334455667788n);
  writeImm64(little, 0, -2n);
  assertEquals(little, hex("18 02 00 00 fe ff ff ff  00 00 00 00 ff ff ff ff"));
  writeImm64(big, 0, 1n << 32n, false);
  assertEquals(big, hex("18 20 00 00 00 00 00 00  00 00 00 00 00 00 00 01"));
});

Deno.test("a slot that the program does not have is a DetraceError", () => {
  for (const index of [-1, 1, 2 ** 40, NaN]) {
    assertThrows(() => decode(LITTLE, index), DetraceError, "no instruction");
    assertThrows(() => encode(LITTLE, index, LOAD), DetraceError, "no instruction");
  }
  assertThrows(() => decode(LITTLE.subarray(0, 7), 0), DetraceError, "no instruction 0");
  assertThrows(() => readImm64(LITTLE, 0), DetraceError, "no instruction 0 in a program of 1 slots");
  assertThrows(() => writeImm64(LITTLE, 0, 0n), DetraceError, "no instruction 0");
});
