/**
 * Bytes from other processes made fit to be shown: a file name or a command name may hold anything, also sequences that
 * take over a terminal, so every tool's strings go through here.
 *
 * - Text: control characters (C0 and DEL, C1), line and paragraph separators, bidirectional controls and bytes that are
 *   no UTF-8 appear as `\n`, `\t` or `\xNN`, a byte each. A backslash stays as it is, so that ordinary paths
 *   look ordinary; JSON is the exact form.
 * - JSON: the string itself. The same characters appear as `\uNNNN`; a byte NN that is no UTF-8 as the lone surrogate
 *   `\udcNN` (Python's surrogateescape), so the field is always a string, and `s.encode("utf-8", "surrogateescape")`
 *   gives the bytes back.
 * - Strings in memory ({@linkcode decode}) are exact in the same way; {@linkcode printable} makes them text.
 *
 * @module
 */

/** The code point whose UTF-8 begins at `at`, or -1 where there is no valid one (Unicode, table 3-7). */
function codePoint(bytes: Uint8Array, at: number, end: number): number {
  const first = bytes[at]!;
  if (first < 0x80) return first;
  const more = first < 0xc2 ? 0 : first < 0xe0 ? 1 : first < 0xf0 ? 2 : first < 0xf5 ? 3 : 0;
  if (more === 0 || at + more >= end) return -1;
  let point = first & 0x3f >> more;
  for (let i = 1; i <= more; i++) {
    const next = bytes[at + i]!;
    if ((next & 0xc0) !== 0x80) return -1;
    point = point << 6 | next & 0x3f;
  }
  const overlong = more === 2 && point < 0x800 || more === 3 && point < 0x10000;
  return overlong || point > 0x10ffff || point >= 0xd800 && point < 0xe000 ? -1 : point;
}

/**
 * Copies bytes as long as they are plain printable ASCII: the fast path for almost every name and path.
 *
 * @param to Where to write, from `at` on; must have room for `end - start` bytes.
 * @param at Offset in `to`.
 * @param from Where to read.
 * @param start Offset in `from`.
 * @param end One past the last byte.
 * @param json Stop at quotation marks and backslashes too.
 * @returns Offset in `from` of the first byte that was not copied: `end`, or one for {@linkcode writeEscaped}.
 *
 * @example
 * ```ts
 * import { copyPlain } from "detrace/lib/cli/escape.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const path = new TextEncoder().encode("/tmp/a\tb");
 * assertEquals(copyPlain(new Uint8Array(64), 0, path, 0, path.length, false), 6);
 * ```
 */
export function copyPlain(
  to: Uint8Array,
  at: number,
  from: Uint8Array,
  start: number,
  end: number,
  json: boolean,
): number {
  for (; start < end; start++) {
    const byte = from[start]!;
    if (byte < 0x20 || byte > 0x7e || json && (byte === 0x22 || byte === 0x5c)) break;
    to[at++] = byte;
  }
  return start;
}

/**
 * Writes any bytes in the escaped form of text, or of a JSON string (without its quotation marks).
 *
 * @param to Where to write; must have room for 6 bytes for each one that is read.
 * @param at Offset in `to`.
 * @param from Where to read.
 * @param start Offset in `from`.
 * @param end One past the last byte.
 * @param json The form: JSON or text.
 * @returns Offset in `to` after the last byte written.
 *
 * @example
 * ```ts
 * import { writeEscaped } from "detrace/lib/cli/escape.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const to = new Uint8Array(64), name = Uint8Array.of(0x61, 0x1b, 0xff);
 * const text = to.subarray(0, writeEscaped(to, 0, name, 0, 3, false));
 * assertEquals(new TextDecoder().decode(text), "a\\x1b\\xff");
 * ```
 */
export function writeEscaped(
  to: Uint8Array,
  at: number,
  from: Uint8Array,
  start: number,
  end: number,
  json: boolean,
): number {
  const exact = decode(from, start, end);
  const text = json ? toJson(exact).slice(1, -1) : printable(exact);
  return at + new TextEncoder().encodeInto(text, to.subarray(at)).written;
}

/**
 * Bytes as a string that keeps them exactly: a byte NN that is no UTF-8 becomes the lone surrogate U+DCNN.
 *
 * @param bytes Where the string is.
 * @param start Its first byte.
 * @param end One past its last byte.
 * @returns The string, not yet fit to be shown: see {@linkcode printable}.
 *
 * @example
 * ```ts
 * import { decode, printable } from "detrace/lib/cli/escape.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const name = decode(Uint8Array.of(0x61, 0xff, 0x0a));
 * assertEquals(name, "a\udcff\n");
 * assertEquals(printable(name), "a\\xff\\n");
 * ```
 */
export function decode(bytes: Uint8Array, start = 0, end: number = bytes.length): string {
  let text = "";
  while (start < end) {
    const point = codePoint(bytes, start, end);
    text += String.fromCodePoint(point < 0 ? 0xdc00 | bytes[start]! : point);
    start += point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
  }
  return text;
}

/**
 * A C string, decoded exactly: the bytes before the first NUL, or all of them. For strings that are kept, as
 * keys of a table, say; events are better written from their bytes.
 *
 * @param bytes Where the field is.
 * @param start The field's first byte.
 * @param end One past the field's last byte.
 * @returns The string, not yet fit to be shown: see {@linkcode printable}.
 */
export function decodeCString(bytes: Uint8Array, start = 0, end: number = bytes.length): string {
  return decode(bytes, start, cstringEnd(bytes, start, end));
}

/**
 * Offset of the NUL that ends a C string.
 *
 * @param bytes Where the field is.
 * @param start The field's first byte.
 * @param end One past the field's last byte: the answer if there is no NUL.
 * @returns One past the string's last byte.
 */
export function cstringEnd(bytes: Uint8Array, start: number, end: number): number {
  while (start < end && bytes[start] !== 0) start++;
  return start;
}

/** What is never shown as it is. With the flag u, a surrogate matches only where it is alone. */
// deno-lint-ignore no-control-regex
const HIDDEN = /[\0-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]/gu;

const hex = (n: number, digits: number): string => n.toString(16).padStart(digits, "0");

/**
 * A string as text that is safe on a terminal, escaped as the bytes it stands for.
 *
 * @param text Any string, best one from {@linkcode decode}.
 * @param keep Characters to leave alone, such as the newlines of a message.
 * @returns The text to show.
 */
export function printable(text: string, keep = ""): string {
  return text.replace(HIDDEN, (char) => {
    if (keep.includes(char)) return char;
    if (char === "\n") return "\\n";
    if (char === "\t") return "\\t";
    const code = char.charCodeAt(0);
    const bytes = code >> 8 === 0xdc ? [code & 0xff] : new TextEncoder().encode(char);
    return Array.from(bytes, (byte) => "\\x" + hex(byte, 2)).join("");
  });
}

/**
 * Any value as one line of JSON that is safe on a terminal. Integers beyond 2^53 are given as bigint.
 *
 * @param value What `JSON.stringify` takes, and bigint.
 * @returns JSON text without a newline.
 *
 * @example
 * ```ts
 * import { toJson } from "detrace/lib/cli/escape.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(toJson({ ns: 2n ** 64n - 1n, comm: "a\x9b" }), '{"ns":18446744073709551615,"comm":"a\\u009b"}');
 * ```
 */
export function toJson(value: unknown): string {
  // rawJSON (ES2026) is in V8, but not yet in TypeScript's library.
  const { rawJSON } = JSON as unknown as { rawJSON(text: string): unknown };
  const text = JSON.stringify(value, (_key, part) => typeof part === "bigint" ? rawJSON(String(part)) : part);
  return text.replace(HIDDEN, (char) => "\\u" + hex(char.charCodeAt(0), 4));
}
