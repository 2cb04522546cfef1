import { assert, assertEquals, assertGreater, assertLess, assertThrows } from "@std/assert";
import { Opensnoop } from "../../bpf/opensnoop.ts";
import { Btf } from "../../lib/btf/btf.ts";
import { BtfBuilder } from "../../lib/btf/build.ts";
import { parseBtfExt } from "../../lib/btf/ext.ts";
import { loadKernelBtf } from "../../lib/btf/kernel.ts";
import { rawLines } from "../../lib/btf/raw.ts";
import { CoreError, CoreRelocator } from "../../lib/core/core.ts";
import { type CoreFunction, minimalBtf } from "../../lib/core/min.ts";
import { Elf } from "../../lib/elf/elf.ts";
import { DetraceError } from "../../lib/error.ts";
import { exists } from "../../lib/sys/file.ts";
import { randomBtf } from "../fuzz/graph.ts";
import { Random } from "../fuzz/mutate.ts";
import { mov, type Types, types, value } from "./types.ts";

const OFFSET = 0,
  EXISTS = 2,
  TYPE_ID_TARGET = 7,
  TYPE_EXISTS = 8,
  TYPE_SIZE = 9,
  ENUM_VALUE = 11,
  TYPE_MATCHES = 12;

/** A record for an instruction that holds `held`. */
type Ask = [root: string, access: string, kind: number, held: number];

const functions = (local: Types, asks: Ask[]): CoreFunction[] =>
  asks.map(([root, accessString, kind, held], i) => ({
    name: `f${i}`,
    insns: mov(held),
    coreRelocations: [{ offset: 0, typeId: local.ids[root]!, accessString, kind }],
  }));

/** The least BTF, as bpftool lists types. */
function least(local: Types, target: Types, asks: Ask[]): string[] {
  const btf = Btf.parse(minimalBtf(target.btf, [{ btf: local.btf, functions: functions(local, asks) }]));
  return Array.from({ length: btf.endId - 1 }, (_, i) => rawLines(btf, i + 1)).flat();
}

/** All instructions after relocation; type ids of the target, which differ, as 0. */
function relocated(btf: Btf, target: Btf, all: Iterable<CoreFunction>): string[] {
  const relocator = new CoreRelocator(btf, { vmlinux: target });
  return Array.from(all, ({ name, insns, coreRelocations }) => {
    const copy = insns.slice();
    relocator.relocate(copy, coreRelocations, name);
    for (const { offset, kind } of coreRelocations) {
      if (kind === TYPE_ID_TARGET) copy.fill(0, offset + 4, offset + 8);
    }
    return copy.toHex();
  });
}

Deno.test("only members that are read are kept, with those that lead there, their types and their bits", () => {
  const local = types(`
    int = int int 4
    in  = struct in 4 deep:int@0
    ar  = array in 8
    S   = struct S 64 a:ar@0 f:int@32/3`);
  const target = types(`
    int  = int int 4 signed
    long = int long 8 signed
    in   = struct in 12 x:int@0 deep:int@64
    ar   = array in 8
    cin  = const ar
    A    = struct - 100 b:int@0 a:cin@32
    S    = struct S 128 x:long@0 -:A@64 f:int@900/2 y:long@960
    T    = struct T 8 x:long@0`);
  assertEquals(least(local, target, [["S", "0:0:2:0", OFFSET, 8], ["S", "0:1", EXISTS, 1]]), [
    "[1] INT 'int' size=4 bits_offset=0 nr_bits=32 encoding=SIGNED",
    "[2] STRUCT 'in' size=12 vlen=1",
    "\t'deep' type_id=1 bits_offset=64",
    "[3] ARRAY '(anon)' type_id=2 index_type_id=0 nr_elems=8",
    "[4] CONST '(anon)' type_id=3",
    "[5] STRUCT '(anon)' size=100 vlen=1",
    "\t'a' type_id=4 bits_offset=32",
    "[6] STRUCT 'S' size=128 vlen=2",
    "\t'(anon)' type_id=5 bits_offset=64",
    "\t'f' type_id=1 bits_offset=900 bitfield_size=2",
  ]);
});

Deno.test("structs that are asked for as such have no members, enums all their values", () => {
  const local = types(`
    int = int int 4
    S   = struct S 4 a:int@0
    E   = enum E 4 A=1
    G   = struct G 4 a:int@0`);
  const target = types(`
    int = int int 4
    S   = struct S 8 a:int@0 b:int@32
    pS  = ptr S
    E   = enum E 4 Z=0 A=7`);
  const asks: Ask[] = [["S", "0", TYPE_SIZE, 4], ["E", "0", ENUM_VALUE, 1], ["G", "0", TYPE_EXISTS, 1]];
  assertEquals(least(local, target, asks), [
    "[1] STRUCT 'S' size=8 vlen=0",
    "[2] ENUM 'E' encoding=UNSIGNED size=4 vlen=2",
    "\t'Z' val=0",
    "\t'A' val=7",
  ]);
});

Deno.test("what a match looks at is kept: all members, not those behind pointers", () => {
  const local = types(`
    int = int int 4
    fQ  = fwd Q
    pQ  = ptr fQ
    in  = struct in 4 a:int@0
    S   = struct S 16 p:pQ@0 i:in@64`);
  const target = types(`
    int = int int 4
    Q   = struct Q 4 a:int@0
    pQ  = ptr Q
    in  = struct in 4 a:int@0
    S   = struct S 16 p:pQ@0 i:in@64 more:int@96`);
  assertEquals(least(local, target, [["S", "0", TYPE_MATCHES, 1]]), [
    "[1] INT 'int' size=4 bits_offset=0 nr_bits=32 encoding=(none)",
    "[2] STRUCT 'Q' size=4 vlen=0",
    "[3] PTR '(anon)' type_id=2",
    "[4] STRUCT 'in' size=4 vlen=1",
    "\t'a' type_id=1 bits_offset=0",
    "[5] STRUCT 'S' size=16 vlen=3",
    "\t'p' type_id=3 bits_offset=0",
    "\t'i' type_id=4 bits_offset=64",
    "\t'more' type_id=1 bits_offset=96",
  ]);
});

Deno.test("what a pointer led to is like no type, so that nothing matches that did not before", () => {
  const local = types(`
    int = int int 4
    pv  = ptr void
    S   = struct S 8 p:pv@0
    T   = typedef T pv
    R   = struct R 8 t:T@0`);
  const target = types(`
    int = int int 4
    X   = struct X 4 a:int@0
    pX  = ptr X
    S   = struct S 8 p:pX@0
    T   = typedef T pX
    R   = struct R 8 t:T@0`);
  const asks: Ask[] = [
    ["S", "0:0", OFFSET, 0],
    ["R", "0:0", OFFSET, 0],
    ["S", "0", TYPE_MATCHES, 1],
    ["T", "0", TYPE_EXISTS, 1],
  ];
  const all = functions(local, asks), min = minimalBtf(target.btf, [{ btf: local.btf, functions: all }]);
  assertEquals(value(local, target, "S", "0", TYPE_MATCHES, 1), 0);
  assertEquals(relocated(local.btf, Btf.parse(min), all), relocated(local.btf, target.btf, all));
  assertEquals(least(local, target, asks).slice(0, 1).concat(least(local, target, asks).slice(-1)), [
    "[1] PTR '(anon)' type_id=5",
    "[5] FLOAT 'void' size=0",
  ]);
});

Deno.test("every type that fits is kept, since later records choose among them", () => {
  const local = types(`
    int = int int 4
    S   = struct S 8 a:int@0 b:int@32`);
  const target = types(`
    int = int int 4
    S1  = struct S 8 a:int@0
    S2  = struct S___2 8 a:int@0 b:int@32`);
  const all = functions(local, [["S", "0:0", OFFSET, 0], ["S", "0:1", OFFSET, 4]]);
  const min = Btf.parse(minimalBtf(target.btf, [{ btf: local.btf, functions: all }]));
  assertEquals(relocated(local.btf, min, all), relocated(local.btf, target.btf, all));
});

Deno.test("several objects share one BTF, and a module's types stand in it beside the kernel's", () => {
  const one = types("int = int int 4\nS = struct S 4 a:int@0"),
    two = types("int = int int 4\nM = struct M 4 m:int@0");
  const vmlinux = types("int = int int 4\nS = struct S 8 x:int@0 a:int@32");
  const module = types("M = struct M 8 x:int@0 m:int@32", { base: vmlinux, name: "mod" });
  const objects = [
    { btf: one.btf, functions: functions(one, [["S", "0:0", OFFSET, 0]]) },
    { btf: two.btf, functions: functions(two, [["M", "0:0", OFFSET, 0]]) },
  ];
  const min = Btf.parse(minimalBtf(module.btf, objects));
  assertEquals(min.endId, 4);
  for (const { btf, functions } of objects) {
    assertEquals(relocated(btf, min, functions), [mov(4).toHex()]);
  }
});

Deno.test("the size of a pointer stays, and so does the byte order", () => {
  const local = types("int = int int 4\np = ptr int\nS = struct S 8 p:p@0");
  const target = types("long = int long 4\nint = int int 4\np = ptr int\nS = struct S 4 p:p@0", {
    big: true,
  });
  const min = Btf.parse(
    minimalBtf(target.btf, [{ btf: local.btf, functions: functions(local, [["S", "0:0", 1, 8]]) }]),
  );
  assertEquals([min.pointerSize, min.littleEndian], [4, false]);
});

Deno.test("a relocation that no loader would do is refused", () => {
  const t = types("int = int int 4\nS = struct S 4 a:int@0");
  assertThrows(() => least(t, t, [["S", "0:9", OFFSET, 0]]), CoreError, "f0: instruction 0: cannot relocate");
});

const fixture = (name: string) => Deno.readFileSync(new URL(`../fixtures/core/${name}`, import.meta.url));

Deno.test("a compiled object is relocated against its least BTF as against the full one", () => {
  const elf = Elf.parse(fixture("relocate.bpf.o")), section = (name: string) => elf.data(elf.section(name)!);
  const local = Btf.parse(section(".BTF"), { pointerSize: 8 }), full = Btf.parse(fixture("kernel.btf"));
  const refused = new TextDecoder().decode(fixture("expected.txt")).matchAll(/^(\S+) refused$/gm);
  const without = new Set([...refused].map(([, name]) => name));
  const { coreRelocations } = parseBtfExt(section(".BTF.ext"), local);
  const all = [...coreRelocations].filter(([name]) => !without.has(name))
    .map(([name, coreRelocations]) => ({ name, insns: section(name), coreRelocations }));
  const min = Btf.parse(minimalBtf(full, [{ btf: local, functions: all }]));
  assertLess(min.bytes.length, full.bytes.length);
  assertEquals(relocated(local, min, all), relocated(local, full, all));
});

Deno.test("so are records of all kinds on random types", () => {
  let compared = 0;
  for (let seed = 1; seed <= 300; seed++) {
    const random = new Random(seed),
      bytes = randomBtf(random, random.of([6, 20, 60])),
      local = Btf.parse(bytes);
    const target = Btf.parse(
      BtfBuilder.from(Btf.parse(random.below(2) ? bytes : randomBtf(random, 60))).build(),
    );
    const relocator = new CoreRelocator(local, { vmlinux: target }), all: CoreFunction[] = [];
    for (let n = 0; n < 30; n++) {
      const kind = random.of([0, 1, 2, 3, 4, 5, 8, 9, 10, 11, 12]), typeId = random.below(local.endId);
      const path = ["0", ...Array.from({ length: random.below(5) }, () => random.below(4))].join(":");
      const relocation = { offset: 0, typeId, accessString: kind < 8 ? path : random.of(["0", "1"]), kind };
      let held: bigint | undefined;
      const attempt = (insns: Uint8Array) => {
        try {
          relocator.relocate(insns, [relocation], "attempt", (_, { local }) => held = local.value);
          return true;
        } catch (error) {
          if (!(error instanceof DetraceError)) throw error;
        }
      };
      attempt(mov(0));
      const insns = mov(Number(BigInt.asIntN(32, held ?? 0n)));
      if (attempt(insns.slice())) all.push({ name: `f${n}`, insns, coreRelocations: [relocation] });
    }
    let min: Btf, expected: string[];
    try {
      expected = relocated(local, target, all);
      min = Btf.parse(minimalBtf(target, [{ btf: local, functions: all }]));
    } catch (error) {
      if (!(error instanceof DetraceError)) throw error;
      continue; // what came before decided differently, or types refer to others that do not exist
    }
    assertEquals(relocated(local, min, all), expected, `seed ${seed}`);
    if (min.endId > 1) compared += all.length;
  }
  assertGreater(compared, 300);
});

Deno.test(
  "opensnoop needs less than a thousandth of the running kernel's types (needs /sys/kernel/btf/vmlinux)",
  { ignore: !exists("/sys/kernel/btf/vmlinux") },
  () => {
    using object = new Opensnoop();
    const { btfBytes, programs, functions } = object.spec, full = loadKernelBtf();
    const local = Btf.parse(btfBytes!, { pointerSize: 8 }),
      all = [...programs.values(), ...functions.values()];
    const min = Btf.parse(minimalBtf(full, [{ btf: local, functions: all }]));
    assert(min.endId > 1 && min.endId < full.endId / 1000, `${min.endId} types`);
    assertEquals(relocated(local, min, all), relocated(local, full, all));
  },
);
