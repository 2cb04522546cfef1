import { assertEquals, assertThrows } from "@std/assert";
import { Btf, BTF_KIND_ENUM, BTF_KIND_FUNC, BTF_KIND_STRUCT, BtfError } from "../../lib/btf/btf.ts";
import { BtfBuilder } from "../../lib/btf/build.ts";
import { declarations, printAll, printDeclaration, printType } from "../../lib/btf/print.ts";
import { Elf } from "../../lib/elf/elf.ts";

const fixture = (name: string) => new URL(`../fixtures/btf/${name}`, import.meta.url);

function shapes(): Btf {
  const elf = Elf.parse(Deno.readFileSync(fixture("shapes.bpf.o")));
  return Btf.parse(elf.data(elf.section(".BTF")!), { pointerSize: 8 });
}

Deno.test("all types are printed as libbpf prints them", () => {
  assertEquals(printAll(shapes()), Deno.readTextFileSync(fixture("shapes.h")));
});

Deno.test("chosen types are printed with what they need and no more", () => {
  const btf = shapes();
  assertEquals(
    printAll(btf, [btf.find("user", BTF_KIND_STRUCT)!, btf.find("negative", BTF_KIND_ENUM)!]),
    "typedef struct {\n\tint counter;\n} atomic_t;\n\nstruct later;\n\ntypedef struct later later_t;\n\n" +
      "struct user {\n\tlater_t *pointer;\n\tatomic_t count;\n};\n\nenum negative {\n\tMINUS = -1,\n\tPLUS = 1,\n};\n\n",
  );
});

Deno.test("one type is printed alone", () => {
  const btf = shapes(),
    print = (name: string, ...kinds: number[]) => printType(btf, btf.find(name, ...kinds)!);
  assertEquals(print("callback_t"), "typedef int (*callback_t)(struct declared_only *, const char *, ...);");
  assertEquals(print("use", BTF_KIND_FUNC), "int use(int x, struct node *node);");
  assertEquals(
    print("small"),
    "enum small {\n\tSMALL_A = 0,\n\tSMALL_B = 200,\n} __attribute__((mode(byte)));",
  );
  assertEquals(print(".data"), "int t;\nint s;");
  assertEquals(print("declared_only"), "struct declared_only;");
  assertEquals(print("__int128"), "__int128");
  assertEquals(print("guarded"), '__attribute__((btf_decl_tag("guarded")))');
  assertEquals(printType(btf, 0), "void");
  const node = btf.find("node", BTF_KIND_STRUCT)!;
  assertEquals(printType(btf, btf.memberType(node, 0)), "struct node *");
  assertEquals(printDeclaration(btf, btf.memberType(node, 0), "next"), "struct node *next");
  assertEquals(printDeclaration(btf, btf.find("matrix_t")!, "m"), "matrix_t m");
});

Deno.test("types and identifiers of one name get numbers, forward declarations do not", () => {
  const builder = new BtfBuilder();
  const int = builder.addInt("int", 4, { signed: true });
  builder.addFwd("a");
  const first = builder.addStruct("a", 4, [{ name: "x", type: int, bitOffset: 0 }]);
  const second = builder.addStruct("a", 4, [{ name: "y", type: first, bitOffset: 0 }]);
  builder.addTypedef("A", second);
  builder.addEnum("", 4, [{ name: "A", value: 1 }]);
  builder.addUnion("b", 4, [{ name: "z", type: builder.addPtr(second), bitOffset: 0 }]);
  assertEquals(
    printAll(Btf.parse(builder.build())),
    "struct a;\n\nstruct a {\n\tint x;\n};\n\nstruct a___2 {\n\tstruct a y;\n};\n\ntypedef struct a___2 A;\n\n" +
      "enum {\n\tA___2 = 1,\n};\n\nunion b {\n\tstruct a___2 *z;\n};\n\n",
  );
});

Deno.test("gaps that a compiler would not leave are spelled out", () => {
  const builder = new BtfBuilder();
  const int = builder.addInt("int", 4, { signed: true }), char = builder.addInt("char", 1, { char: true });
  const bits = builder.addStruct("bits", 16, [
    { name: "a", type: int, bitOffset: 3, bitfieldSize: 2 },
    { name: "b", type: int, bitOffset: 32, bitfieldSize: 1 },
    { name: "c", type: char, bitOffset: 64 },
  ]);
  const packed = builder.addStruct("packed", 6, [
    { name: "c", type: char, bitOffset: 0 },
    { name: "i", type: int, bitOffset: 8 },
  ]);
  const btf = Btf.parse(builder.build());
  assertEquals(
    printType(btf, bits),
    "struct bits {\n\tchar: 3;\n\tint a: 2;\n\tint: 27;\n\tint b: 1;\n\tlong: 0;\n\tchar c;\n\tlong: 0;\n};",
  );
  assertEquals(
    printType(btf, packed),
    "struct packed {\n\tchar c;\n\tint i;\n\tshort: 0;\n} __attribute__((packed));",
  );
});

Deno.test("types that cannot be are refused, not printed for ever", () => {
  const refuse = (make: (builder: BtfBuilder) => void, sentence: string) => {
    const builder = new BtfBuilder();
    make(builder);
    assertThrows(() => printAll(Btf.parse(builder.build())), BtfError, sentence);
  };
  refuse((b) => b.addStruct("self", 4, [{ name: "x", type: 1, bitOffset: 0 }]), "contains itself");
  refuse((b) => b.addPtr(1), "nested too deep");
  refuse((b) => b.addArray(1, 1, 2), "nested too deep");
  refuse((b) => b.addTypedef("t", b.addConst(99)), "has no type 99");
  refuse((b) => b.addTypedef("t", b.addVar("v", 0)), "is no type of a value");
  refuse((b) => b.addStruct("huge", 0xffffffff, []), "too entangled");
  // Each prototype has the one before twice: two to the power of forty.
  refuse((b) => {
    let type = b.addFuncProto(0, []);
    for (let i = 0; i < 40; i++) type = b.addFuncProto(0, [{ name: "a", type }, { name: "b", type }]);
    b.addTypedef("t", b.addPtr(type));
  }, "too entangled");
});

Deno.test("a section that lists a section, perhaps itself, is refused", () => {
  const builder = new BtfBuilder();
  const section = builder.addDatasec(".data", 8, [{ type: builder.nextId, offset: 0, size: 8 }]);
  assertThrows(() => printType(Btf.parse(builder.build()), section), BtfError, "holds a section");
});

Deno.test("split BTF is printed without what its base has, under names that the base has not taken", () => {
  const builder = new BtfBuilder(), int = builder.addInt("int", 4, { signed: true });
  const first = builder.addStruct("a", 4, [{ name: "x", type: int, bitOffset: 0 }]);
  const base = Btf.parse(builder.build()), more = new BtfBuilder(base);
  const second = more.addStruct("a", 4, [{ name: "y", type: first, bitOffset: 0 }]);
  more.addTypedef("b", second);
  const split = Btf.parse(more.build(), { base });
  const own = "struct a___2 {\n\tstruct a y;\n};\n\ntypedef struct a___2 b;\n\n";
  assertEquals(printAll(split), own);
  assertEquals(
    printAll(split, [second]),
    "struct a {\n\tint x;\n};\n\nstruct a___2 {\n\tstruct a y;\n};\n\n",
  );
  assertEquals(printAll(Btf.parse(new BtfBuilder(base).build(), { base })), "");
});

Deno.test("declarations do not depend on those before", () => {
  const builder = new BtfBuilder(), a = builder.addStruct("a", 0, []), b = builder.addStruct("a", 0, []);
  const declare = declarations(Btf.parse(builder.build()));
  assertEquals([declare(a, "x"), declare(b, "y"), declare(a, "")], ["struct a x", "struct a y", "struct a"]);
});
