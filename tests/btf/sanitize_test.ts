import { assertEquals, assertThrows } from "@std/assert";
import { Btf, BTF_KIND_DATASEC, BTF_KIND_FUNC, BTF_KIND_VAR, BtfError } from "../../lib/btf/btf.ts";
import { decodeType } from "../../lib/btf/decode.ts";
import { BtfBuilder } from "../../lib/btf/build.ts";
import { fixupDatasecs } from "../../lib/btf/fixup.ts";
import { ALL_FEATURES, type BtfFeatures, sanitizeBtf } from "../../lib/btf/sanitize.ts";
import { Elf } from "../../lib/elf/elf.ts";
import { closeFd } from "../../lib/sys/door.ts";
import { btfLoad } from "../../lib/sys/bpf.ts";

/** BTF of a fixture, as clang wrote it and fixed. */
function fixture(name: string): { raw: Btf; fixed: Btf } {
  const elf = Elf.parse(Deno.readFileSync(new URL(`../fixtures/btf/${name}.bpf.o`, import.meta.url)));
  const raw = Btf.parse(elf.data(elf.section(".BTF")!), { pointerSize: 8 });
  const symbols = elf.symbols("static");
  const symbolOf = (name: string) => symbols.find((symbol) => symbol.name === name);
  const bytes = fixupDatasecs(
    raw,
    (section) => elf.section(section)?.size,
    (section, variable) => {
      const symbol = symbolOf(variable);
      return symbol && elf.sections[symbol.shndx]?.name === section ? symbol.value : undefined;
    },
    (name) => symbolOf(name)?.visibility === 2,
  );
  return { raw, fixed: Btf.parse(bytes, { pointerSize: 8 }) };
}

const NOTHING = Object.fromEntries(
  Object.keys(ALL_FEATURES).map((key) => [key, false]),
) as unknown as BtfFeatures;

const variables = (btf: Btf, section: string) => {
  const id = btf.find(section, BTF_KIND_DATASEC)!;
  return Array.from({ length: btf.vlen(id) }, (_, i) => {
    const { type, offset, size } = btf.secinfo(id, i);
    return [btf.name(type), offset, size];
  });
};

Deno.test("sections get the size and the offsets that the ELF file says, sorted", () => {
  const { raw, fixed } = fixture("externs");
  assertEquals(variables(raw, ".bss").map(([, offset]) => offset), [0, 0]);
  assertEquals(fixed.sizeOf(fixed.find(".bss", BTF_KIND_DATASEC)!), 8);
  assertEquals(variables(fixed, ".bss"), [["hidden", 0, 4], ["counter", 4, 4]]);
  assertEquals(raw.endId, fixed.endId);
});

Deno.test("hidden functions and variables become static", () => {
  const { raw, fixed } = fixture("externs");
  const linkages = (btf: Btf) => [
    btf.funcLinkage(btf.find("helper", BTF_KIND_FUNC)!),
    btf.funcLinkage(btf.find("program", BTF_KIND_FUNC)!),
    btf.varLinkage(btf.find("hidden", BTF_KIND_VAR)!),
    btf.varLinkage(btf.find("counter", BTF_KIND_VAR)!),
  ];
  assertEquals(linkages(raw), [1, 1, 1, 1]);
  assertEquals(linkages(fixed), [0, 1, 0, 1]);
});

Deno.test("a section or variable that the ELF file does not have is refused; one that is fixed is kept", () => {
  const builder = new BtfBuilder();
  const int = builder.addInt("int", 4), x = builder.addVar("x", int), y = builder.addVar("y", int);
  const info = (type: number, offset: number) => ({ type, offset, size: 4 });
  builder.addDatasec(".data", 0, [info(x, 0), info(y, 0)]);
  builder.addDatasec(".bss", 8, [info(y, 4), info(x, 0)]);
  const btf = Btf.parse(builder.build(false), { name: "a.o's BTF" });
  assertThrows(
    () => fixupDatasecs(btf, () => undefined, () => 0),
    BtfError,
    "a.o's BTF describes a section .data",
  );
  assertThrows(
    () => fixupDatasecs(btf, () => 8, () => undefined),
    BtfError,
    "a variable x, which is not in section .data",
  );
  const fixed = Btf.parse(fixupDatasecs(btf, () => 16, (_, name) => name === "x" ? 12 : 8));
  assertEquals(variables(fixed, ".data"), [["y", 8, 4], ["x", 12, 4]]);
  assertEquals(variables(fixed, ".bss"), [["x", 0, 4], ["y", 4, 4]]);
});

Deno.test("externs become variables that a kernel takes", () => {
  const { fixed } = fixture("externs");
  const btf = Btf.parse(sanitizeBtf(fixed, ALL_FEATURES));
  assertEquals(variables(btf, ".ksyms"), [["dummy_ksym", 0, 4], ["bpf_prog_active", 4, 4]]);
  assertEquals(btf.sizeOf(btf.find("bpf_prog_active")!), 4);
  assertEquals(
    variables(btf, ".kconfig").map(([name]) => name),
    variables(fixed, ".kconfig").map(([name]) => name),
  );
  const func = btf.find("bpf_cast_to_kern_ctx", BTF_KIND_FUNC)!;
  assertEquals(btf.funcLinkage(func), 1);
  assertEquals(btf.paramName(btf.sizeOrType(func), 0), "dummy_ksym");
  assertEquals(btf.varLinkage(btf.find("CONFIG_BPF")!), 1);
  // Instructions and line records use ids and string offsets: they stay.
  for (let id = 1; id < fixed.endId; id++) assertEquals(btf.name(id), fixed.name(id));
  assertEquals(btf.string(fixed.stringEnd - 2), fixed.string(fixed.stringEnd - 2));
});

Deno.test("an old kernel gets no kind that it does not know, under the same ids", () => {
  for (const name of ["shapes", "externs"]) {
    const { fixed } = fixture(name);
    const btf = Btf.parse(sanitizeBtf(fixed, NOTHING), { pointerSize: 8 });
    const known = new Set(
      "void int ptr array struct union enum fwd typedef volatile const restrict".split(" "),
    );
    for (let id = 0; id < btf.endId; id++) {
      assertEquals([id, known.has(decodeType(btf, id).kind)], [id, true]);
    }
    const replaced: Record<string, string> = {
      var: "int",
      decl_tag: "int",
      datasec: "struct",
      func_proto: "enum",
      func: "typedef",
      float: "struct",
      type_tag: "const",
      enum64: "union",
    };
    for (let id = 0; id < fixed.endId; id++) {
      const { kind } = decodeType(fixed, id);
      assertEquals([id, decodeType(btf, id).kind], [id, replaced[kind] ?? kind]);
      if (decodeType(btf, id).kind === "enum") assertEquals(btf.enumIsSigned(id), false);
    }
  }
});

Deno.test("each replacement has the shape that the one it replaces had", () => {
  const builder = new BtfBuilder();
  const int = builder.addInt("int", 4);
  const variable = builder.addVar("x", int);
  const section = builder.addDatasec("?.data.x", 8, [{ type: variable, offset: 4, size: 4 }]);
  const tag = builder.addTypeTag("rcu", int);
  const wide = builder.addEnum64("wide", 8, [{ name: "A", value: 1n << 40n }]);
  const func = builder.addFunc("f", builder.addFuncProto(0, [{ name: "", type: int }]), 1);
  const sanitize = (less: Partial<BtfFeatures>) => {
    for (const little of [true, false]) {
      const btf = Btf.parse(sanitizeBtf(Btf.parse(builder.build(little)), { ...ALL_FEATURES, ...less }));
      assertEquals(btf.littleEndian, little);
      if (!little) return btf;
    }
    throw new Error("unreachable");
  };
  const member = (name: string, type: number, bitOffset = 0) => ({ name, type, bitOffset, bitfieldSize: 0 });
  assertEquals(decodeType(sanitize({ datasec: false }), section), {
    kind: "struct",
    id: section,
    name: "__data_x",
    size: 8,
    members: [member("x", variable, 32)],
  });
  assertEquals(sanitize({ datasec: false }).sizeOf(variable), 1);
  assertEquals(sanitize({ qmarkDatasec: false }).name(section), "_.data.x");
  assertEquals(decodeType(sanitize({ typeTag: false }), tag), {
    kind: "const",
    id: tag,
    name: "",
    type: int,
  });
  const enums = sanitize({ enum64: false });
  assertEquals(decodeType(enums, wide), {
    kind: "union",
    id: wide,
    name: "wide",
    size: 8,
    members: [member("A", func + 1)],
  });
  assertEquals(enums.name(func + 1), "enum64_placeholder");
  assertEquals(sanitize({ funcGlobal: false }).funcLinkage(func), 0);
  assertEquals(sanitize({}).funcLinkage(func), 1);
});

Deno.test("damaged externs are refused", () => {
  const builder = new BtfBuilder();
  const int = builder.addInt("int", 4);
  builder.addDatasec(".ksyms", 0, [{ type: int, offset: 0, size: 0 }]);
  assertThrows(() => sanitizeBtf(Btf.parse(builder.build()), ALL_FEATURES), BtfError, "type 1 is not a var");
});

Deno.test("the running kernel takes all of it (needs root)", { ignore: Deno.uid() !== 0 }, () => {
  for (const name of ["shapes", "externs"]) {
    const { fixed } = fixture(name);
    const old = ["func", "funcGlobal", "float", "typeTag", "enum64", "declTag"].map((key) => ({
      ...ALL_FEATURES,
      [key]: false,
    }));
    for (const can of [ALL_FEATURES, NOTHING, ...old]) closeFd(btfLoad(sanitizeBtf(fixed, can)));
  }
});
