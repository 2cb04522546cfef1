import { assertEquals, assertThrows } from "@std/assert";
import { Btf, BTF_KIND_STRUCT } from "../../lib/btf/btf.ts";
import { BtfBuilder } from "../../lib/btf/build.ts";
import { loadKernelBtf } from "../../lib/btf/kernel.ts";
import { DetraceError } from "../../lib/error.ts";
import { codec, type CodecOptions } from "../../lib/maps/codec.ts";

const fixture = (name: string) => Deno.readFileSync(new URL(`../fixtures/maps/${name}`, import.meta.url));
const everything = (options?: CodecOptions) => {
  const btf = Btf.parse(fixture("codec.btf"));
  return codec<Record<string, unknown>>(btf, btf.find("everything", BTF_KIND_STRUCT)!, options);
};

// What tests/fixtures/maps/codec.c says; the bytes are the compiler's.
const VALUE = {
  a: 200,
  b: -100,
  c: 60000,
  d: -30000,
  e: 4000000000,
  f: -2000000000,
  g: 18000000000000000000n,
  h: -9000000000000000000n,
  i: 0x0123456789abcdeffedcba9876543210n,
  yes: true,
  no: false,
  comm: "käse",
  lines: ["ab", "wxyz"],
  address: [127, 0, 0, 1],
  list: [1, 2, 3],
  points: [{ x: 1, y: -1 }, { x: 2, y: -2 }],
  color: 7,
  sign: -1,
  wide: 0x8000000000000000n,
  wide_signed: -5n,
  three: 5,
  twenty: 0xabcde,
  minus: -3,
  forty: 0xfedcba9876n,
  flag: true,
  sign_bits: -1,
  single: 1.5,
  real: -0.1,
  pointer: 0xffff888000000000n,
  ipv4: 0x04030201,
  ipv4_bytes: [1, 2, 3, 4],
  low: 0x0201,
  high: 0x0403,
  both: { number: 0xfffe0001n, point: { x: 1, y: -2 } },
  named: { inner: 42 },
  rest: "",
};

Deno.test("a compiler's bytes are decoded to what its source says", () => {
  assertEquals(everything().decode(fixture("codec.data")), VALUE);
});

Deno.test("a value is encoded to a compiler's bytes", () => {
  assertEquals(everything().encode(VALUE), fixture("codec.data"));
});

Deno.test("decoding begins at the offset, also in a view that does not start its buffer", () => {
  const bytes = fixture("codec.data"), padded = new Uint8Array(bytes.length + 16);
  padded.set(bytes, 11);
  assertEquals(everything().decode(padded, 11), VALUE);
  assertEquals(everything().decode(padded.subarray(4), 7), VALUE);
});

Deno.test("with wide: number, 64 and 128 bits are numbers", () => {
  const value = everything({ wide: "number" }).decode(fixture("codec.data"));
  assertEquals(
    [value.g, value.h, value.i, value.forty, value.wide, value.wide_signed, value.pointer],
    [
      18000000000000000000,
      -9000000000000000000,
      0x0123456789abcdeffedcba9876543210n,
      0xfedcba9876n,
      2n ** 63n,
      -5n,
    ]
      .map(Number).concat(0xffff888000000000),
  );
  const small = new Uint8Array(192).fill(255, 24, 32);
  assertEquals(everything({ wide: "number" }).decode(small).h, -1);
});

Deno.test("with chars: bytes, arrays of char are copied whole", () => {
  const codec = everything({ chars: "bytes" }), bytes = fixture("codec.data");
  const { comm, lines } = codec.decode(bytes);
  const expected = new Uint8Array(16);
  expected.set(new TextEncoder().encode("käse"));
  assertEquals(comm, expected);
  assertEquals(lines, [new Uint8Array([97, 98, 0, 0]), new Uint8Array([119, 120, 121, 122])]);
  assertEquals(codec.encode({ comm: expected }).subarray(50, 66), expected);
});

Deno.test("members that are not given are zero, and 64 bits may be given as numbers", () => {
  const bytes = everything().encode({ g: 5, i: 6, pointer: 7 });
  assertEquals(everything().decode(bytes), {
    ...everything().decode(new Uint8Array(192)),
    g: 5n,
    i: 6n,
    pointer: 7n,
  });
});

Deno.test("of a union's members the one that is given is encoded", () => {
  const { encode } = everything();
  assertEquals(encode({ high: 0x0102 }).subarray(168, 172), new Uint8Array([0, 0, 2, 1]));
  assertEquals(
    encode({ both: { point: { y: 1 } } }).subarray(176, 184),
    new Uint8Array([0, 0, 1, 0, 0, 0, 0, 0]),
  );
});

for (
  const [value, message] of [
    [{ a: 256 }, "everything.a: 256 does not fit in 8 bits"],
    [{ a: -1 }, "everything.a: -1 does not fit"],
    [{ b: 128 }, "everything.b: 128 does not fit in 8 bits with a sign"],
    [{ e: 2 ** 32 }, "everything.e: 4294967296 does not fit in 32 bits"],
    [{ g: -1n }, "everything.g: -1 does not fit in 64 bits"],
    [{ h: 2n ** 63n }, "everything.h: "],
    [{ i: 2n ** 128n }, "everything.i: "],
    [{ f: 1.5 }, "everything.f: expected an integer, got 1.5"],
    [{ f: NaN }, "everything.f: expected an integer, got NaN"],
    [{ f: "1" }, 'everything.f: expected an integer, got "1"'],
    [{ f: null }, "everything.f: expected an integer, got null"],
    [{ yes: 2 }, "everything.yes: expected true or false, got 2"],
    [{ comm: "12345678901234567" }, "everything.comm: "],
    [{ comm: 5 }, "everything.comm: expected text, got 5"],
    [{ lines: ["", "12345"] }, 'everything.lines[1]: "12345" is longer than 4 bytes'],
    [{ list: [1, 2] }, "everything.list: expected 3 elements, got 2"],
    [{ list: {} }, "everything.list: expected an array, got [object Object]"],
    [
      { points: [{ x: 1 }, { x: 40000 }] },
      "everything.points[1].x: 40000 does not fit in 16 bits with a sign",
    ],
    [{ points: [{ x: 1 }, 5] }, "everything.points[1]: expected an object, got 5"],
    [{ three: 8 }, "everything.three: 8 does not fit in 3 bits"],
    [{ minus: -17 }, "everything.minus: -17 does not fit in 5 bits with a sign"],
    [{ single: "x" }, "everything.single: expected a number"],
    [{ named: { outer: 1 } }, "everything.named: there is no member outer"],
    [{ toString: 1 }, "everything: there is no member toString"],
    [[], "everything: expected an object, got [object Array]"],
    [undefined, "everything: expected an object, got undefined"],
  ] as const
) {
  Deno.test(`refused: ${message}`, () => {
    const e = assertThrows(() => everything().encode(value as never), DetraceError, message);
    assertEquals(e.constructor, DetraceError);
  });
}

Deno.test("too few bytes are refused", () => {
  for (
    const [length, offset] of [[191, 0], [192, 1], [192, -1], [0, 0], [192, NaN], [400, 2 ** 40]] as const
  ) {
    assertThrows(
      () => everything().decode(new Uint8Array(length), offset),
      DetraceError,
      "192 bytes at offset",
    );
  }
});

/** The codec of a type that a function builds. */
function built(build: (b: BtfBuilder, int: number) => number, options?: CodecOptions) {
  const builder = new BtfBuilder();
  const id = build(builder, builder.addInt("int", 4, { signed: true }));
  return codec(Btf.parse(builder.build()), id, options);
}

Deno.test("scalars, arrays, variables and typedefs have codecs of their own", () => {
  assertEquals(built((_, int) => int).decode(new Uint8Array([255, 255, 255, 255])), -1);
  assertEquals(
    built((b, int) => b.addVar("x", b.addTypedef("t", b.addConst(int)))).encode(258),
    new Uint8Array([2, 1, 0, 0]),
  );
  assertEquals(
    built((b, int) => b.addArray(b.addArray(int, int, 1), int, 2)).decode(new Uint8Array(8).fill(1)),
    [
      [0x01010101],
      [0x01010101],
    ],
  );
  assertEquals(
    built((b, int) => b.addArray(b.addInt("char", 1), int, 4)).encode("ab"),
    new Uint8Array([97, 98, 0, 0]),
  );
  assertEquals(built((b, int) => b.addPtr(int)).decode(new Uint8Array(8).fill(255)), 2n ** 64n - 1n);
});

Deno.test("a text of more than 64 bytes, or that is not ASCII, is decoded as UTF-8", () => {
  const chars = built((b, int) => b.addArray(b.addInt("char", 1), int, 100));
  for (
    const text of ["", "x".repeat(63), "x".repeat(64), "x".repeat(65), "y".repeat(100), "é".repeat(50), "a€"]
  ) {
    assertEquals(chars.decode(chars.encode(text)), text);
  }
  assertEquals(chars.decode(new Uint8Array(100).fill(255)), "\ufffd".repeat(100));
});

Deno.test("bitfields as compilers wrote them before the kind flag: integer types of few bits", () => {
  const old = built((b) => {
    const three = b.addInt("unsigned int", 4, { bits: 3 }),
      five = b.addInt("int", 4, { signed: true, bits: 5 });
    return b.addStruct("old", 4, [
      { name: "three", type: three, bitOffset: 0 },
      { name: "five", type: five, bitOffset: 3 },
    ]);
  });
  assertEquals(old.decode(new Uint8Array([0b10001_101, 0, 0, 0])), { three: 5, five: -15 });
  assertEquals(old.encode({ three: 5, five: -15 }), new Uint8Array([0b10001_101, 0, 0, 0]));
});

Deno.test("names from BTF are names, whatever they are", () => {
  const names = ["__proto__", "constructor", '"]:1}//', "a\\", "\u2028", "${x}"];
  const odd = built((b, int) =>
    b.addStruct("odd", 4 * names.length, names.map((name, i) => ({ name, type: int, bitOffset: 32 * i })))
  );
  const value = odd.decode(new Uint8Array(4 * names.length).fill(1)) as object;
  assertEquals(Object.keys(value), names);
  assertEquals(Object.getPrototypeOf(value), Object.prototype);
  assertEquals(odd.encode(value), new Uint8Array(4 * names.length).fill(1));
});

for (
  const [message, build] of [
    ["the type has no values", () => 0],
    ["the type has no values", (b) => b.addFwd("declared")],
    [
      "s.f: the type has no values",
      (b, int) => b.addStruct("s", 8, [{ name: "f", type: b.addFuncProto(int, []), bitOffset: 0 }]),
    ],
    ["integers of 3 bytes are not supported", (b) => b.addInt("int24", 3)],
    ["floating point of 16 bytes is not supported", (b) => b.addFloat("long double", 16)],
    [
      "s.x: the member lies outside",
      (b, int) => b.addStruct("s", 4, [{ name: "x", type: int, bitOffset: 8 }]),
    ],
    [
      "s.x: the member lies outside",
      (b, int) => b.addStruct("s", 9, [{ name: "x", type: b.addPtr(int), bitOffset: 4 }]),
    ],
    [
      "s.x: the member lies outside",
      (b, int) => b.addStruct("s", 4, [{ name: "x", type: int, bitOffset: 20, bitfieldSize: 13 }]),
    ],
    ["nested too deep", (b) => b.addStruct("s", 4, [{ name: "x", type: b.nextId, bitOffset: 0 }])],
    ["nested too deep", (b, int) => b.addArray(b.nextId, int, 1)],
    ["bytes are too many", (b, int) => b.addArray(int, int, 0xffffffff)],
    ["bytes are too many", (b) => b.addStruct("s", 0xffffffff, [])],
    // Small to write down, 2^40 members when unfolded.
    ["more than 20000 members", (b, int) => {
      let type = int;
      for (let i = 0; i < 40; i++) {
        type = b.addUnion("u", 4, [{ name: "a", type, bitOffset: 0 }, { name: "", type, bitOffset: 0 }]);
      }
      return type;
    }],
  ] as [string, (b: BtfBuilder, int: number) => number][]
) {
  Deno.test(`a type is refused: ${message} (${build})`, () => {
    assertThrows(() => built(build), DetraceError, message);
  });
}

Deno.test("an array of nothing is empty, however long", () => {
  const nothing = built((b, int) => b.addArray(b.addStruct("none", 0, []), int, 0xffffffff));
  assertEquals([nothing.size, nothing.decode(new Uint8Array())], [0, []]);
});

Deno.test({
  name:
    "every struct of the kernel has a codec that gives back the bytes it was given, but for padding (root)",
  ignore: Deno.uid() !== 0,
  fn() {
    const btf = loadKernelBtf();
    for (const name of ["task_struct", "file", "sock", "sk_buff", "mm_struct", "trace_event_raw_sys_enter"]) {
      const type = codec(btf, btf.find(name, BTF_KIND_STRUCT)!);
      const value = type.decode(new Uint8Array(type.size).fill(0x41));
      assertEquals(type.decode(type.encode(value)), value);
    }
    for (let id = 1; id < btf.endId; id += 7) {
      if (btf.kind(id) === BTF_KIND_STRUCT) codec(btf, id);
    }
  },
});
