import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { CoreError, CoreRelocator, POISON } from "../../lib/core/core.ts";
import { insn, mov, relocate, type Types, types, value } from "./types.ts";

const OFFSET = 0,
  SIZE = 1,
  EXISTS = 2,
  SIGNED = 3,
  LSHIFT = 4,
  RSHIFT = 5,
  TYPE_ID_LOCAL = 6,
  TYPE_ID_TARGET = 7;
const TYPE_EXISTS = 8, TYPE_SIZE = 9, ENUM_EXISTS = 10, ENUM_VALUE = 11, TYPE_MATCHES = 12;

const LOCAL = types(`
  int = int int 4 signed
  S   = struct S 8 a:int@0 b:int@32
  E   = enum E 4 A=1`);
const MOVED = types(`
  int = int int 4 signed
  S   = struct S 16 b:int@96`);

// Section 1: what each kind gives if nothing matches.

Deno.test("without a match, what a program cannot do without is poisoned", () => {
  const empty = types("other = int other 4");
  for (const kind of [OFFSET, SIZE, SIGNED, LSHIFT, RSHIFT]) {
    assertEquals(value(LOCAL, empty, "S", "0:1", kind, 0), "poison");
  }
  assertEquals(value(LOCAL, empty, "E", "0", ENUM_VALUE, 1), "poison");
});

Deno.test("without a match, existence, match, type id and type size are 0", () => {
  const empty = types("other = int other 4");
  assertEquals(value(LOCAL, empty, "S", "0:1", EXISTS, 1), 0);
  assertEquals(value(LOCAL, empty, "S", "0", TYPE_ID_TARGET, 77), 0);
  assertEquals(value(LOCAL, empty, "S", "0", TYPE_EXISTS, 1), 0);
  assertEquals(value(LOCAL, empty, "S", "0", TYPE_SIZE, 8), 0);
  assertEquals(value(LOCAL, empty, "S", "0", TYPE_MATCHES, 1), 0);
  assertEquals(value(LOCAL, empty, "E", "0", ENUM_EXISTS, 1), 0);
});

// Section 3: candidates.

Deno.test("a root type without a name is refused, but for its local id", () => {
  const t = types(`
    int = int int 4
    S   = struct - 4 a:int@0
    cS  = const S`);
  for (const root of ["S", "cS"]) {
    for (const [access, kind] of [["0:0", EXISTS], ["0", TYPE_EXISTS], ["0", TYPE_ID_TARGET]] as const) {
      assertThrows(() => value(t, t, root, access, kind, 1), CoreError, "its root type has no name");
    }
    assertEquals(value(t, t, root, "0", TYPE_ID_LOCAL, 0), t.ids[root]);
  }
  assertThrows(() => value(t, t, "void", "0", TYPE_EXISTS, 1), CoreError, "its root type has no name");
});

Deno.test("what counts is the root's own name, not that of what its typedef leads to", () => {
  const l = types(`
    int = int int 4
    in  = struct in 4 a:int@0
    R   = typedef R in`);
  const renamed = types(`
    int = int int 4
    in  = struct other 8 x:int@0 a:int@32
    R   = typedef R in`);
  const bare = types(`
    int = int int 4
    in  = struct in 4 a:int@0`);
  assertEquals(value(l, renamed, "R", "0:0", OFFSET, 0), 4);
  assertEquals(value(l, bare, "R", "0:0", OFFSET, 0), "poison");
});

Deno.test("flavors are dropped on both sides", () => {
  const l = types(`
    int = int int 4
    S   = struct S___mine 4 a:int@0
    W   = struct a____b 4 a:int@0`);
  const t = types(`
    int = int int 4
    S   = struct S___v2 8 x:int@0 a:int@32
    W   = struct a 8 x:int@0 a:int@32`);
  assertEquals(value(l, t, "S", "0:0", OFFSET, 0), 4);
  assertEquals(value(l, t, "W", "0:0", EXISTS, 1), 0);
});

Deno.test("a candidate is of the same kind; enum and enum64 are one", () => {
  const l = types(`
    int = int int 4
    S   = struct S 4 a:int@0
    E   = enum E 4 A=1`);
  const t = types(`
    int = int int 4
    S   = union S 4 a:int@0
    fS  = fwd S
    tS  = typedef S int
    tE  = typedef E int
    E   = enum64 E 8 A=5`);
  assertEquals(value(l, t, "S", "0:0", EXISTS, 1), 0);
  assertEquals(value(l, t, "S", "0", TYPE_EXISTS, 1), 0);
  assertEquals(value(l, t, "E", "0", ENUM_VALUE, 1), 5);
});

const modules = (base: Types, ...texts: string[]) =>
  texts.map((text, i) => types(text, { base, name: `mod${i}` }));

Deno.test("modules are searched only if vmlinux has no candidate, then all of them, each only what it adds", () => {
  const l = types(`
    int = int int 4
    S   = struct S 4 a:int@0
    M   = struct M 4 a:int@0
    M2  = struct M___mine 4 a:int@0`);
  const vmlinux = types(`
    int = int int 4
    S   = struct S 8 x:int@0 a:int@32
    M   = union M 4 a:int@0`);
  let asked = 0;
  const loaded = () => {
    asked++;
    return modules(
      vmlinux,
      "S = struct S 64 a:int@256",
      "M = struct M 64 a:int@128",
      "M = struct M___2 64 a:int@128",
    );
  };
  const run = (...roots: string[]) =>
    relocate(l, vmlinux, roots.map((root) => [root, "0:0", OFFSET, mov(0)]), loaded).insns.map((bytes) =>
      bytes[4]
    );
  assertEquals(run("S"), [4]);
  assertEquals(asked, 0);
  assertEquals(run("M", "S", "M2", "M"), [16, 4, 16, 16]);
  assertEquals(asked, 1);
});

Deno.test("a vmlinux candidate keeps the modules out even if it does not match", () => {
  const vmlinux = types(`
    int = int int 4
    S   = struct S 8 x:int@0`);
  assertEquals(
    relocate(LOCAL, vmlinux, [["S", "0:1", OFFSET, mov(4)]], () => {
      throw new Error("asked for modules");
    }).insns[0]![0],
    0x85,
  );
});

Deno.test("without modules, or with none, a type that vmlinux lacks does not exist", () => {
  const vmlinux = types("int = int int 4");
  assertEquals(value(LOCAL, vmlinux, "S", "0", TYPE_EXISTS, 1), 0);
  const insns = mov(1);
  new CoreRelocator(LOCAL.btf, { vmlinux: vmlinux.btf }).relocate(
    insns,
    [{ offset: 0, typeId: LOCAL.ids.S!, accessString: "0", kind: TYPE_EXISTS }],
    "main",
  );
  assertEquals(insns, mov(0));
});

Deno.test("a module's type id is that in its split BTF", () => {
  const vmlinux = types("int = int int 4");
  const [mod] = modules(vmlinux, "S = struct S 4 a:int@0");
  const { insns } = relocate(LOCAL, vmlinux, [["S", "0", TYPE_ID_TARGET, mov(0)]], () => [mod!]);
  assertEquals(insns, [mov(mod!.ids.S!)]);
});

const TWO = types(`
  int  = int int 4 signed
  uint = int uint 4
  S    = struct S 32 a:int@0 b:int@64 both:int@128 same:int@192
  S2   = struct S___2 32 a:int@0 b:int@96 only2:int@128 both:int@160 same:int@192`);
const THREE = types(`
  int   = int int 4 signed
  S     = struct S 32 a:int@0 b:int@32 both:int@64 same:int@96 only2:int@128 none:int@160`);

Deno.test("after a record that some candidates match, only those are left for the records after it", () => {
  const { insns } = relocate(THREE, TWO, [
    ["S", "0:0", OFFSET, mov(0)], // both match: both stay
    ["S", "0:5", EXISTS, mov(1)], // none matches: both stay
    ["S", "0:4", OFFSET, mov(16)], // only S___2
    ["S", "0:1", OFFSET, mov(4)], // would be ambiguous with both
    ["S", "0:2", OFFSET, mov(8)],
  ]);
  assertEquals(insns, [mov(0), mov(0), mov(16), mov(12), mov(20)]);
});

Deno.test("pruning goes record by record: what came before is not looked at again", () => {
  assertThrows(
    () => relocate(THREE, TWO, [["S", "0:1", OFFSET, mov(4)], ["S", "0:4", OFFSET, mov(16)]]),
    CoreError,
    "it is ambiguous, bit 64 by struct S [3] of vmlinux and bit 96 by struct S___2 [4] of vmlinux",
  );
});

Deno.test("the list is kept per local root type, over all calls of one relocator", () => {
  const l = types(`
    int = int int 4 signed
    S   = struct S 32 b:int@0 only2:int@32
    T   = struct S___mine 32 b:int@0`);
  const relocator = new CoreRelocator(l.btf, { vmlinux: TWO.btf });
  const one = (root: string, accessString: string, held: number) => {
    const bytes = mov(held);
    relocator.relocate(bytes, [{ offset: 0, typeId: l.ids[root]!, accessString, kind: OFFSET }], "main");
    return bytes[4];
  };
  assertEquals(one("S", "0:1", 4), 16);
  assertEquals(one("S", "0:0", 0), 12);
  assertThrows(() => one("T", "0:0", 0), CoreError, "ambiguous");
});

Deno.test("a result that was found with more candidates is not kept when the list gets shorter", () => {
  // The first S alone would poison the load of a field that is 2 bytes and signed there; S___2 fits as it is.
  const l = types(`
    int = int int 4 signed
    S   = struct S 8 f:int@0 only2:int@32`);
  const t = types(`
    int   = int int 4 signed
    short = int short 2 signed
    S     = struct S 8 f:short@0
    S2    = struct S___2 8 f:int@0 only2:int@32`);
  const load = insn(0x61, 0x12, 0, 0);
  const { insns, reasons } = relocate(l, t, [
    ["S", "0:0", OFFSET, load],
    ["S", "0:0", OFFSET, load],
    ["S", "0:1", OFFSET, mov(4)],
    ["S", "0:0", OFFSET, load],
  ]);
  assertEquals(insns.map((bytes) => bytes[0]), [0x85, 0x85, 0xb7, 0x61]);
  assertEquals(reasons.length, 2);
});

Deno.test("records of one path get what each of them asks, however often", () => {
  const { insns } = relocate(LOCAL, MOVED, [
    ["S", "0:1", OFFSET, mov(4)],
    ["S", "0:1", SIZE, mov(4)],
    ["S", "0:1", EXISTS, mov(1)],
    ["S", "0:1", OFFSET, insn(0x61, 0x12, 4, 0)],
    ["S", "0:0", EXISTS, mov(1)],
    ["S", "0:1", SIZE, mov(4)],
  ]);
  assertEquals(insns, [mov(12), mov(4), mov(1), insn(0x61, 0x12, 12, 0), mov(0), mov(4)]);
  assertThrows(
    () => relocate(LOCAL, MOVED, [["S", "0:1", OFFSET, mov(4)], ["S", "0:1", OFFSET, mov(5)]]),
    CoreError,
  );
});

Deno.test("prepare lets one search do for all records, and relocate works without it", () => {
  const l = types(`
    a = struct S 4
    b = int uint 4
    c = struct none 4`);
  const target = types(`
    S = struct S 8
    u = int uint 2`);
  const search = target.btf.findEssential.bind(target.btf), searched: string[][] = [];
  target.btf.findEssential = (names) => {
    searched.push([...names]);
    return search(names);
  };
  const sizes = (prepare: boolean) => {
    const relocator = new CoreRelocator(l.btf, { vmlinux: target.btf });
    const relocations = ["a", "b", "c"].map((root) => {
      return { offset: 0, typeId: l.ids[root]!, accessString: "0", kind: TYPE_SIZE };
    });
    if (prepare) relocator.prepare([...relocations, { offset: 0, typeId: 4711, accessString: "", kind: 99 }]);
    return relocations.map((relocation) => {
      const bytes = mov(4);
      relocator.relocate(bytes, [relocation], "main");
      return bytes[4];
    });
  };
  assertEquals(sizes(true), [8, 2, 0]);
  assertEquals(searched, [["S", "uint", "none"]]);
  assertEquals(sizes(false), [8, 2, 0]);
  assertEquals(searched.length, 4);
});

// Section 5: ambiguity.

Deno.test("candidates must agree on the bit offset, for existence too, and on the value", () => {
  const disagree = (access: string, kind: number, held: number) =>
    assertThrows(() => value(THREE, TWO, "S", access, kind, held), CoreError, "it is ambiguous");
  disagree("0:2", EXISTS, 1);
  disagree("0:2", SIZE, 4);
  disagree("0", TYPE_ID_TARGET, 0);
  assertEquals(value(THREE, TWO, "S", "0:3", OFFSET, 12), 24);
  assertEquals(value(THREE, TWO, "S", "0", TYPE_SIZE, 32), 32);
});

Deno.test("a candidate that does not match has no say", () => {
  assertEquals(value(THREE, TWO, "S", "0:4", OFFSET, 16), 16);
});

Deno.test("candidates of equal values and offsets are no ambiguity", () => {
  const t = types(`
    E  = enum E 4 A=7
    E2 = enum64 E___2 8 B=1 A=7
    E3 = enum E___3 4 Z=1`);
  assertEquals(value(LOCAL, t, "E", "0", ENUM_VALUE, 1), 7);
  const differ = types(`
    E  = enum E 4 A=7
    E2 = enum E___2 4 A=8`);
  assertThrows(
    () => value(LOCAL, differ, "E", "0", ENUM_VALUE, 1),
    CoreError,
    "it is ambiguous, 7 by enum E [1] of vmlinux and 8 by enum E___2 [2] of vmlinux",
  );
});

// Section 5: values.

Deno.test("offset is in bytes, size is that of the field or of the element, existence is 1", () => {
  const l = types(`
    int  = int int 4
    a3   = array int 3
    S    = struct S 16 a:a3@32`);
  const t = types(`
    long = int long 8
    a5   = array long 5
    S    = struct S 64 a:a5@128`);
  assertEquals(value(l, t, "S", "0:0", OFFSET, 4), 16);
  assertEquals(value(l, t, "S", "0:0:2", OFFSET, 12), 32);
  assertEquals(value(l, t, "S", "0:0", SIZE, 12), 40);
  assertEquals(value(l, t, "S", "0:0:2", SIZE, 4), 8);
  assertEquals(value(l, t, "S", "0", SIZE, 16), 64);
  assertEquals(value(l, t, "S", "2", OFFSET, 32), 128);
  assertEquals(value(l, t, "S", "0:0:2", EXISTS, 1), 1);
});

Deno.test("signedness and shifts of an array element are refused, even without a candidate", () => {
  const l = types(`
    int  = int int 4
    a3   = array int 3
    S    = struct S 16 a:a3@32`);
  for (const kind of [SIGNED, LSHIFT, RSHIFT]) {
    for (const target of [l, LOCAL, types("x = int x 4")]) {
      assertThrows(
        () => value(l, target, "S", "0:0:1", kind, 0),
        CoreError,
        "cannot be asked of an array element",
      );
      assertThrows(
        () => value(l, target, "S", "0", kind, 0),
        CoreError,
        "cannot be asked of an array element",
      );
    }
  }
});

Deno.test("an int is signed by its encoding, an enum by its kind flag, anything else is not", () => {
  const t = types(`
    int  = int int 4 signed
    uint = int uint 4
    ptr  = ptr int
    e    = enum e 4 A=1
    es   = enum es 4 signed A=1
    e64  = enum64 e64 8 signed A=1
    cint = const int
    tint = typedef t cint
    S    = struct S 64 a:int@0 b:uint@32 c:ptr@64 d:e@128 e:es@160 f:e64@192 g:tint@256`);
  const expected = [1, 0, 0, 0, 1, 1, 1];
  expected.forEach((signed, i) => assertEquals(value(t, t, "S", `0:${i}`, SIGNED, signed), signed));
});

/** Offset, size, left and right shift of the bitfield `f` of a type, at a bit, of a width. */
function bitfield(type: string, bit: number, width: number, big = false): (number | "poison")[] {
  const text = (bit: number, width: number) => `
    char  = int char 1
    short = int short 2
    int   = int int 4
    long  = int long 8
    b3    = int b3 3
    S     = struct S 64 f:${type}@${bit}/${width}`;
  const l = types(text(0, 1), { big }), t = types(text(bit, width), { big });
  return [OFFSET, SIZE, LSHIFT, RSHIFT].map((kind) => {
    const held = insn(0xb7, 1, 0, kind === RSHIFT ? 63 : 1234, big);
    const [bytes] = relocate(l, t, [["S", "0:0", kind, held]]).insns;
    return new DataView(bytes!.buffer).getInt32(4, !big);
  });
}

Deno.test("a bitfield is loaded by the smallest aligned load, of its type's size or doubled, that holds all of it", () => {
  assertEquals(bitfield("int", 0, 5), [0, 4, 64 - 5, 64 - 5]);
  assertEquals(bitfield("int", 35, 7), [4, 4, 64 - 10, 64 - 7]);
  assertEquals(bitfield("char", 13, 3), [1, 1, 64 - 8, 64 - 3]);
  assertEquals(bitfield("char", 6, 4), [0, 2, 64 - 10, 64 - 4]);
  assertEquals(bitfield("short", 30, 4), [0, 8, 64 - 34, 64 - 4]);
  assertEquals(bitfield("int", 62, 4 - 2), [4, 4, 64 - 32, 64 - 2]);
  assertEquals(bitfield("int", 95, 3), [8, 8, 64 - 34, 64 - 3]);
  assertEquals(bitfield("b3", 4, 20), [0, 3, 64 - 24, 64 - 20]);
});

Deno.test("on a big-endian machine the left shift counts from the other end", () => {
  assertEquals(bitfield("int", 3, 5, true), [0, 4, 32 + 3, 64 - 5]);
  assertEquals(bitfield("char", 6, 4, true), [0, 2, 48 + 6, 64 - 4]);
});

Deno.test("a bitfield that no load of 8 bytes holds is refused", () => {
  assertThrows(() => bitfield("long", 62, 5), CoreError, "does not fit into one load");
  const t = types(`
    void_ = struct nothing 0
    S = struct S 8 f:void_@0/3`);
  assertThrows(() => value(t, t, "S", "0:0", OFFSET, 0), CoreError, "does not fit into one load");
});

Deno.test("the shifts of a plain field are those of a bitfield as wide as its type", () => {
  const t = types(`
    short = int short 2
    int   = int int 4
    a2    = array int 4
    S     = struct S 64 a:short@0 b:int@32 big:a2@64`);
  assertEquals(value(t, t, "S", "0:0", LSHIFT, 48), 48);
  assertEquals(value(t, t, "S", "0:1", RSHIFT, 32), 32);
  // Over 8 bytes they wrap to an unsigned 32-bit number, which a sign-extended immediate does not hold.
  const wraps = (kind: number) =>
    relocate(t, t, [["S", "0:2", kind, insn(0x18, 1, 0, 2n ** 32n - 64n)]]).insns[0];
  assertEquals(wraps(LSHIFT), insn(0x18, 1, 0, 2n ** 32n - 64n));
  assertEquals(wraps(RSHIFT), insn(0x18, 1, 0, 2n ** 32n - 64n));
  assertThrows(() => value(t, t, "S", "0:2", RSHIFT, -64), CoreError, "holds -64 instead of 4294967232");
});

Deno.test("type ids are those of the object and of the candidate", () => {
  const t = types(`
    x   = int x 4
    y   = int y 4
    z   = int z 4
    S   = struct S 128`);
  assertEquals(value(LOCAL, t, "S", "0", TYPE_ID_LOCAL, 4711), LOCAL.ids.S);
  assertEquals(value(LOCAL, t, "S", "0", TYPE_ID_TARGET, 4711), t.ids.S);
  assertEquals(value(LOCAL, t, "S", "0", TYPE_SIZE, 8), 128);
});

Deno.test("the size of a type that has none is refused", () => {
  const t = types("F = fwd F");
  assertThrows(() => value(t, t, "F", "0", TYPE_SIZE, 0), CoreError, "has no size");
  assertThrows(() => value(t, LOCAL, "F", "0", TYPE_SIZE, 0), CoreError, "has no size");
});

Deno.test("a 32-bit enumerator is sign-extended whatever the flag says, a 64-bit one is whole", () => {
  const l = types(`E = enum E 4 A=0 B=1 C=2`);
  const t = types(`E = enum E 4 A=4294967295 B=-2 C=2147483647`);
  const wide = types(`E = enum64 E 8 A=4294967295 B=18446744073709551615 C=1311768467463790320`);
  const load = (target: Types, access: string) =>
    relocate(l, target, [["E", access, ENUM_VALUE, insn(0x18, 1, 0, Number(access))]]).insns[0];
  assertEquals(load(t, "0"), insn(0x18, 1, 0, -1n));
  assertEquals(load(t, "1"), insn(0x18, 1, 0, -2n));
  assertEquals(load(t, "2"), insn(0x18, 1, 0, 0x7fffffff));
  assertEquals(load(wide, "0"), insn(0x18, 1, 0, 0xffffffffn));
  assertEquals(load(wide, "1"), insn(0x18, 1, 0, -1n));
  assertEquals(load(wide, "2"), insn(0x18, 1, 0, 0x123456789abcdef0n));
  assertEquals(value(t, l, "E", "0", ENUM_VALUE, -1), 0);
});

// Section 5: patching.

/** What becomes of an instruction that holds the local offset 8 of field `f`, of a local type and of a target type at 16. */
function access(local: string, target: string, code: number, held = 8, at = 16): Uint8Array {
  const text = (type: string, at: number) => `
    char  = int char 1
    u16   = int u16 2
    u32   = int u32 4
    u64   = int u64 8
    s32   = int s32 4 signed
    s64   = int s64 8 signed
    ptr   = ptr void
    flt   = float float 4
    dbl   = float double 8
    e     = enum e 4 A=1
    e8    = enum64 e 8 A=1
    a4    = array u32 4
    a2x4  = array a4 2
    b4    = array u64 4
    b2x4  = array b4 2
    odd   = int odd 3
    tu64  = typedef t u64
    S     = struct S 64 f:${type}@${at * 8}`;
  const { insns } = relocate(types(text(local, 8)), types(text(target, at)), [[
    "S",
    "0:0",
    OFFSET,
    insn(code, 0x21, held, 0),
  ]]);
  return insns[0]!;
}

Deno.test("ALU and ALU64 instructions get the value as their immediate", () => {
  for (const code of [0xb7, 0xb4, 0x07, 0x04]) {
    const { insns } = relocate(LOCAL, MOVED, [["S", "0:1", OFFSET, insn(code, 3, 0, 4)]]);
    assertEquals(insns, [insn(code, 3, 0, 12)]);
  }
});

Deno.test("a 64-bit load gets the low half in the first slot and the high half in the second", () => {
  const { insns } = relocate(LOCAL, MOVED, [["S", "0:1", OFFSET, insn(0x18, 3, 0, 4)]]);
  assertEquals(insns, [insn(0x18, 3, 0, 12)]);
});

Deno.test("a 64-bit load that is not plain is refused", () => {
  const wide = (at: number, byte: number) => {
    const bytes = insn(0x18, 3, 0, 4);
    bytes[at] = byte;
    return () => relocate(LOCAL, MOVED, [["S", "0:1", OFFSET, bytes]]);
  };
  for (
    const [at, byte] of [[1, 0x13], [2, 1], [3, 1], [8, 0x18], [9, 1], [9, 0x10], [10, 1], [11, 1]] as const
  ) {
    assertThrows(wide(at, byte), CoreError, "code 0x18 has no place for it");
  }
  assertThrows(
    () => relocate(LOCAL, MOVED, [["S", "0:1", OFFSET, insn(0x18, 3, 0, 4).slice(0, 8)]]),
    CoreError,
    "cut off",
  );
});

Deno.test("loads and stores get the value as their offset", () => {
  for (const code of [0x61, 0x62, 0x63]) {
    assertEquals(access("u32", "u32", code), insn(code, 0x21, 16, 0));
  }
});

Deno.test("an offset above 32767 is refused in a load or store", () => {
  assertEquals(access("u32", "u32", 0x61, 8, 32767), insn(0x61, 0x21, 32767, 0));
  assertThrows(() => access("u32", "u32", 0x61, 8, 32768), CoreError, "32768 is too far for a load or store");
});

Deno.test("any other instruction is refused", () => {
  for (const code of [0x0f, 0xbf, 0x05, 0x15, 0x16, 0x85, 0x95, 0x20, 0x00]) {
    assertThrows(
      () => relocate(LOCAL, MOVED, [["S", "0:1", OFFSET, insn(code, 1, 0, 4)]]),
      CoreError,
      `code 0x${code.toString(16)} has no place for it`,
    );
  }
});

Deno.test("an instruction that does not hold the local value is refused", () => {
  assertThrows(
    () => value(LOCAL, MOVED, "S", "0:1", OFFSET, 5),
    CoreError,
    "the instruction holds 5 instead of 4",
  );
  assertThrows(
    () => value(LOCAL, MOVED, "S", "0:1", EXISTS, 0),
    CoreError,
    "the instruction holds 0 instead of 1",
  );
  assertThrows(() => access("u32", "u32", 0x61, -8), CoreError, "the instruction holds -8 instead of 8");
  assertThrows(
    () => relocate(LOCAL, MOVED, [["S", "0:1", OFFSET, insn(0x18, 1, 0, 2n ** 32n + 4n)]]),
    CoreError,
    "the instruction holds 4294967300 instead of 4",
  );
});

Deno.test("type ids are not checked, and of bitfields only the sign and the right shift", () => {
  const t = types(`
    int = int int 4 signed
    S   = struct S 8 f:int@3/5`);
  assertEquals(value(t, t, "S", "0", TYPE_ID_LOCAL, 99), t.ids.S);
  assertEquals(value(t, t, "S", "0", TYPE_ID_TARGET, 99), t.ids.S);
  for (const kind of [OFFSET, SIZE, LSHIFT]) assert(value(t, t, "S", "0:0", kind, 99) !== 99);
  assertEquals(value(t, t, "S", "0:0", SIGNED, 1), 1);
  assertThrows(() => value(t, t, "S", "0:0", SIGNED, 99), CoreError, "holds 99 instead of 1");
  assertThrows(() => value(t, t, "S", "0:0", RSHIFT, 99), CoreError, "holds 99 instead of 59");
});

Deno.test("a load of a pointer or an unsigned int takes the width that the target's field has", () => {
  assertEquals(access("u32", "u64", 0x61), insn(0x79, 0x21, 16, 0));
  assertEquals(access("u64", "u32", 0x79), insn(0x61, 0x21, 16, 0));
  assertEquals(access("u32", "u16", 0x63), insn(0x6b, 0x21, 16, 0));
  assertEquals(access("u32", "char", 0x62), insn(0x72, 0x21, 16, 0));
  assertEquals(access("u32", "tu64", 0x61), insn(0x79, 0x21, 16, 0));
  const narrow = types(`
    long = int long 4
    ptr  = ptr void
    S    = struct S 64 f:ptr@64`);
  const wide = types(`
    long = int long 8
    ptr  = ptr void
    S    = struct S 64 f:ptr@128`);
  const { insns } = relocate(narrow, wide, [["S", "0:0", OFFSET, insn(0x61, 0x21, 8, 0)]]);
  assertEquals(insns, [insn(0x79, 0x21, 16, 0)]);
});

Deno.test("a memory-sign-extending or atomic access keeps its mode when its width changes", () => {
  assertEquals(access("u32", "u16", 0x81), insn(0x89, 0x21, 16, 0));
  assertEquals(access("u32", "u64", 0xc3), insn(0xdb, 0x21, 16, 0));
});

Deno.test("a load or store of another width than the local field's is refused if the width changes", () => {
  assertThrows(
    () => access("u32", "u64", 0x79),
    CoreError,
    "an access of 8 bytes to 4 cannot become one to 8",
  );
  assertEquals(access("u32", "u32", 0x79), insn(0x79, 0x21, 16, 0));
});

Deno.test("a width that no instruction has is refused", () => {
  assertThrows(
    () => access("u32", "odd", 0x61),
    CoreError,
    "an access of 4 bytes to 4 cannot become one to 3",
  );
});

Deno.test("a load or store whose width changes between other types is poisoned", () => {
  const poison = insn(0x85, 0, 0, POISON);
  assertEquals(access("s32", "u64", 0x61), poison);
  assertEquals(access("u32", "s64", 0x61), poison);
  assertEquals(access("flt", "dbl", 0x61), poison);
  assertEquals(access("e", "e8", 0x61), poison);
  assertEquals(access("e", "e", 0x61), insn(0x61, 0x21, 16, 0));
});

Deno.test("only loads and stores are poisoned for the width: an offset alone is none", () => {
  const text = (type: string, at: number) => `
    s32 = int s32 4 signed
    s64 = int s64 8 signed
    S   = struct S 64 f:${type}@${at * 8}`;
  assertEquals(value(types(text("s32", 8)), types(text("s64", 16)), "S", "0:0", OFFSET, 8), 16);
});

Deno.test("the width of an array's access is that of its innermost element, and changes like that of no int", () => {
  assertEquals(access("a4", "a4", 0x61), insn(0x61, 0x21, 16, 0));
  assertEquals(access("a2x4", "a2x4", 0x61), insn(0x61, 0x21, 16, 0));
  assertEquals(access("a4", "b4", 0x61), insn(0x85, 0, 0, POISON));
  assertEquals(access("a2x4", "b2x4", 0x61), insn(0x85, 0, 0, POISON));
});

Deno.test("an element of an array changes its width like an int", () => {
  const text = (type: string) => `
    u32 = int u32 4
    u64 = int u64 8
    a   = array ${type} 4
    S   = struct S 64 f:a@0`;
  const { insns } = relocate(types(text("u32")), types(text("u64")), [[
    "S",
    "0:0:2",
    OFFSET,
    insn(0x61, 0x21, 8, 0),
  ]]);
  assertEquals(insns, [insn(0x79, 0x21, 16, 0)]);
});

Deno.test("an array that only got another length is no change of width", () => {
  const text = (length: number) => `
    u32 = int u32 4
    a   = array u32 ${length}
    S   = struct S 64 x:u32@0 f:a@32`;
  const { insns } = relocate(types(text(4)), types(text(8)), [["S", "0:1", OFFSET, insn(0x61, 0x21, 4, 0)]]);
  assertEquals(insns, [insn(0x61, 0x21, 4, 0)]);
});

Deno.test("a load is poisoned if a plain field became a bitfield, or the other way round", () => {
  const plain = types(`
    u32 = int u32 4
    S   = struct S 8 f:u32@32`);
  const bits = types(`
    u32 = int u32 4
    S   = struct S 8 f:u32@32/32`);
  const load = insn(0x61, 0x21, 4, 0);
  for (const [l, t] of [[plain, bits], [bits, plain]] as const) {
    const { insns, reasons } = relocate(l, t, [["S", "0:0", OFFSET, load]]);
    assertEquals(insns[0]![0], 0x85);
    assertMatch(
      reasons[0]!,
      /^byte offset of struct S.f: [04] bytes of .* are [04] of .* in struct S \[2\] of vmlinux$/,
    );
  }
  assertEquals(relocate(bits, bits, [["S", "0:0", OFFSET, load]]).insns, [load]);
});

Deno.test("poison is a call of a helper that does not exist, in both slots of a two-slot load", () => {
  const empty = types("other = int other 4");
  const { insns } = relocate(LOCAL, empty, [
    ["S", "0:1", OFFSET, insn(0x61, 0x21, 4, 0)],
    ["S", "0:1", OFFSET, insn(0x18, 1, 0, 4)],
    ["S", "0:0", OFFSET, insn(0x95, 0, 0, 0)],
  ]);
  const bytes = "850000001023ad0b";
  assertEquals(insns.map((insn) => insn.toHex()), [bytes, bytes + bytes, bytes]);
  assertEquals(POISON, 195896080);
});

Deno.test("a poison tells its instruction and the relocation in words", () => {
  const empty = types("other = int other 4");
  const relocator = new CoreRelocator(LOCAL.btf, { vmlinux: empty.btf });
  const insns = new Uint8Array([...insn(0x18, 1, 0, 1), ...insn(0x95, 0, 0, 0), ...insn(0x61, 0x21, 4, 0)]);
  const poisons = relocator.relocate(insns, [
    { offset: 0, typeId: LOCAL.ids.E!, accessString: "0", kind: ENUM_VALUE },
    { offset: 24, typeId: LOCAL.ids.S!, accessString: "0:1", kind: OFFSET },
  ], "main");
  assertEquals(poisons, [
    { insn: 0, reason: "value of enum E::A: there is no such type" },
    { insn: 3, reason: "byte offset of struct S.b: there is no such type" },
  ]);
});

Deno.test("the reason of a poison names at most eight candidates", () => {
  const many = types(
    "int = int int 4\n" +
      Array.from({ length: 20 }, (_, i) => `s${i} = struct S___${i + 1} 4 x:int@0`).join("\n"),
  );
  const { reasons } = relocate(LOCAL, many, [["S", "0:1", OFFSET, mov(4)]]);
  assertEquals(reasons[0]!.split("; ").length, 8);
});

Deno.test("big-endian objects are patched in their byte order", () => {
  const big = (text: string) => types(text, { big: true });
  const l = big(`
    int = int int 4
    S   = struct S 8 a:int@0 b:int@32`);
  const t = big(`
    int = int int 4
    S   = struct S 8 b:int@16384`);
  const { insns } = relocate(l, t, [
    ["S", "0:1", OFFSET, insn(0xb7, 0x10, 0, 4, true)],
    ["S", "0:1", OFFSET, insn(0x61, 0x12, 4, 0, true)],
    ["S", "0:1", OFFSET, insn(0x18, 0x10, 0, 4, true)],
    ["S", "0:0", OFFSET, insn(0x18, 0x10, 0, 4, true)],
  ]);
  assertEquals(insns.map((insn) => insn.toHex()), [
    "b710000000000800",
    "6112080000000000",
    "18100000000008000000000000000000",
    "850000000bad2310850000000bad2310",
  ]);
  assertThrows(
    () => relocate(l, t, [["S", "0:1", OFFSET, insn(0x18, 0x11, 0, 4, true)]]),
    CoreError,
    "has no place for it",
  );
});
