import { assertEquals, assertThrows } from "@std/assert";
import { DetraceError } from "../../lib/error.ts";
import { type Column, Output, Table, writeAll } from "../../lib/cli/output.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

/** What is written, call by call. */
function capture(): { output: Output; calls: string[] } {
  const calls: string[] = [];
  const output = new Output((written) => (calls.push(new TextDecoder().decode(written)), written.length));
  return { output, calls };
}

function show(fill: (output: Output) => void): string {
  const { output, calls } = capture();
  fill(output);
  output.flush();
  return calls.join("");
}

Deno.test("numbers appear with all their digits", () => {
  const numbers = [
    0,
    7,
    9,
    10,
    99,
    100,
    1234567890,
    2147483647,
    -2147483648,
    -1,
    2147483648,
    4294967295,
    -2147483649,
  ];
  numbers.push(2 ** 53, -(2 ** 53), 0.5, 1e21);
  for (const number of numbers) assertEquals(show((out) => out.number(number)), String(number));
  for (const number of [0n, -5n, 2n ** 64n - 1n]) {
    assertEquals(show((out) => out.number(number)), String(number));
  }
  for (let power = 1; power < 2 ** 31; power *= 10) {
    assertEquals(show((out) => out.number(power).text(" ").number(power - 1)), `${power} ${power - 1}`);
  }
});

Deno.test("a number takes as many bytes as its column has, or more", () => {
  for (const number of [0, 7, -7, 42, -42, 2147483647, -2147483648, 2147483648, 5n, -0.5]) {
    for (const width of [0, 1, 2, 3, 5, 12]) {
      const text = String(number), both = `${text.padEnd(width)}|${text.padStart(width)}`;
      assertEquals(show((out) => out.number(number, width).text("|").number(number, width, true)), both);
    }
  }
});

Deno.test("octal numbers have zeros in front", () => {
  assertEquals(
    show((out) => out.octal(0o2000000, 8).text(" ").octal(0o644, 4).text(" ").octal(0).text(" ")),
    "02000000 0644 0 ",
  );
  assertEquals(
    show((out) => out.octal(0o123456701, 8).text(" ").octal(4294967295, 8)),
    "123456701 37777777777",
  );
});

Deno.test("text of any language is written as UTF-8", () => {
  assertEquals(show((out) => out.text("aé名😀b").text("").text("c")), "aé名😀bc");
});

Deno.test("columns are padded by bytes, as printf does, and longer values push the rest", () => {
  assertEquals(
    show((out) => out.left("PID", 6).right("FD", 3).right("ERRNO", 3).text("|")),
    "PID    FDERRNO|",
  );
  assertEquals(
    show((out) => out.left(42, 6).text("|").right(-1, 4).text("|").left(5n, 3).text("|")),
    "42    |  -1|5  |",
  );
  assertEquals(show((out) => out.left("é", 4).text("|").right("é", 4).text("|")), "é  |  é|");
  assertEquals(show((out) => out.left("", 2).right("", 2).left("x", 0).text("|")), "    x|");
});

Deno.test("C strings end at the NUL or with the field; bytes do not", () => {
  const event = bytes("cat\0xbash\0");
  assertEquals(show((out) => out.cstring(event, 0, 4)), "cat");
  assertEquals(show((out) => out.cstring(event, 0, 2)), "ca");
  assertEquals(show((out) => out.cstring(event, 3, 4)), "");
  assertEquals(show((out) => out.cstring(event, 4, 10)), "xbash");
  assertEquals(show((out) => out.bytes(event)), "cat\\x00xbash\\x00");
  assertEquals(show((out) => out.bytes(event, 1, 3)), "at");
});

Deno.test("hostile names are escaped wherever the hostile part stands", () => {
  const name = Uint8Array.of(0x61, 0x1b, 0x5b, 0xff, 0xc3, 0xa9, 0x0a, 0, 0x1b);
  assertEquals(show((out) => out.cstring(name, 0, name.length)), "a\\x1b[\\xffé\\n");
  assertEquals(show((out) => out.cstring(name, 0, name.length, true)), "a\\u001b[\\udcffé\\n");
  assertEquals(show((out) => out.cstring(bytes('a"\\b'), 0, 4, true)), 'a\\"\\\\b');
});

Deno.test("a line longer than the buffer is written whole, in one call", () => {
  const { output, calls } = capture();
  output.text("x").bytes(new Uint8Array(100_000).fill(0x1b)).newline();
  assertEquals(calls, ["x" + "\\x1b".repeat(100_000) + "\n"]);
  output.bytes(new Uint8Array(70_000).fill(0x61), 0, 70_000, true).newline();
  assertEquals(calls[1], "a".repeat(70_000) + "\n");
});

Deno.test("the buffer writes itself at the end of a line, before it is full", () => {
  const { output, calls } = capture();
  for (let i = 0; i < 10_000; i++) output.number(i).text(" some line of text").newline();
  output.flush();
  assertEquals(calls.length > 2 && calls.length < 8, true);
  for (const call of calls) assertEquals(call.endsWith("\n") && call.length < 65536, true);
  assertEquals(calls.join("").split("\n").length, 10_001);
  output.flush();
  assertEquals(calls.at(-1) !== "", true); // nothing to write: no call
});

Deno.test("the clock is local time", () => {
  const before = new Date().toTimeString().slice(0, 8);
  const [clock, again] = show((out) => out.time().text(" ").time()).split(" ");
  const after = new Date().toTimeString().slice(0, 8);
  assertEquals(before <= clock! && again! <= after || after < before, true);
});

Deno.test("what is written in pieces arrives whole", () => {
  let written = "", calls = 0;
  writeAll((part) => {
    if (calls++ % 3 === 1) throw new Deno.errors.WouldBlock("full");
    const length = Math.min(part.length, 2);
    written += new TextDecoder().decode(part.subarray(0, length));
    return length;
  }, bytes("abcdefg"));
  assertEquals(written, "abcdefg");
});

Deno.test("a closed pipe is told from other failures, and is not written to again", () => {
  let calls = 0;
  const closed = new Output(() => {
    calls++;
    throw new Deno.errors.BrokenPipe("closed");
  });
  assertThrows(() => closed.text("a").flush(), Deno.errors.BrokenPipe);
  closed.flush();
  assertEquals(calls, 1);
  const full = new Output(() => {
    throw new Error("No space left on device (os error 28)");
  });
  assertThrows(
    () => full.text("a").flush(),
    DetraceError,
    "cannot write the output: No space left on device",
  );
});

const COLUMNS: Column[] = [
  { title: "TIME", width: 8, show: undefined },
  { title: "UID", width: 7, show: true },
  { title: "PID", width: 6 },
  { title: "COMM", width: 16 },
  { title: "FD", width: 3, right: true },
  { title: "LAT(ms)", width: 7, right: true },
  { title: "FLAGS", width: 8, key: "open_flags" },
  { title: "MODE", width: 5 },
  { title: "PATH" },
];

function row(json: boolean): string {
  const event = bytes('bad\x1b\0\0\0\0/tmp/"é"\0');
  return show((output) => {
    const table = new Table(output, COLUMNS, json);
    table.header();
    table.time().number(1000).number(2n ** 63n).cstring(event, 0, 8).number(-1).fixed(1.23456, 2).octal(
      0o100,
      8,
    )
      .none("n/a").cstring(event, 8, event.length).end();
    table.none().number(0).number(1).text("a\u009b").number(3).fixed(NaN, 2).octal(0, 8).octal(0o644, 4).text(
      "/",
    ).end();
  });
}

Deno.test("a table as text", () => {
  assertEquals(
    row(false),
    "UID     PID    COMM              FD LAT(ms) FLAGS    MODE  PATH\n" +
      '1000    9223372036854775808 bad\\x1b           -1    1.23 00000100 n/a   /tmp/"é"\n' +
      "0       1      a\\xc2\\x9b          3     NaN 00000000 0644  /\n",
  );
});

Deno.test("a table as JSON lines has every column, in order", () => {
  const [first, second, rest] = row(true).split("\n");
  assertEquals(rest, "");
  assertEquals(
    first!.replace(/"time":[0-9.]+/, '"time":0'),
    '{"time":0,"uid":1000,"pid":9223372036854775808,"comm":"bad\\u001b","fd":-1,"lat_ms":1.23,"open_flags":64,' +
      '"mode":null,"path":"/tmp/\\"é\\""}',
  );
  assertEquals(
    second,
    '{"time":null,"uid":0,"pid":1,"comm":"a\\u009b","fd":3,"lat_ms":null,"open_flags":0,"mode":420,"path":"/"}',
  );
  const { time } = JSON.parse(first!);
  assertEquals(Math.abs(time - Date.now() / 1000) < 5, true);
});

Deno.test("the header of opensnoop is the reference's", () => {
  const header = show((output) =>
    new Table(output, [
      { title: "PID", width: 6 },
      { title: "COMM", width: 16 },
      { title: "FD", width: 3, right: true },
      { title: "ERR", width: 3, right: true },
      { title: "PATH" },
    ]).header()
  );
  assertEquals(header, "PID    COMM              FD ERR PATH\n");
});

Deno.test("a row with another number of values than columns is a bug", () => {
  const { output } = capture();
  assertThrows(() => new Table(output, COLUMNS).number(1).end(), RangeError);
  const table = new Table(output, [{ title: "A" }]);
  assertThrows(() => table.number(1).number(2).end(), RangeError);
});
