import { assertEquals, assertThrows } from "@std/assert";
import { BtfError } from "../../lib/btf/btf.ts";
import { type BtfChange, diffBtf } from "../../lib/btf/diff.ts";
import { types } from "../core/types.ts";

/** Changes in short: `kind name`, then `before -> after` of each part. */
function diff(a: string, b: string, wanted?: (name: string) => boolean): string[] {
  const part = (one: BtfChange["parts"][number]["before"]) => one ? `${one.name}:${one.type}@${one.at}` : "";
  return diffBtf(types(a).btf, types(b).btf, wanted).flatMap(({ kind, name, before, after, parts }) => {
    const shape = (one: BtfChange["before"]) =>
      one ? [one.text, one.size].filter((x) => x || x === 0).join(" ") : "none";
    return [
      `${kind} ${name}: ${shape(before)} -> ${shape(after)}`,
      ...parts.map(({ before, after }) => `  ${part(before)} -> ${part(after)}`),
    ];
  });
}

const INTS = `
  int  = int int 4 signed
  long = int long 8 signed`;

Deno.test("equal types are no difference, whatever their ids", () => {
  const list = "S = struct S 8 a:int@0 b:int@32";
  assertEquals(diff(`${INTS}\n${list}`, `x = fwd x\n${INTS}\ny = ptr int\n${list}`), []);
});

Deno.test("members are added, removed, moved, of another type or of another name", () => {
  assertEquals(
    diff(
      `${INTS}
       S = struct S 32 gone:int@0 moved:int@32 retyped:int@64 old:int@96 stays:int@128 late:long@160`,
      `${INTS}
       S = struct S 40 moved:int@0 retyped:long@64 new:int@96 stays:int@128 later:long@192 more:long@256`,
    ),
    [
      "struct S: 32 -> 40",
      "  gone:int@0 -> ",
      "  moved:int@32 -> moved:int@0",
      "  retyped:int@64 -> retyped:long@64",
      "  old:int@96 -> new:int@96",
      "  late:long@160 -> later:long@192",
      "   -> more:long@256",
    ],
  );
});

Deno.test("members of anonymous members count as the struct's own, those of anonymous types by their path", () => {
  const before = `${INTS}
    A = struct - 8 x:int@0 y:int@32
    S = struct S 24 -:A@0 u:A@64 f:int@128/3`;
  const after = `${INTS}
    A = struct - 8 x:int@0 z:int@32
    S = struct S 24 -:A@0 u:A@64 f:int@131/4`;
  assertEquals(diff(before, after), [
    "struct S: 24 -> 24",
    "  y:int@32 -> z:int@32",
    "  u.y:int@96 -> u.z:int@96",
    "  f:int: 3@128 -> f:int: 4@131",
  ]);
});

Deno.test("values of enums are added, removed or others, in enums without a name too; their width does not matter", () => {
  assertEquals(
    diff(
      "E = enum E 4 A=1 B=2 C=3\nN = enum - 4 FIRST=0 SECOND=1",
      "E = enum64 E 4 A=1 C=4 D=5000000000\nN = enum - 4 FIRST=0 SECOND=2",
    ),
    [
      "enum E: 4 -> 4",
      "  B:@2 -> ",
      "  C:@3 -> C:@4",
      "   -> D:@5000000000",
      "enum FIRST: 4 -> 4",
      "  SECOND:@1 -> SECOND:@2",
    ],
  );
});

Deno.test("functions, typedefs, ints and floats are compared by their text in C and by size", () => {
  assertEquals(
    diff(
      `${INTS}
       p = proto int int
       f = func vfs_read p
       t = typedef pid_t int
       s = struct - 4 a:int@0
       n = typedef pair s
       d = float double 8`,
      `int = int int 4
       long = int long 8 signed
       p = proto long int
       f = func vfs_read p
       t = typedef pid_t long
       s = struct - 8 a:int@0 b:int@32
       n = typedef pair s
       d = float double 4`,
    ),
    [
      "int int: signed int 4 -> int 4",
      "func vfs_read: int vfs_read(int) -> long vfs_read(int)",
      "typedef pid_t: typedef int pid_t -> typedef long pid_t",
      "typedef pair: typedef struct { ... } pair 4 -> typedef struct { ... } pair 8",
      "   -> b:int@32",
      "float double: double 8 -> double 4",
    ],
  );
});

Deno.test("whole types come and go; of several with one name only those that differ count", () => {
  const a = `${INTS}
    S1 = struct S 4 a:int@0
    S2 = struct S 8 a:long@0
    T  = struct T 0`;
  const b = `${INTS}
    S2 = struct S 8 a:long@0
    S3 = struct S 8 a:int@32
    U  = union U 4 a:int@0`;
  assertEquals(diff(a, b), [
    "struct S: 4 -> 8",
    "  a:int@0 -> a:int@32",
    "struct T: 0 -> none",
    "union U: none -> 4",
  ]);
  assertEquals(diff(a, b, (name) => name === "T"), ["struct T: 0 -> none"]);
});

Deno.test("types that contain themselves are refused", () => {
  const loop = types("S = struct - 8 -:S@0 -:S@0 -:S@0\nT = struct T 8 -:S@0").btf;
  assertThrows(() => diffBtf(loop, loop), BtfError, "nested too deep");
});
