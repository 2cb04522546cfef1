import { assertEquals } from "@std/assert";
import { copyPlain, decode, decodeCString, printable, toJson, writeEscaped } from "../../lib/cli/escape.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

/** Through the bytes, from a place in the middle to a place in the middle. */
function written(from: Uint8Array, json: boolean): string {
  const to = new Uint8Array(6 * from.length + 3).fill(0x23),
    source = new Uint8Array(from.length + 4).fill(0x80);
  source.set(from, 2);
  const end = writeEscaped(to, 3, source, 2, 2 + from.length, json);
  assertEquals(to.subarray(0, 3), bytes("###"));
  assertEquals(to.subarray(end).every((byte) => byte === 0x23), true);
  return new TextDecoder("utf-8", { fatal: true }).decode(to.subarray(3, end));
}

const text = (from: Uint8Array | string) => written(typeof from === "string" ? bytes(from) : from, false);
const json = (from: Uint8Array | string) => written(typeof from === "string" ? bytes(from) : from, true);

Deno.test("ordinary text of any language stays as it is", () => {
  for (
    const name of [
      "",
      "/etc/fstab",
      "C:\\x",
      'say "hi"',
      "Zoë",
      "файл",
      "名前",
      "😀",
      "a\u200d\u00adb",
      "\ufffd\u{10ffff}",
    ]
  ) {
    assertEquals(text(name), name);
    assertEquals(JSON.parse(`"${json(name)}"`), name);
    assertEquals(decode(bytes(name)), name);
    assertEquals(printable(name), name);
  }
});

Deno.test("text: control characters appear as their bytes", () => {
  assertEquals(text("a\nb\tc\rd\x1b[31me\0\x7f"), "a\\nb\\tc\\x0dd\\x1b[31me\\x00\\x7f");
  assertEquals(text("\u0085\u009b"), "\\xc2\\x85\\xc2\\x9b");
  assertEquals(
    text("\u2028\u202e\u2066\u200f\u061c"),
    "\\xe2\\x80\\xa8\\xe2\\x80\\xae\\xe2\\x81\\xa6\\xe2\\x80\\x8f\\xd8\\x9c",
  );
});

Deno.test("every hidden character is hidden in every form, and no other below U+3000", () => {
  for (let point = 0; point < 0x3000; point++) {
    const char = String.fromCodePoint(point);
    const hidden = /[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/u.test(char);
    assertEquals(text(char) !== char, hidden, point.toString(16));
    assertEquals(printable(char), text(char));
    assertEquals(JSON.parse(`"${json(char)}"`), char);
    if (hidden) assertEquals(/^[ -~]+$/.test(json(char) + toJson(char) + text(char)), true);
  }
});

Deno.test("bytes that are not UTF-8: \\xNN in text, \\udcNN in JSON", () => {
  const cases: [number[], string][] = [
    [[0x80], "80"], // a continuation alone
    [[0xff], "ff"],
    [[0xc0, 0xaf], "c0 af"], // overlong
    [[0xc1, 0xbf], "c1 bf"],
    [[0xe0, 0x9f, 0xbf], "e0 9f bf"],
    [[0xf0, 0x8f, 0xbf, 0xbf], "f0 8f bf bf"],
    [[0xed, 0xa0, 0x80], "ed a0 80"], // surrogates
    [[0xed, 0xbf, 0xbf], "ed bf bf"],
    [[0xf4, 0x90, 0x80, 0x80], "f4 90 80 80"], // beyond U+10FFFF
    [[0xf5, 0x80, 0x80, 0x80], "f5 80 80 80"],
    [[0xe2, 0x82], "e2 82"], // cut off
    [[0xf0, 0x9f, 0x98], "f0 9f 98"],
  ];
  for (const [sequence, expected] of cases) {
    const from = Uint8Array.from(sequence), parts = expected.split(" ");
    assertEquals(text(from), parts.map((byte) => "\\x" + byte).join(""));
    assertEquals(json(from), parts.map((byte) => "\\udc" + byte).join(""));
    const around = Uint8Array.of(0x61, ...sequence, 0x62);
    assertEquals(text(around), `a${parts.map((byte) => "\\x" + byte).join("")}b`);
  }
  assertEquals(text(Uint8Array.of(0xe2, 0x82, 0xe2, 0x82, 0xac)), "\\xe2\\x82€");
});

/** Python's `s.encode("utf-8", "surrogateescape")`. */
function encode(text: string): Uint8Array {
  return Uint8Array.from(
    Array.from(text).flatMap((char) => {
      const point = char.codePointAt(0)!;
      return point >= 0xdc80 && point <= 0xdcff ? [point & 0xff] : [...bytes(char)];
    }),
  );
}

Deno.test("JSON gives back any bytes, and neither form shows anything but printable characters", () => {
  let seed = 1;
  const random = () => (seed = Math.imul(seed, 1103515245) + 12345 >>> 0) >>> 16;
  const parts = [
    [0x80],
    [0xe2, 0x80],
    [0xed, 0xa0],
    [0xf0, 0x9f, 0x98, 0x80],
    [0x22],
    [0x5c],
    [0xc2],
    [0x9b],
    [0xdc, 0x80],
    [0],
  ];
  for (let round = 0; round < 3000; round++) {
    const from = Uint8Array.from(
      Array.from(
        { length: random() % 12 },
        () => random() % 2 ? parts[random() % parts.length]! : [random() & 255],
      ).flat(),
    );
    const line = json(from);
    assertEquals(encode(JSON.parse(`"${line}"`)), from);
    assertEquals(encode(decode(from)), from);
    assertEquals(encode(JSON.parse(toJson(decode(from)))), from);
    assertEquals(printable(decode(from)), text(from));
    for (const shown of [line, text(from)]) {
      assertEquals(/[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\p{Bidi_Control}]/u.test(shown), false, shown);
    }
  }
});

Deno.test("copyPlain stops at the first byte that needs care", () => {
  for (let byte = 0; byte < 256; byte++) {
    for (const forJson of [false, true]) {
      const to = new Uint8Array(8), from = Uint8Array.of(1, 0x61, byte, 0x62, 1);
      const plain = byte >= 0x20 && byte < 0x7f && !(forJson && (byte === 0x22 || byte === 0x5c));
      assertEquals(copyPlain(to, 2, from, 1, 4, forJson), plain ? 4 : 2);
      assertEquals([...to.subarray(2)], plain ? [0x61, byte, 0x62, 0, 0, 0] : [0x61, 0, 0, 0, 0, 0]);
    }
  }
});

Deno.test("a C string ends at its NUL, or with its field", () => {
  const field = Uint8Array.of(0x61, 0xff, 0, 0x62);
  assertEquals(decodeCString(field), "a\udcff");
  assertEquals(decodeCString(field, 3), "b");
  assertEquals(decodeCString(field, 0, 1), "a");
});

Deno.test("printable leaves alone what it is told to, and any string is safe", () => {
  assertEquals(printable("a\n\tb\x1b", "\n\t"), "a\n\tb\\x1b");
  assertEquals(printable("\ud800"), "\\xef\\xbf\\xbd");
});

Deno.test("toJson: bigint as numbers, everything else as JSON.stringify has it", () => {
  assertEquals(
    toJson([1, 2n ** 64n - 1n, null, "é\n", { a: -1n }]),
    '[1,18446744073709551615,null,"é\\n",{"a":-1}]',
  );
});
