import { assertEquals, assertThrows } from "@std/assert";
import { Btf, BTF_KIND_STRUCT, BtfError } from "../../lib/btf/btf.ts";
import { decodeType } from "../../lib/btf/decode.ts";
import { BtfBuilder } from "../../lib/btf/build.ts";
import { Elf } from "../../lib/elf/elf.ts";

function fixture(name: string): Btf {
  const elf = Elf.parse(Deno.readFileSync(new URL(`../fixtures/btf/${name}.bpf.o`, import.meta.url)));
  return Btf.parse(elf.data(elf.section(".BTF")!), { pointerSize: 8 });
}

const types = (btf: Btf) => Array.from({ length: btf.endId }, (_, id) => decodeType(btf, id));

Deno.test("a builder that begins with a BTF keeps its types and ids, in either byte order", () => {
  for (const name of ["shapes", "externs"]) {
    const btf = fixture(name);
    for (const little of [true, false]) {
      const copy = Btf.parse(BtfBuilder.from(btf).build(little));
      assertEquals(copy.littleEndian, little);
      assertEquals(types(copy), types(btf));
    }
  }
});

Deno.test("equal strings are stored once", () => {
  const builder = new BtfBuilder();
  assertEquals(builder.addString(""), 0);
  assertEquals(builder.addString("pid"), 1);
  assertEquals(builder.addString("tgid"), 5);
  assertEquals(builder.addString("pid"), 1);
  assertEquals(Btf.parse(builder.build()).stringEnd, 10);
});

Deno.test("a copy brings all that a type refers to, once, cycles too", () => {
  const from = fixture("shapes"), builder = new BtfBuilder();
  const int = builder.addInt("mine", 4);
  const node = builder.copy(from, from.find("node", BTF_KIND_STRUCT)!);
  assertEquals(node, int + 1);
  const end = builder.nextId;
  assertEquals(builder.copy(from, from.find("node", BTF_KIND_STRUCT)!), node);
  assertEquals(builder.copy(from, 0), 0);
  assertEquals(builder.nextId, end);
  const btf = Btf.parse(builder.build());
  const original = decodeType(from, from.find("node", BTF_KIND_STRUCT)!), copy = decodeType(btf, node);
  if (original.kind !== "struct" || copy.kind !== "struct") throw new Error("not a struct");
  assertEquals(
    copy.members.map((m) => [m.name, m.bitOffset]),
    original.members.map((m) => [m.name, m.bitOffset]),
  );
  assertEquals(btf.sizeOrType(copy.members[0]!.type), node);
  assertEquals(btf.find("other", BTF_KIND_STRUCT) !== undefined, true);
});

Deno.test("a split builder shares the types of its base", () => {
  const base = fixture("shapes"), node = base.find("node", BTF_KIND_STRUCT)!;
  const builder = new BtfBuilder(base);
  assertEquals(builder.nextId, base.endId);
  assertEquals(builder.copy(base, node), node);
  const typedef = builder.addTypedef("node_t", node);
  const btf = Btf.parse(builder.build(), { base });
  assertEquals(btf.find("node_t"), typedef);
  assertEquals(btf.skip(typedef), node);
  assertEquals(
    decodeType(Btf.parse(BtfBuilder.from(btf).build(), { base }), typedef),
    decodeType(btf, typedef),
  );
});

Deno.test("a struct of more members than BTF can say is refused", () => {
  const builder = new BtfBuilder(), int = builder.addInt("int", 4);
  const members = Array.from({ length: 0x10000 }, () => ({ name: "", type: int, bitOffset: 0 }));
  assertThrows(() => builder.addStruct("huge", 4, members), BtfError, "a struct cannot have 65536 elements");
  builder.addStruct("large", 4, members.slice(1));
  assertEquals(Btf.parse(builder.build()).vlen(2), 0xffff);
});
