import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { CoreError } from "../../lib/core/core.ts";
import { typesCompatible } from "../../lib/core/match.ts";
import { mov, relocate, types, value } from "./types.ts";

const OFFSET = 0,
  EXISTS = 2,
  TYPE_ID_TARGET = 7,
  TYPE_EXISTS = 8,
  TYPE_SIZE = 9,
  ENUM_EXISTS = 10,
  ENUM_VALUE = 11,
  TYPE_MATCHES = 12;

/** Types that many tests need on both sides. */
const COMMON = `
  int    = int int 4 signed
  uint   = int unsigned_int 4
  long   = int long 8 signed
  char   = int char 1
  odd    = int odd 4 offset=3
  pint   = ptr int
  pvoid  = ptr void
  float  = float float 4
  double = float double 8
  A      = struct A 4 x:int@0
  B      = struct B 8 y:int@0
  U      = union U 4 x:int@0
  E      = enum E 4 A=1
  Ef     = enum E___flavor 4 Z=1
  E64    = enum64 E 8 A=1
  D      = enum D 4 A=1
  nE     = enum - 4 ANON=1
  fA     = fwd A
  fAf    = fwd A___flavor
  fB     = fwd B
  fU     = fwd U union
  int2   = array int 2
  int9   = array long 9
  pint2  = array pint 2
  int2x2 = array int2 2
  proto  = proto void int
  pproto = ptr proto
  tint   = typedef int_t int
  cint   = const int
  tcint  = typedef int_c cint
`;

/** Whether a field `f` of one local type is found where the target has it with another type. */
function fields(local: string, target: string): boolean {
  const l = types(`${COMMON}
    S = struct S 64 f:${local}@0`);
  const t = types(`${COMMON}
    S = struct S 64 :in@64
    in = struct - 16 f:${target}@64`);
  return value(l, t, "S", "0:0", EXISTS, 1) === 1;
}

Deno.test("fields of struct and union are compatible with each other, mixed freely", () => {
  for (const local of ["A", "B", "U"]) for (const target of ["A", "B", "U"]) assert(fields(local, target));
  assert(!fields("A", "int"));
  assert(!fields("int", "U"));
  assert(!fields("A", "fA"));
});

Deno.test("fields of ints are compatible whatever their size and sign, but not with a bit offset", () => {
  for (const target of ["int", "uint", "long", "char", "tcint"]) assert(fields("int", target));
  assert(!fields("int", "odd"));
  assert(!fields("odd", "odd"));
  assert(!fields("int", "E"));
  assert(!fields("int", "pint"));
});

Deno.test("fields of pointers and of floats are compatible with all of their kind", () => {
  assert(fields("pint", "pproto"));
  assert(fields("float", "double"));
  assert(!fields("float", "int"));
});

Deno.test("fields of enums and forward declarations need one essential name, or none", () => {
  assert(fields("E", "Ef"));
  assert(fields("E", "E64"));
  assert(fields("nE", "D"));
  assert(fields("D", "nE"));
  assert(!fields("E", "D"));
  assert(fields("fA", "fAf"));
  assert(!fields("fA", "fB"));
});

Deno.test("fields of arrays are compatible if their elements are, whatever the lengths", () => {
  assert(fields("int2", "int9"));
  assert(fields("int2x2", "int2x2"));
  assert(!fields("int2", "pint2"));
  assert(!fields("int2", "int2x2"));
  assert(!fields("int2", "int"));
});

Deno.test("fields of function prototypes are never compatible", () => assert(!fields("proto", "proto")));

Deno.test("a member is found by its exact name, flavor and all", () => {
  const l = types(`
    int = int int 4
    S = struct S 8 a___x:int@0 b:int@32`);
  const t = types(`
    int = int int 4
    S = struct S 8 a:int@0 b___x:int@32`);
  assertEquals(value(l, t, "S", "0:0", EXISTS, 1), 0);
  assertEquals(value(l, t, "S", "0:1", EXISTS, 1), 0);
  assertEquals(value(l, l, "S", "0:0", EXISTS, 1), 1);
});

Deno.test("a member is found in anonymous structs and unions of any depth, and their offsets add up", () => {
  const l = types(`
    int = int int 4
    S = struct S 8 deep:int@32`);
  const t = types(`
    int = int int 4
    i3 = struct - 8 no:int@0 deep:int@32
    c3 = const i3
    i2 = union - 8 other:int@0 :c3@0
    i1 = struct - 16 pad:int@0 :i2@64
    S  = struct S 32 first:int@0 :i1@128`);
  assertEquals(value(l, t, "S", "0:0", OFFSET, 4), 16 + 8 + 4);
});

Deno.test("the first member of the name decides, compatible or not", () => {
  const l = types(`${COMMON}
    S = struct S 8 f:int@32`);
  const t = types(`${COMMON}
    S = struct S 32 f:pint@0 f:int@64`);
  assertEquals(value(l, t, "S", "0:0", OFFSET, 4), "poison");
});

Deno.test("a path goes on through the target's typedefs and modifiers, and over differently laid out structs", () => {
  const l = types(`
    int = int int 4
    in  = struct in 8 a:int@0 b:int@32
    a2  = array in 2
    S   = struct S 16 arr:a2@0`);
  const t = types(`
    int = int int 4
    in  = struct renamed 16 b:int@96
    cin = const in
    tin = typedef in_t cin
    a4  = array tin 4
    ta4 = typedef arr_t a4
    S   = struct S 80 arr:ta4@128`);
  assertEquals(value(l, t, "S", "0:0:1:1", OFFSET, 8 + 4), 16 + 16 + 12);
});

Deno.test("an element past the end of the target's array does not match, in a flexible one it does", () => {
  const l = types(`
    int = int int 4
    a8  = array int 8
    S   = struct S 32 arr:a8@0`);
  const target = (length: number, after: string) =>
    types(`
    int = int int 4
    arr = array int ${length}
    S   = struct S 32 arr:arr@32 ${after}`);
  assertEquals(value(l, target(4, ""), "S", "0:0:3", OFFSET, 12), 16);
  assertEquals(value(l, target(4, ""), "S", "0:0:4", OFFSET, 16), "poison");
  assertEquals(value(l, target(0, ""), "S", "0:0:4", OFFSET, 16), 20);
  assertEquals(value(l, target(0, "z:int@32"), "S", "0:0:4", OFFSET, 16), "poison");
});

Deno.test("a later index needs an array in the target", () => {
  const l = types(`
    int = int int 4
    a2  = array int 2
    R   = typedef R a2`);
  const t = types(`
    int = int int 4
    R   = typedef R int`);
  assertEquals(value(l, t, "R", "0:1", OFFSET, 4), "poison");
});

Deno.test("a target path of more than 64 steps is refused", () => {
  const l = types(`
    int = int int 4
    S   = struct S 4 x:int@0`);
  const nested = (depth: number) => {
    let text = "int = int int 4\nx0 = struct - 4 x:int@0\n";
    for (let i = 1; i < depth; i++) text += `x${i} = struct - 4 :x${i - 1}@0\n`;
    return types(text + `S = struct S 4 :x${depth - 1}@0`);
  };
  assertEquals(value(l, nested(62), "S", "0:0", EXISTS, 1), 1);
  assertThrows(() => value(l, nested(64), "S", "0:0", EXISTS, 1), CoreError, "more than 64 steps");
  const loop = types("S = struct S 4 :S@0 :S@0");
  assertThrows(() => value(l, loop, "S", "0:0", EXISTS, 1), CoreError, "more than 64 steps");
});

Deno.test("anonymous structs that fan out do not make the search endless", () => {
  const l = types(`
    int = int int 4
    S   = struct S 4 x:int@0`);
  let text = "x0 = struct - 4 :void@0\n";
  for (let i = 1; i < 60; i++) text += `x${i} = struct - 4 :x${i - 1}@0 :x${i - 1}@0\n`;
  assertEquals(value(l, types(text + "S = struct S 4 :x59@0"), "S", "0:0", EXISTS, 1), 0);
});

Deno.test("a target type whose size cannot be had is refused", () => {
  const l = types(`
    int = int int 4
    a2  = array int 2
    R   = typedef R a2`);
  const t = types(`
    fwd = fwd opaque
    a2  = array fwd 2
    R   = typedef R a2`);
  assertThrows(() => value(l, t, "R", "0:1", OFFSET, 4), CoreError, "has no size");
});

Deno.test("enumerators match by their essential names, in an enum of either width", () => {
  const l = types(`E = enum E 4 A___mine=1 B=2 C=3`);
  const t = types(`E = enum64 E 8 X=9 A___theirs=7 A=8 C___=5`);
  assertEquals(value(l, t, "E", "0", ENUM_VALUE, 1), 7);
  assertEquals(value(l, t, "E", "1", ENUM_EXISTS, 1), 0);
  assertEquals(value(l, t, "E", "1", ENUM_VALUE, 2), "poison");
  assertEquals(value(l, t, "E", "2", ENUM_EXISTS, 1), 0);
});

Deno.test("an enumerator's candidate that is no enum behind its typedef does not match", () => {
  const l = types(`
    E = enum - 4 A=1
    R = typedef R E`);
  const t = types(`
    int = int int 4
    R = typedef R int`);
  assertEquals(value(l, t, "R", "0", ENUM_EXISTS, 1), 0);
});

/** Whether typedef R of one type is compatible with (or matches) a typedef R of another. */
function alike(kind: number, local: string, target: string, more = ""): boolean {
  const l = types(`${COMMON}${more}
    R = typedef R ${local}`);
  const t = types(`${COMMON}${more}
    R = typedef R___flavor ${target}`);
  return value(l, t, "R", "0", kind, 1) === 1;
}

const MORE = `
    f0   = proto int
    f1   = proto int int pint
    f1u  = proto uint uint pvoid
    f2   = proto int int pint int
    fp   = proto void pint
    fpE  = proto E pint
    pf1  = ptr f1
    pf1u = ptr f1u
    pA   = ptr A
    pB   = ptr B
    pE   = ptr E
    pfA  = ptr fA
    pfU  = ptr fU
    pU   = ptr U
    pu   = ptr uint
    aA   = array A 2
    aB   = array B 3
    puser = type_tag user A
    ptA  = ptr puser`;

Deno.test("types are compatible if their kinds are equal at every level, whatever their names and sizes", () => {
  const ok = (l: string, t: string) => assert(alike(TYPE_EXISTS, l, t, MORE), `${l} ${t}`);
  const no = (l: string, t: string) => assert(!alike(TYPE_EXISTS, l, t, MORE), `${l} ${t}`);
  ok("A", "B");
  no("A", "U");
  ok("U", "U");
  ok("int", "uint");
  ok("int", "tcint");
  ok("E", "D");
  ok("E", "E64");
  no("E", "int");
  ok("fA", "fU");
  no("fA", "A");
  ok("void", "void");
  no("void", "int");
  no("int", "odd");
  no("odd", "int");
  no("float", "float");
});

Deno.test("size and id of a type are 0 if the candidate is not compatible", () => {
  const l = types(`${COMMON}
    R = typedef R int`);
  const t = types(`${COMMON}
    R = typedef R pint`);
  for (const [kind, held] of [[TYPE_SIZE, 4], [TYPE_ID_TARGET, 0]] as const) {
    assertEquals(value(l, t, "R", "0", kind, held), 0);
    assert(value(l, l, "R", "0", kind, held) !== 0);
  }
});

Deno.test("compatible pointers and arrays lead to compatible types", () => {
  const ok = (l: string, t: string) => assert(alike(TYPE_EXISTS, l, t, MORE), `${l} ${t}`);
  const no = (l: string, t: string) => assert(!alike(TYPE_EXISTS, l, t, MORE), `${l} ${t}`);
  ok("pA", "pB");
  ok("pA", "ptA");
  no("pA", "pint");
  no("pA", "pfA");
  ok("aA", "aB");
  no("aA", "int2");
  no("aA", "A");
});

Deno.test("compatible prototypes have as many parameters, and each and the return type is compatible", () => {
  const ok = (l: string, t: string) => assert(alike(TYPE_EXISTS, l, t, MORE), `${l} ${t}`);
  const no = (l: string, t: string) => assert(!alike(TYPE_EXISTS, l, t, MORE), `${l} ${t}`);
  ok("f1", "f1");
  no("f1", "f0");
  no("f1", "f2");
  no("f1", "f1u"); // int * and void *
  no("fp", "fpE"); // void and enum returned
  ok("pf1", "pf1");
});

Deno.test("at the root the kinds must be equal even before typedefs are skipped", () => {
  const t = types(COMMON);
  assert(typesCompatible(t.btf, t.ids.int!, t.btf, t.ids.uint!));
  assert(!typesCompatible(t.btf, t.ids.tint!, t.btf, t.ids.int!));
  assert(!typesCompatible(t.btf, t.ids.cint!, t.btf, t.ids.int!));
});

Deno.test("types that nest more than 32 levels deep are refused, 32 levels are not", () => {
  const chain = (levels: number) => {
    let text = "x1 = int int 4\n";
    for (let i = 2; i <= levels; i++) text += `x${i} = ptr x${i - 1}\n`;
    return types(`${text}R = typedef R x${levels}`);
  };
  for (const kind of [TYPE_EXISTS, TYPE_MATCHES]) {
    assertEquals(value(chain(32), chain(32), "R", "0", kind, 1), 1);
    assertThrows(() => value(chain(33), chain(33), "R", "0", kind, 1), CoreError, "nest too deep");
  }
});

Deno.test("arrays that nest endlessly are refused", () => {
  const t = types(`
    a = array a 2
    S = struct S 4 x:a@0`);
  assertThrows(() => value(t, t, "S", "0:0", EXISTS, 1), CoreError, "nests too deep");
});

Deno.test("types that would take a lifetime to compare are refused", () => {
  let text = "x0 = proto void void\n";
  for (let i = 1; i < 30; i++) text += `x${i} = proto x${i - 1} x${i - 1} x${i - 1} x${i - 1}\n`;
  const t = types(`${text}R = typedef R x29`);
  for (const kind of [TYPE_EXISTS, TYPE_MATCHES]) {
    assertThrows(() => value(t, t, "R", "0", kind, 1), CoreError, "nest too deep");
  }
});

Deno.test("matching ints have the same name, size and sign", () => {
  const l = types(`
    a = int a 4 signed
    b = int b 4 signed
    c = int c 4 signed`);
  const t = types(`
    a = int a___x 4 signed
    b = int b 4
    c = int c 8 signed`);
  assertEquals(["a", "b", "c"].map((root) => value(l, t, root, "0", TYPE_MATCHES, 1)), [1, 0, 0]);
  assert(!alike(TYPE_MATCHES, "int", "uint"));
});

Deno.test("matching pointers lead to matching types, where structs need only be of one kind and name", () => {
  const ok = (l: string, t: string) => assert(alike(TYPE_MATCHES, l, t, MORE), `${l} ${t}`);
  const no = (l: string, t: string) => assert(!alike(TYPE_MATCHES, l, t, MORE), `${l} ${t}`);
  ok("pA", "pA");
  no("pA", "pB");
  no("pint", "pu");
  ok("pA", "pfA");
  ok("pfA", "pA");
  ok("pfU", "pU");
  ok("pU", "pfU");
  no("fA", "A");
  no("A", "fA");
  ok("fA", "fAf");
  no("pA", "pE");
  ok("pvoid", "pvoid");
  no("float", "float");
  const l = types(`
    A = struct A 4
    p = ptr A
    R = typedef R p`);
  const union = types(`
    A = fwd A union
    p = ptr A
    R = typedef R p`);
  assertEquals(value(l, union, "R", "0", TYPE_MATCHES, 1), 0);
});

Deno.test("matching forward declarations are both of a struct or both of a union", () => {
  const s = types("F = fwd F"), u = types("F = fwd F union");
  assertEquals(value(s, s, "F", "0", TYPE_MATCHES, 1), 1);
  assertEquals(value(s, u, "F", "0", TYPE_MATCHES, 1), 0);
});

Deno.test("matching arrays have the same length and matching elements", () => {
  assert(alike(TYPE_MATCHES, "int2", "int2"));
  assert(!alike(TYPE_MATCHES, "aA", "aB", MORE));
  const more = `
    int3 = array int 3
    uint2 = array uint 2`;
  assert(!alike(TYPE_MATCHES, "aA", "aF", "aA = array A 2\naF = array fA 2"));
  assert(!alike(TYPE_MATCHES, "int2", "int3", more));
  assert(!alike(TYPE_MATCHES, "int2", "uint2", more));
});

Deno.test("matching prototypes have matching parameters and return types", () => {
  assert(alike(TYPE_MATCHES, "f1", "f1", MORE));
  assert(!alike(TYPE_MATCHES, "f1", "f2", MORE));
  assert(!alike(TYPE_MATCHES, "fp", "fpE", MORE));
  assert(!alike(TYPE_MATCHES, "f1", "f1u", MORE));
  const more = `
    returnsA = proto A
    returnsF = proto fA
    takesA   = proto void A
    takesF   = proto void fA
    pReturnsA = ptr returnsA
    pReturnsF = ptr returnsF`;
  assert(!alike(TYPE_MATCHES, "returnsA", "returnsF", more));
  assert(!alike(TYPE_MATCHES, "takesA", "takesF", more));
  assert(alike(TYPE_MATCHES, "pReturnsA", "pReturnsF", more));
});

Deno.test("a struct matches if the target has each of its members by essential name, and may have more", () => {
  const target = types(`${COMMON}
    S = struct S 64 c:int@0 b___x:pint@64 a:int@128 d:A@192`);
  const matches = (...members: string[]) => {
    const l = types(`${COMMON}
    S = struct S___mine 64 ${members.join(" ")}`);
    return value(l, target, "S", "0", TYPE_MATCHES, 1) === 1;
  };
  assert(matches("a:int@0", "b:pint@64"));
  assert(matches());
  assert(!matches("a:int@0", "missing:int@64"));
  assert(!matches("a:uint@0"));
  assert(matches("d:A@0"));
  assert(!matches("d:B@0"));
  const nested = types(`
    int = int int 4
    A   = struct A 8 x:int@0 more:int@32
    S   = struct S 8 d:A@0`);
  assertEquals(value(nested, target, "S", "0", TYPE_MATCHES, 1), 0);
  assertEquals(value(nested, nested, "S", "0", TYPE_MATCHES, 1), 1);
  const union = types(`${COMMON}
    S = union S 64 a:int@0`);
  assertEquals(value(union, target, "S", "0", TYPE_MATCHES, 1), 0);
});

Deno.test("anonymous members match only anonymous ones, any of them", () => {
  const l = types(`${COMMON}
    in = struct - 4 x:int@0
    S  = struct S 4 :in@0`);
  const t = types(`${COMMON}
    no = struct - 4 y:int@0
    in = struct - 4 x:int@0
    S  = struct S 8 :no@0 :in@32`);
  const named = types(`${COMMON}
    in = struct in 4 x:int@0
    S  = struct S 4 in:in@0`);
  assertEquals(value(l, t, "S", "0", TYPE_MATCHES, 1), 1);
  assertEquals(value(l, named, "S", "0", TYPE_MATCHES, 1), 0);
});

Deno.test("an enum matches if it has the size and each enumerator's essential name, values aside", () => {
  const t = types(`
    E = enum E 4 A=10 B___x=20 C=30
    L = enum64 L 8 A=1`);
  const matches = (line: string, root: string) => value(types(line), t, root, "0", TYPE_MATCHES, 1) === 1;
  assert(matches("E = enum E 4 B=1 A=2", "E"));
  assert(!matches("E = enum E 4 A=1 Z=2", "E"));
  assert(!matches("E = enum E 1 A=1", "E"));
  assert(!matches("L = enum L 4 A=1", "L"));
  assert(matches("L = enum64 L___x 8 A=5", "L"));
});

Deno.test("why a candidate does not match is told in words", () => {
  const l = types(`${COMMON}
    S = struct S 64 gone:int@0 kind:pint@64 arr:int2@128 in:A@192
    R = typedef R int2
    M = struct M 4 x:int@0`);
  const t = types(`${COMMON}
    a1 = array int 1
    A2 = struct A2 4 z:int@0
    S = struct S 64 kind:int@64 arr:a1@128 in:A2@192
    S2 = struct S___2 64 kind:pint2@0
    R = typedef R int
    E2 = typedef E2 int`);
  const why = (root: string, access: string) => relocate(l, t, [[root, access, OFFSET, mov(0)]]).reasons[0]!;
  assertMatch(
    why("S", "0:0"),
    /^byte offset of struct S\.gone: struct S \[\d+\] of vmlinux: struct S has no member gone; struct S___2 \[\d+\] of vmlinux: struct S___2 has no member gone$/,
  );
  assertMatch(
    why("S", "0:1"),
    /: its member kind is int int instead of ptr; .*: its member kind is array instead of ptr$/,
  );
  assertMatch(why("S", "0:2:1"), /^byte offset of struct S.arr\[1\]: .*: array has no element 1; /);
  assertMatch(why("S", "0:3:0"), /: struct A2 has no member x; /);
  assertMatch(why("R", "0:1"), /^byte offset of typedef R\[1\]: .*: int int has no element 1$/);
  assertEquals(why("M", "0:0"), "byte offset of struct M.x: there is no such type");
});
