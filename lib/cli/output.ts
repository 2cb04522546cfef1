/**
 * What a tool prints: text columns or JSON lines, formatted byte by byte into one buffer and written in few calls,
 * because a hundred thousand events a second leave no time for strings.
 *
 * @module
 */

import { DetraceError } from "../error.ts";
import { copyPlain, cstringEnd, printable, toJson, writeEscaped } from "./escape.ts";

const SIZE = 65536;

/**
 * Writes all bytes, in as many pieces as the other side takes.
 *
 * @param write Takes bytes, returns how many it took: `Deno.stdout.writeSync`, say.
 * @param bytes What to write.
 * @throws {Deno.errors.BrokenPipe} When nobody reads any more.
 * @throws {DetraceError} When it cannot be written for another reason (a full disk).
 */
export function writeAll(write: (bytes: Uint8Array) => number, bytes: Uint8Array): void {
  while (bytes.length > 0) {
    try {
      bytes = bytes.subarray(write(bytes));
    } catch (cause) {
      if (cause instanceof Deno.errors.BrokenPipe) throw cause;
      if (!(cause instanceof Deno.errors.WouldBlock)) {
        throw new DetraceError(`cannot write the output: ${(cause as Error).message}`, { cause });
      }
      // Standard output was handed to us as non-blocking, and its reader is slower than we are: wait 5 ms.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
    }
  }
}

/**
 * An output buffer. Methods append and return the output itself, so that calls chain. Whole lines are written:
 * at {@linkcode flush}, which a tool calls after each batch of events, and by itself when the buffer is nearly full.
 *
 * @example
 * ```ts
 * import { Output } from "detrace/lib/cli/output.ts";
 * import { assertEquals } from "@std/assert";
 *
 * let written = "";
 * const out = new Output((bytes) => (written += new TextDecoder().decode(bytes), bytes.length));
 * out.left("PID", 6).text(" ").right("FD", 3).newline();
 * out.left(42, 6).text(" ").right(-1, 3).newline().flush();
 * assertEquals(written, "PID     FD\n42      -1\n");
 * ```
 */
export class Output {
  /** Bytes that wait to be written. */
  length = 0;
  #buffer = new Uint8Array(SIZE);
  #second = 0;
  #clock = "";
  readonly #write: (bytes: Uint8Array) => number;

  /**
   * An empty buffer of 64 KiB.
   *
   * @param write Takes bytes, returns how many it took. Standard output if not given.
   */
  constructor(write: (bytes: Uint8Array) => number = (bytes) => Deno.stdout.writeSync(bytes)) {
    this.#write = write;
  }

  /** The buffer, with room for so many more bytes. It only grows for a line that is longer than anything usual. */
  #room(bytes: number): Uint8Array {
    if (this.length + bytes > this.#buffer.length) {
      const larger = new Uint8Array(2 * (this.length + bytes));
      larger.set(this.#buffer.subarray(0, this.length));
      this.#buffer = larger;
    }
    return this.#buffer;
  }

  /**
   * Our own text, as it is. Strings from elsewhere go through {@linkcode bytes}, or `printable` of escape.ts.
   *
   * @param text Any string.
   * @returns This output.
   */
  text(text: string): this {
    const buffer = this.#room(3 * text.length);
    let at = this.length;
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i);
      if (code > 0x7e) {
        this.length += new TextEncoder().encodeInto(text, buffer.subarray(this.length)).written;
        return this;
      }
      buffer[at++] = code;
    }
    this.length = at;
    return this;
  }

  /**
   * Bytes from elsewhere, escaped (see escape.ts).
   *
   * @param from Where they are.
   * @param start The first one.
   * @param end One past the last one.
   * @param json Escape for a JSON string instead of text.
   * @returns This output.
   */
  bytes(from: Uint8Array, start = 0, end: number = from.length, json = false): this {
    const stop = copyPlain(this.#room(end - start), this.length, from, start, end, json);
    this.length += stop - start;
    if (stop < end) {
      this.length = writeEscaped(this.#room(6 * (end - stop)), this.length, from, stop, end, json);
    }
    return this;
  }

  /**
   * A C string from elsewhere, escaped: the bytes before the first NUL, or all of them.
   *
   * @param from Where the field is.
   * @param start The field's first byte.
   * @param end One past the field's last byte.
   * @param json Escape for a JSON string instead of text.
   * @returns This output.
   */
  cstring(from: Uint8Array, start: number, end: number, json = false): this {
    const stop = copyPlain(this.#room(end - start), this.length, from, start, end, json);
    this.length += stop - start;
    return stop === end || from[stop] === 0
      ? this
      : this.bytes(from, stop, cstringEnd(from, stop, end), json);
  }

  /**
   * A number in decimal, with all its digits.
   *
   * @param value An integer, or any number: then as JavaScript writes it.
   * @param width At least so many bytes, with blanks.
   * @param right Blanks in front of the value instead of behind.
   * @returns This output.
   */
  number(value: number | bigint, width = 0, right = false): this {
    if (typeof value === "bigint" || (value | 0) !== value) {
      const from = this.length;
      return this.text(String(value)).pad(from, width, right);
    }
    const buffer = this.#room(11 + width), negative = value < 0;
    let rest: number = negative ? -value : value, digits = 1;
    for (let power = 10; rest >= power; power *= 10) digits++;
    let at = this.length, blanks = width - digits - (negative ? 1 : 0);
    if (right) { for (; blanks > 0; blanks--) buffer[at++] = 0x20; }
    if (negative) buffer[at++] = 0x2d;
    at += digits;
    for (let to = at; digits > 0; digits--) {
      const tens = rest / 10 | 0;
      buffer[--to] = 0x30 + rest - 10 * tens;
      rest = tens;
    }
    for (; blanks > 0; blanks--) buffer[at++] = 0x20;
    this.length = at;
    return this;
  }

  /**
   * A number in octal, as `%0*o` prints it.
   *
   * @param value An integer, not negative.
   * @param digits At least so many digits, with zeros in front.
   * @returns This output.
   */
  octal(value: number, digits = 1): this {
    return this.text(value.toString(8).padStart(digits, "0"));
  }

  /**
   * The local time of day, `HH:MM:SS`.
   *
   * @returns This output.
   */
  time(): this {
    const second = Math.floor(Date.now() / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#clock = new Date(second * 1000).toTimeString().slice(0, 8);
    }
    return this.text(this.#clock);
  }

  /**
   * Blanks until what was appended since `from` is so many bytes wide. Longer values stay, as with printf, which counts
   * bytes too.
   *
   * @param from {@linkcode length} before the value was appended.
   * @param width Bytes.
   * @param right Blanks in front of the value instead of behind.
   * @returns This output.
   */
  pad(from: number, width: number, right = false): this {
    const end = from + width, length = this.length;
    if (end > length) {
      const buffer = this.#room(width);
      if (right) {
        let to = end;
        for (let at = length; at > from;) buffer[--to] = buffer[--at]!;
        while (to > from) buffer[--to] = 0x20;
      } else {
        for (let at = length; at < end;) buffer[at++] = 0x20;
      }
      this.length = end;
    }
    return this;
  }

  /**
   * A value at the left of so many bytes: `%-*s`.
   *
   * @param value A number, or our own text.
   * @param width Bytes.
   * @param right At the right instead.
   * @returns This output.
   */
  left(value: string | number | bigint, width: number, right = false): this {
    if (typeof value !== "string") return this.number(value, width, right);
    const from = this.length;
    return this.text(value).pad(from, width, right);
  }

  /**
   * A value at the right of so many bytes: `%*s`.
   *
   * @param value A number, or our own text.
   * @param width Bytes.
   * @returns This output.
   */
  right(value: string | number | bigint, width: number): this {
    return this.left(value, width, true);
  }

  /**
   * Any value as JSON; for what comes once a second, not for events (see {@linkcode Table}).
   *
   * @param value What `JSON.stringify` takes, and bigint.
   * @returns This output.
   */
  json(value: unknown): this {
    return this.text(toJson(value));
  }

  /**
   * Ends a line; writes all lines when the buffer is nearly full.
   *
   * @returns This output.
   * @throws {Deno.errors.BrokenPipe} When nobody reads any more.
   */
  newline(): this {
    this.#room(1)[this.length++] = 0x0a;
    if (this.length > SIZE * 3 / 4) this.flush();
    return this;
  }

  /**
   * Writes everything.
   *
   * @throws {Deno.errors.BrokenPipe} When nobody reads any more. `runTool` ends the tool quietly then.
   * @throws {DetraceError} When it cannot be written for another reason.
   */
  flush(): void {
    const { length } = this;
    this.length = 0; // first, so that a failed write is not tried again on the way out
    if (length > 0) writeAll(this.#write, this.#buffer.subarray(0, length));
  }
}

/** One column of a {@linkcode Table}. */
export interface Column {
  /** Its title in the header. */
  title: string;
  /** Least width in bytes (0: none, for the last column). */
  width?: number;
  /** Align the values (and the title) at the right. */
  right?: boolean;
  /** `false` or `undefined` leave the column out of the text; JSON has them all. */
  show?: boolean | undefined;
  /** Name in JSON; the title in small letters if not given (`LAT(ms)` is `lat_ms`). */
  key?: string;
}

/**
 * Rows of events, as text columns with one blank between, or as JSON lines with the same fields. Every row gives a
 * value for every column, in order, also for those which are not shown; {@linkcode end} ends it.
 *
 * @example
 * ```ts
 * import { Output, Table } from "detrace/lib/cli/output.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const event = new TextEncoder().encode("cat\0\0\0\0\0/etc/fstab\0");
 * function print(json: boolean): string {
 *   let written = "";
 *   const out = new Output((bytes) => (written += new TextDecoder().decode(bytes), bytes.length));
 *   const table = new Table(out, [
 *     { title: "UID", width: 6, show: false },
 *     { title: "COMM", width: 8 },
 *     { title: "FD", width: 3, right: true },
 *     { title: "PATH" },
 *   ], json);
 *   table.header();
 *   table.number(1000).cstring(event, 0, 8).number(3).cstring(event, 8, 19).end();
 *   out.flush();
 *   return written;
 * }
 * assertEquals(print(false), "COMM      FD PATH\ncat        3 /etc/fstab\n");
 * assertEquals(print(true), '{"uid":1000,"comm":"cat","fd":3,"path":"/etc/fstab"}\n');
 * ```
 */
export class Table {
  readonly #out: Output;
  readonly #json: boolean;
  readonly #columns: { title: string; width: number; right: boolean; show: boolean; before: string }[];
  #next = 0;
  #from = 0;

  /**
   * A table without rows; nothing is written yet.
   *
   * @param output Where the rows go.
   * @param columns The columns, in order.
   * @param json Write JSON lines instead of text.
   */
  constructor(output: Output, columns: readonly Column[], json = false) {
    this.#out = output;
    this.#json = json;
    let first = true;
    this.#columns = columns.map((column, index) => {
      const { title, width = 0, right = false } = column;
      const show = json || !("show" in column) || column.show === true;
      let before = first ? "" : " ";
      if (json) {
        const key = column.key ?? title.toLowerCase().replace(/\W+/g, "_").replace(/^_|_$/g, "");
        before = `${index ? "," : "{"}"${key}":`;
      }
      if (show) first = false;
      return { title, width: json ? 0 : width, right, show, before };
    });
  }

  /** Writes the titles; nothing in JSON. */
  header(): void {
    if (this.#json) return;
    for (const { title } of this.#columns) this.#put(title);
    this.end();
  }

  /** Begins a value: false if it is not wanted. */
  #open(): boolean {
    const column = this.#columns[this.#next++];
    if (!column?.show) return false;
    if (column.before !== "") this.#out.text(column.before);
    this.#from = this.#out.length;
    return true;
  }

  #put(text: string): this {
    if (!this.#open()) return this;
    this.#out.text(text);
    return this.#close();
  }

  #close(): this {
    const column = this.#columns[this.#next - 1]!;
    if (column.width > 0) this.#out.pad(this.#from, column.width, column.right);
    return this;
  }

  /**
   * A number.
   *
   * @param value A finite number; bigint beyond 2^53.
   * @returns This table.
   */
  number(value: number | bigint): this {
    const column = this.#columns[this.#next];
    if (!this.#open()) return this;
    this.#out.number(value, column!.width, column!.right);
    return this;
  }

  /**
   * A number with so many decimals, `%.3f`; the same digits in JSON, where NaN and infinities are `null`.
   *
   * @param value Any number.
   * @param decimals How many.
   * @returns This table.
   */
  fixed(value: number, decimals: number): this {
    return this.#json && !Number.isFinite(value) ? this.none() : this.#put(value.toFixed(decimals));
  }

  /**
   * A number in octal, with zeros in front; a plain number in JSON.
   *
   * @param value An integer from 0 to 2^32 − 1.
   * @param digits At least so many digits.
   * @returns This table.
   */
  octal(value: number, digits: number): this {
    if (!this.#open()) return this;
    if (this.#json) this.#out.number(value);
    else this.#out.octal(value, digits);
    return this.#close();
  }

  /**
   * A string: escaped in text, exact in JSON.
   *
   * @param value Any string; see `decode` in escape.ts for those which come from bytes.
   * @returns This table.
   */
  text(value: string): this {
    return this.#put(this.#json ? toJson(value) : printable(value));
  }

  /**
   * A C string from an event: the bytes before the first NUL.
   *
   * @param from Where the field is.
   * @param start The field's first byte.
   * @param end One past the field's last byte.
   * @returns This table.
   */
  cstring(from: Uint8Array, start: number, end: number): this {
    if (!this.#open()) return this;
    if (this.#json) this.#out.text('"').cstring(from, start, end, true).text('"');
    else this.#out.cstring(from, start, end);
    return this.#close();
  }

  /**
   * The time at which the row is printed: local clock, `HH:MM:SS`; in JSON seconds since 1970, UTC, with milliseconds.
   *
   * @returns This table.
   */
  time(): this {
    if (!this.#open()) return this;
    if (this.#json) this.#out.number(Date.now() / 1000);
    else this.#out.time();
    return this.#close();
  }

  /**
   * A value that this row does not have; `null` in JSON.
   *
   * @param text What to show instead.
   * @returns This table.
   */
  none(text = ""): this {
    return this.#put(this.#json ? "null" : text);
  }

  /**
   * Any value as JSON has it, a list for example; for columns that only JSON shows.
   *
   * @param value What `JSON.stringify` takes; text is exact.
   * @returns This table.
   */
  json(value: unknown): this {
    if (!this.#open()) return this;
    this.#out.json(value);
    return this.#close();
  }

  /**
   * Ends the row.
   *
   * @throws {RangeError} When the row had another number of values than the table has columns: a bug in the tool.
   * @throws {Deno.errors.BrokenPipe} When nobody reads any more.
   */
  end(): void {
    if (this.#next !== this.#columns.length) {
      throw new RangeError(`a row of ${this.#next} values for ${this.#columns.length} columns`);
    }
    this.#next = 0;
    if (this.#json) this.#out.text("}");
    this.#out.newline();
  }
}
