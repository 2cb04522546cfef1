import { assertEquals, assertThrows } from "@std/assert";
import { CoreError, CoreRelocator } from "../../lib/core/core.ts";
import { mov, relocate, types, value } from "./types.ts";

const OFFSET = 0,
  SIZE = 1,
  EXISTS = 2,
  SIGNED = 3,
  TYPE_ID_LOCAL = 6,
  TYPE_EXISTS = 8,
  ENUM_EXISTS = 10,
  ENUM_VALUE = 11;

const T = types(`
  int    = int int 4 signed
  long   = int long 8 signed
  ptr    = ptr S
  cint   = const int
  E      = enum E 4 A=1 B=5
  cE     = const E
  tE     = typedef E_t cE
  in     = struct in 8 x:int@0 y:int@32
  u      = union - 8 p:ptr@0 q:long@0
  anon   = struct - 16 deep:int@0 :u@64
  a3     = array in 3
  a2x3   = array a3 2
  flex   = array int 0
  S      = struct S 128 a:int@0 in:in@32 :anon@128 arr:a2x3@256 v:cint@992 
  F      = struct F 8 n:int@0 tail:flex@32
  G      = struct G 8 head:flex@0 n:int@32
  cS     = const S
  tag    = type_tag user cS
  S_t    = typedef S_t tag
  fwd    = fwd opaque
  void_p = ptr void
  loop   = typedef loop loop
`);

/** The local offset in bytes: what an instruction must hold, so that nothing is refused. */
function offset(root: string, access: string, held: number): void {
  assertEquals(value(T, T, root, access, OFFSET, held), held);
}

function refused(access: string, kind: number, why: string, root = "S"): void {
  assertThrows(() => relocate(T, T, [[root, access, kind, mov(0)]]), CoreError, why);
}

Deno.test("an access string that is empty, starts with a colon or holds anything but numbers is refused", () => {
  for (const access of ["", ":0", "0:", "0::1", "a", "0:x", "0.5", "-1", "0:-1", " 0", "4294967296"]) {
    refused(access, OFFSET, "the access string is malformed");
  }
});

Deno.test("a path of more than 64 numbers is refused, one of 64 is not", () => {
  let text = "x0 = int x0 4\n";
  for (let i = 1; i < 70; i++) text += `x${i} = struct x${i} 4 m:x${i - 1}@0\n`;
  const deep = types(text), path = (n: number) => Array(n).fill("0").join(":");
  assertEquals(value(deep, deep, "x63", path(64), OFFSET, 0), 0);
  assertThrows(() => value(deep, deep, "x64", path(65), OFFSET, 0), CoreError, "more than 64 steps");
});

Deno.test("a relocation of a type has the access string 0 and no other", () => {
  assertEquals(value(T, T, "S", "0", TYPE_EXISTS, 1), 1);
  refused("0:0", TYPE_EXISTS, "the access string is malformed");
  refused("1", TYPE_ID_LOCAL, "the access string is malformed");
});

Deno.test("an unknown kind is refused", () => {
  refused("0", 13, "nobody knows that kind");
  refused("0", -1, "nobody knows that kind");
});

Deno.test("an enumerator is one index into an enum, through modifiers and typedefs", () => {
  assertEquals(value(T, T, "E", "1", ENUM_VALUE, 5), 5);
  assertEquals(value(T, T, "tE", "0", ENUM_EXISTS, 1), 1);
  refused("0", ENUM_VALUE, "that is no enumerator", "S");
  refused("0:0", ENUM_VALUE, "that is no enumerator", "E");
  refused("2", ENUM_VALUE, "no such part 2", "E");
});

Deno.test("the first number indexes the root type as if by pointer", () => {
  offset("S", "0", 0);
  offset("S", "2", 256);
  offset("S", "1:0", 128);
});

Deno.test("a number in a struct is a member whose bits are added", () => {
  offset("S", "0:1", 4);
  offset("S", "0:1:1", 8);
});

Deno.test("anonymous members lead on", () => {
  offset("S", "0:2:0", 16);
  offset("S", "0:2:1:1", 24);
});

Deno.test("a number in an array is an element, in each dimension", () => {
  offset("S", "0:3:0", 32);
  offset("S", "0:3:1", 56);
  offset("S", "0:3:1:2:1", 56 + 16 + 4);
});

Deno.test("the root type's modifiers, type tags and typedefs are skipped", () => offset("S_t", "0:1:1", 8));

Deno.test("a member or element that does not exist is refused", () => {
  refused("0:9", OFFSET, "no such part 9");
  refused("0:3:2", OFFSET, "array has no element 2");
  refused("0:3:0:3", OFFSET, "array has no element 3");
});

Deno.test("a flexible array at the end of its struct has any element, one elsewhere has none", () => {
  offset("F", "0:1:0", 4);
  offset("F", "0:1:100", 404);
  refused("0:0:0", OFFSET, "array has no element 0", "G");
});

Deno.test("an array without elements is flexible only right behind the member that it is", () => {
  const t = types(`
    int = int int 4
    a0  = array int 0
    a2  = array a0 2
    R   = typedef R a0
    S   = struct S 4 x:a2@0`);
  assertThrows(() => value(t, t, "S", "0:0:1:0", OFFSET, 0), CoreError, "array has no element 0");
  assertThrows(() => value(t, t, "R", "0:0", OFFSET, 0), CoreError, "array has no element 0");
});

Deno.test("a path into a type without parts is refused", () => {
  refused("0:0:0", OFFSET, "int int has no element 0");
  refused("0:1", OFFSET, "ptr has no element 1", "ptr");
});

Deno.test("a type without size cannot be indexed, nor one that does not exist or refers to itself", () => {
  refused("0", OFFSET, "has no size", "fwd");
  refused("0", OFFSET, "has no type 99", "99");
  refused("0", OFFSET, "refers to itself", "loop");
});

Deno.test("pointers have the size of the object's long", () => {
  const narrow = types(`
    long = int long 4 signed
    ptr  = ptr void
    S    = struct S 8 p:ptr@0 q:long@32`);
  assertEquals(value(narrow, narrow, "S", "0:0", SIZE, 4), 4);
  assertEquals(value(narrow, narrow, "S", "0:1", OFFSET, 4), 4);
});

Deno.test("a refusal names the function, the instruction and the relocation in words", () => {
  const message = (root: string, access: string, kind: number) => {
    const error = assertThrows(() =>
      relocate(T, T, [["S", "0", TYPE_EXISTS, mov(1)], [root, access, kind, mov(9)]])
    );
    return (error as CoreError).message;
  };
  assertEquals(
    message("S", "1:3:1:2:1", OFFSET),
    "main: instruction 1: cannot relocate the byte offset of struct S[1].arr[1][2].y: the instruction holds 9 instead of 204",
  );
  assertEquals(
    message("S", "0:3:1", SIGNED),
    "main: instruction 1: cannot relocate the signedness of struct S.arr[1]: that cannot be asked of an array element",
  );
  assertEquals(
    message("E", "1", ENUM_VALUE),
    "main: instruction 1: cannot relocate the value of enum E::B: the instruction holds 9 instead of 5",
  );
  assertEquals(
    message("99", "x\x1b", 77),
    'main: instruction 1: cannot relocate the answer 77 of type 99 (access string "x\\u001b"): nobody knows that kind',
  );
});

Deno.test("an offset that is not a multiple of 8 or outside of the instructions is refused", () => {
  const relocator = new CoreRelocator(T.btf, { vmlinux: T.btf });
  for (const offset of [4, 8, -8, 2 ** 32]) {
    const relocation = { offset, typeId: T.ids.S!, accessString: "0", kind: EXISTS };
    assertThrows(
      () => relocator.relocate(mov(1), [relocation], "main"),
      CoreError,
      `no instruction starts at byte ${offset}`,
    );
  }
});
