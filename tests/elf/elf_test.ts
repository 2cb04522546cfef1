import { assert, assertEquals, assertThrows } from "@std/assert";
import { Elf, ElfError, type ElfSection } from "../../lib/elf/elf.ts";
import { Bytes, strings, symbolTable, writeElf } from "./elf_writer.ts";

const orders = [true, false];

/** One file with everything in it that the reader knows. */
function sample(littleEndian: boolean, overflow = false): Uint8Array<ArrayBuffer> {
  const bytes = () => new Bytes(littleEndian);
  const names = strings(["f", "été", "open64", "GLIBC_2.2.5", "MINE_1", "MINE_2", "libc.so.6", "new", "old"]);
  const at = names.at;
  const note = (align: number, name: string, type: number, desc: string) =>
    bytes().add(4, name.length + 1, desc.length, type).raw(name + "\0").align(align).raw(desc).align(align)
      .done();
  return writeElf({
    littleEndian,
    overflow,
    type: 3,
    machine: 62,
    entry: 0x1010,
    segments: [
      { type: 1, flags: 5, section: 1, vaddr: 0x1000, align: 4096 },
      { type: 4, section: 9, align: 4 },
    ],
    sections: [
      { name: ".text", type: 1, flags: 6, addr: 0x1000, data: bytes().raw("0123456789abcdef").done() }, // 1
      { name: ".bss", type: 8, flags: 3, addr: 0xffffffff81000000n, size: 1 << 30 }, // 2
      { name: ".strtab", type: 3, data: names.data }, // 3
      {
        name: ".symtab",
        type: 2,
        link: 3,
        entsize: 24,
        data: symbolTable(
          [
            { name: "f", value: 0xffffffff81000008n, size: 8, info: 0x12, other: 2, shndx: 1 },
            { name: "été", value: 5, shndx: 0xfff1 },
            { name: "", info: 3, shndx: 0xffff },
          ],
          at,
          littleEndian,
        ),
      }, // 4
      { name: ".symtab_shndx", type: 18, link: 4, entsize: 4, data: bytes().add(4, 0, 0, 0, 70000).done() }, // 5
      {
        name: ".dynsym",
        type: 11,
        link: 3,
        entsize: 24,
        data: symbolTable(
          [{ name: "open64", info: 0x12 }, { name: "new", shndx: 1 }, { name: "old", shndx: 1 }, {
            name: "f",
          }],
          at,
          littleEndian,
        ),
      }, // 6
      {
        name: ".rela.text",
        type: 4,
        link: 4,
        info: 1,
        entsize: 24,
        data: bytes().add(8, 4, (2n << 32n) | 10n, -4n).done(),
      }, // 7
      {
        name: ".rel.text",
        type: 9,
        link: 4,
        info: 1,
        entsize: 16,
        data: bytes().add(8, 8, (1n << 32n) | 3n).done(),
      }, // 8
      { name: ".note.gnu.build-id", type: 7, addralign: 4, data: note(4, "GNU", 3, "\x01\x02\x03\x0a") }, // 9
      {
        name: ".note.two",
        type: 7,
        addralign: 8,
        data: bytes().raw(note(8, "stapsdt", 3, "abc")).raw(note(8, "", 9, "")).done(),
      }, // 10
      { name: ".gnu.version", type: 0x6fffffff, entsize: 2, data: bytes().add(2, 0, 4, 3, 0x8002, 1).done() }, // 11
      {
        name: ".gnu.version_d",
        type: 0x6ffffffd,
        link: 3,
        data: bytes()
          .add(2, 1, 0, 2, 1).add(4, 0, 20, 28).add(4, at("MINE_1"), 0)
          .add(2, 1, 0, 3, 2).add(4, 0, 20, 0).add(4, at("MINE_2"), 8).add(4, at("MINE_1"), 0).done(),
      }, // 12
      {
        name: ".gnu.version_r",
        type: 0x6ffffffe,
        link: 3,
        data: bytes().add(2, 1, 1).add(4, at("libc.so.6"), 16, 0).add(4, 0).add(2, 0, 4).add(
          4,
          at("GLIBC_2.2.5"),
          0,
        )
          .done(),
      }, // 13
      { name: ".zdebug", type: 1, flags: 0x800, data: new Uint8Array(8) }, // 14
    ],
  });
}

/** Asks for everything that is in a file. */
function readAll(elf: Elf) {
  const tries: (() => unknown)[] = [
    () => elf.symbols("static"),
    () => elf.symbols("dynamic"),
    () => elf.notes(),
    () => elf.buildId(),
    ...elf.sections.flatMap((section) => [() => elf.data(section), () => elf.relocations(section)]),
  ];
  for (const attempt of tries) {
    try {
      attempt();
    } catch (error) {
      if (!(error instanceof ElfError)) throw error;
    }
  }
}

Deno.test("the file header, sections and segments are read in both byte orders", () => {
  for (const littleEndian of orders) {
    const bytes = sample(littleEndian);
    const elf = Elf.parse(bytes);
    assertEquals([elf.littleEndian, elf.type, elf.machine, elf.entry], [littleEndian, 3, 62, 0x1010]);
    assertEquals(elf.sections.length, 16);
    assertEquals(elf.sections.map((section) => section.index), Array.from(elf.sections.keys()));
    assertEquals(elf.section(".symtab"), elf.sections[4]);
    assertEquals({ ...elf.section(".rela.text")!, offset: 0 }, {
      index: 7,
      name: ".rela.text",
      type: 4,
      flags: 0,
      addr: 0,
      offset: 0,
      size: 24,
      link: 4,
      info: 1,
      addralign: 1,
      entsize: 24,
    });
    assertEquals(elf.section("nothing"), undefined);
    assertEquals(elf.segments[0], {
      type: 1,
      flags: 5,
      offset: elf.section(".text")!.offset,
      vaddr: 0x1000,
      filesz: 16,
      memsz: 16,
      align: 4096,
    });
    assertEquals(elf.bytes, bytes);
  }
});

Deno.test("a section's data is a view of the file, and zeros take no memory", () => {
  const bytes = sample(true);
  const elf = Elf.parse(bytes);
  const text = elf.data(elf.section(".text")!);
  assertEquals(new TextDecoder().decode(text), "0123456789abcdef");
  assert(text.buffer === bytes.buffer);
  assertEquals(elf.data(elf.section(".bss")!).length, 0);
  assertEquals(elf.data(elf.sections[0]!).length, 0);
});

Deno.test("an address of the kernel is an exact negative number", () => {
  const elf = Elf.parse(sample(true));
  assertEquals(BigInt.asUintN(64, BigInt(elf.section(".bss")!.addr)), 0xffffffff81000000n);
  assertEquals(BigInt.asUintN(64, BigInt(elf.symbols("static")[1]!.value)), 0xffffffff81000008n);
});

Deno.test("symbols have all their fields, and the section index that did not fit", () => {
  for (const littleEndian of orders) {
    const [empty, f, accented, section] = Elf.parse(sample(littleEndian)).symbols("static");
    assertEquals(empty!.name, "");
    assertEquals(f, {
      index: 1,
      name: "f",
      value: -0x7efffff8,
      size: 8,
      type: 2,
      binding: 1,
      visibility: 2,
      shndx: 1,
    });
    assertEquals([accented!.name, accented!.shndx], ["été", 0xfff1]);
    assertEquals([section!.type, section!.shndx], [3, 70000]);
  }
});

Deno.test("dynamic symbols have the versions they define and need", () => {
  for (const littleEndian of orders) {
    const symbols = Elf.parse(sample(littleEndian)).symbols("dynamic");
    assertEquals(symbols.map(({ name, version, versionHidden }) => [name, version, versionHidden]), [
      ["", undefined, undefined],
      ["open64", "GLIBC_2.2.5", false],
      ["new", "MINE_2", false],
      ["old", "MINE_1", true],
      ["f", undefined, undefined],
    ]);
    assert(!("version" in symbols[4]!));
  }
});

Deno.test("relocations are found by the section they apply to, and by their own section", () => {
  for (const littleEndian of orders) {
    const elf = Elf.parse(sample(littleEndian));
    const rela = { offset: 4, type: 10, symbol: 2, addend: -4 };
    const rel = { offset: 8, type: 3, symbol: 1 };
    assertEquals(elf.relocations(elf.section(".text")!), [rela, rel]);
    assertEquals(elf.relocations(elf.section(".rel.text")!), [rel]);
    assertEquals(elf.relocations(elf.section(".bss")!), []);
  }
});

Deno.test("notes are read with either alignment, from segments if there is no note section", () => {
  for (const littleEndian of orders) {
    const bytes = sample(littleEndian);
    const elf = Elf.parse(bytes);
    assertEquals(elf.notes().map(({ name, type, desc }) => [name, type, new TextDecoder().decode(desc)]), [
      ["GNU", 3, "\x01\x02\x03\x0a"],
      ["stapsdt", 3, "abc"],
      ["", 9, ""],
    ]);
    assertEquals(elf.buildId(), "0102030a");
    bytes.fill(0, 40, 48); // e_shoff: no sections any more
    const stripped = Elf.parse(bytes);
    assertEquals([stripped.sections.length, stripped.buildId()], [0, "0102030a"]);
    assertEquals([stripped.symbols("static"), stripped.symbols("dynamic")], [[], []]);
  }
});

Deno.test("counts that are too big for the file header are read from the first section header", () => {
  for (const littleEndian of orders) {
    const [plain, overflown] = [Elf.parse(sample(littleEndian)), Elf.parse(sample(littleEndian, true))];
    const strip = ({ sections }: Elf) => sections.slice(1);
    assertEquals(strip(overflown), strip(plain));
    assertEquals(overflown.segments, plain.segments);
  }
});

Deno.test("a file can be read in parts, and only the parts that are asked for", () => {
  const bytes = sample(true);
  let got = 0;
  const elf = Elf.parse({
    size: bytes.length,
    read(offset, length) {
      assert(offset >= 0 && length >= 0 && offset + length <= bytes.length);
      got += length;
      return bytes.slice(offset, offset + length);
    },
  });
  assert(got < 64 * 40);
  assertEquals(elf.symbols("dynamic")[1]!.version, "GLIBC_2.2.5");
  assertEquals(elf.buildId(), "0102030a");
});

Deno.test("what is not a 64-bit ELF file is refused in one sentence", () => {
  const refused = (bytes: Uint8Array, message: string) =>
    assertThrows(() => Elf.parse(bytes), ElfError, message);
  refused(new Uint8Array(0), "not an ELF file");
  refused(new TextEncoder().encode("#!/bin/sh\n"), "not an ELF file");
  refused(sample(true).with(4, 1), "32-bit");
  refused(sample(true).with(4, 9), "does not exist");
  refused(sample(true).with(5, 3), "does not exist");
  refused(sample(true).with(58, 63), "section headers are not 64 bytes each");
  refused(sample(true).with(54, 63), "program headers are not 56 bytes each");
  refused(sample(true).with(62, 200), "no section 200");
  refused(sample(true).with(47, 255), "beyond 2^53");
});

Deno.test("a file that is cut short anywhere gives one clear sentence, or what is left of it", () => {
  const bytes = sample(true);
  for (let length = 4; length < bytes.length; length++) {
    const error = assertThrows(() => Elf.parse(bytes.subarray(0, length)), ElfError);
    assert(error.message.startsWith("this ELF file is cut short: "), error.message);
  }
});

Deno.test("a section out of bounds is an error when it is asked for, and names itself", () => {
  const bytes = sample(true);
  const view = new DataView(bytes.buffer);
  const shoff = view.getUint32(40, true);
  const set = (name: string, field: number, value: number) =>
    view.setUint32(shoff + 64 * Elf.parse(bytes).section(name)!.index + field, value, true);
  set(".text", 32, 1 << 30);
  set(".dynsym", 56, 25);
  set(".symtab", 32, 71);
  set(".note.two", 32, 15);
  set(".gnu.version", 32, 2);
  const elf = Elf.parse(bytes);
  const asked = (ask: () => unknown, message: string) => assertThrows(ask, ElfError, message);
  asked(() => elf.data(elf.section(".text")!), 'section ".text" would end at byte');
  asked(() => elf.data(elf.section(".zdebug")!), 'section ".zdebug" is compressed');
  asked(() => elf.symbols("static"), 'section ".symtab" does not hold records of 24 bytes');
  asked(() => elf.symbols("dynamic"), 'section ".dynsym"');
  asked(() => elf.notes(), "note that is cut short");
  set(".dynsym", 56, 24);
  asked(() => Elf.parse(bytes).symbols("dynamic"), 'section ".gnu.version" does not');
});

Deno.test("lists of versions that do not end, and names that overlap without end, are refused quickly", () => {
  const names = new Uint8Array(20001).fill(0x61);
  names[0] = names[20000] = 0;
  const symbols = new Bytes().raw(new Uint8Array(24));
  for (let i = 1; i < 20000; i++) symbols.add(4, i).add(4, 0).add(8, 0, 0);
  // Each record begins a list of its own with all the records after it: 450 million of them.
  const count = 30000;
  const lists = Uint32Array.from({ length: count * 4 }, (_, i) => i % 4 < 2 || i === count * 4 - 1 ? 0 : 16);
  const bytes = writeElf({
    sections: [
      { name: ".strtab", type: 3, data: names },
      { name: ".symtab", type: 2, link: 1, entsize: 24, data: symbols.done() },
      { name: ".dynsym", type: 11, link: 6, entsize: 24, data: new Uint8Array(24) },
      { name: ".gnu.version", type: 0x6fffffff, entsize: 2, data: new Uint8Array(2) },
      { name: ".gnu.version_r", type: 0x6ffffffe, link: 6, data: new Uint8Array(lists.buffer) },
      { name: ".dynstr", type: 3, data: new Uint8Array(20) },
    ],
  });
  const elf = Elf.parse(bytes);
  const start = performance.now();
  assertThrows(() => elf.symbols("static"), ElfError, 'section ".strtab" does not hold the names');
  assertThrows(() => elf.symbols("dynamic"), ElfError, "broken symbol versions");
  assert(performance.now() - start < 1000);
});

Deno.test("damaged bytes never give anything but an ElfError", () => {
  let seed = 42;
  const random = (n: number) => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return seed % n;
  };
  for (const littleEndian of orders) {
    const good = sample(littleEndian);
    for (let round = 0; round < 3000; round++) {
      const bytes = good.slice();
      for (let i = 0; i <= random(4); i++) {
        bytes[4 + random(bytes.length - 4)] = [0, 1, 0x7f, 0x80, 0xff, random(256)][random(6)]!;
      }
      try {
        readAll(Elf.parse(bytes));
      } catch (error) {
        if (!(error instanceof ElfError)) throw error;
      }
    }
  }
});

Deno.test({
  name: "the running system's own binaries make sense",
  ignore: Deno.permissions.querySync({ name: "read" }).state !== "granted",
  fn() {
    const elf = Elf.parse(Deno.readFileSync(Deno.execPath()));
    assertEquals(elf.machine, Deno.build.arch === "x86_64" ? 62 : 183);
    const inText = (section: ElfSection) =>
      elf.entry >= section.addr && elf.entry < section.addr + section.size;
    assert(inText(elf.section(".text")!));
    const symbols = elf.symbols("dynamic");
    assertEquals(symbols.length, elf.section(".dynsym")!.size / 24);
    assert(symbols.some(({ version }) => version?.startsWith("GLIBC_")));
  },
});
