import { assert, assertEquals, assertThrows } from "@std/assert";
import { Elf, ElfError, SHT_DYNSYM, SHT_SYMTAB } from "../../lib/elf/elf.ts";
import { SymbolTable } from "../../lib/symbols/symbol_table.ts";
import { strings, type SymbolSpec, symbolTable, writeElf } from "../elf/elf_writer.ts";

const FUNC = 2, GLOBAL = 0x10, WEAK = 0x20;

function elfOf(symbols: SymbolSpec[], littleEndian = true): Elf {
  const names = strings(symbols.map(({ name }) => name));
  return Elf.parse(writeElf({
    littleEndian,
    sections: [
      { name: ".strtab", type: 3, data: names.data },
      { name: ".symtab", type: 2, link: 1, entsize: 24, data: symbolTable(symbols, names.at, littleEndian) },
    ],
  }));
}

function finder(table: SymbolTable): (address: number) => string | undefined {
  return (address) => {
    const found = table.find(address);
    return found && `${found.name}+${found.offset}`;
  };
}

const text = (bytes: string) => new TextEncoder().encode(bytes);

Deno.test("an address belongs to the function that reaches it, in both byte orders", () => {
  for (const littleEndian of [true, false]) {
    const elf = elfOf([
      { name: "c", value: 0x3000, size: 0x10, info: FUNC, shndx: 1 },
      { name: "a", value: 0x1000, size: 0x100, info: GLOBAL | FUNC, shndx: 1 },
      { name: "ifunc", value: 0x2000, size: 8, info: GLOBAL | 10, shndx: 1 },
      { name: "data", value: 0x1080, size: 4, info: GLOBAL | 1, shndx: 1 },
      { name: "elsewhere", value: 0x1090, size: 4, info: GLOBAL | FUNC },
    ], littleEndian);
    const find = finder(SymbolTable.fromElf(elf, SHT_SYMTAB)!);
    assertEquals([0xfff, 0x1000, 0x1090, 0x10ff, 0x1100].map(find), [
      undefined,
      "a+0",
      "a+144",
      "a+255",
      undefined,
    ]);
    assertEquals([0x2007, 0x2008, 0x300f, 0x3010].map(find), ["ifunc+7", undefined, "c+15", undefined]);
    assertEquals(SymbolTable.fromElf(elf, SHT_DYNSYM), undefined);
  }
});

Deno.test("a function without a size reaches to the next one, but not out of one around it", () => {
  const table = SymbolTable.fromElf(
    elfOf([
      { name: "open_end", value: 0x100, info: FUNC, shndx: 1 },
      { name: "outer", value: 0x200, size: 0x100, info: FUNC, shndx: 1 },
      { name: "label", value: 0x240, info: FUNC, shndx: 1 },
      { name: "inner", value: 0x280, size: 0x10, info: FUNC, shndx: 1 },
      { name: "last", value: 0x400, info: FUNC, shndx: 1 },
    ]),
    SHT_SYMTAB,
  )!;
  assertEquals([0x1ff, 0x250, 0x288, 0x290, 0x300, 0x9999].map(finder(table)), [
    "open_end+255",
    "outer+80",
    "inner+8",
    "outer+144",
    undefined,
    "last+38297",
  ]);
});

Deno.test("of several names the one is taken that users write, without its version", () => {
  const names = (...symbols: SymbolSpec[]) =>
    finder(
      SymbolTable.fromElf(
        elfOf(symbols.map((symbol) => ({ value: 16, size: 4, shndx: 1, ...symbol }))),
        SHT_SYMTAB,
      )!,
    )(16);
  assertEquals(
    names({ name: "__malloc", info: GLOBAL | FUNC }, { name: "malloc", info: WEAK | FUNC }),
    "malloc+0",
  );
  assertEquals(names({ name: "local", info: FUNC }, { name: "global", info: GLOBAL | FUNC }), "global+0");
  assertEquals(
    names({ name: "weak", info: WEAK | FUNC }, { name: "strong", info: GLOBAL | FUNC }),
    "strong+0",
  );
  assertEquals(names({ name: "start", info: GLOBAL | FUNC, size: 0 }, { name: "_f", info: FUNC }), "_f+0");
  assertEquals(names({ name: "first", info: FUNC }, { name: "second", info: FUNC }), "first+0");
  assertEquals(names({ name: "open@@GLIBC_2.2.5", info: GLOBAL | FUNC }), "open+0");
  assertEquals(names({ name: "bell\x1b[2J", info: GLOBAL | FUNC }), "bell+0");
});

Deno.test("a symbol table that lies is an ElfError, names outside of the table are empty", () => {
  const elf = elfOf([{ name: "f", value: 16, size: 4, info: FUNC, shndx: 1 }]);
  const bytes = elf.bytes;
  const view = new DataView(bytes.buffer);
  view.setUint32(elf.section(".symtab")!.offset + 24, 0xfffffff0, true);
  assertEquals(SymbolTable.fromElf(elf, SHT_SYMTAB)!.find(17), { name: "", offset: 1 });
  view.setUint32(view.getUint32(40, true) + 64 * 2 + 32, 1 << 30, true); // sh_size
  assertThrows(() => SymbolTable.fromElf(Elf.parse(bytes), SHT_SYMTAB), ElfError, "cut short");
});

Deno.test("many functions are sorted as a plain sort does it", () => {
  let seed = 7;
  const starts = Float64Array.from({ length: 5000 }, () => (seed = seed * 48271 % 0x7fffffff) * 65536);
  const table = new SymbolTable(text("f"), starts, new Uint32Array(5000), new Uint32Array(5000));
  const sorted = starts.toSorted();
  for (let i = 0; i < 4999; i++) {
    assertEquals(table.find(sorted[i + 1]! - 1)?.offset, sorted[i + 1]! - 1 - sorted[i]!);
  }
  assertEquals(table.find(sorted[0]! - 1), undefined);
});

Deno.test("a perf map gives the names that a JIT wrote, the last one for an address", () => {
  const table = SymbolTable.fromPerfMap(text(
    "7F0000001000 10 old\n7f0000002000 20 JS:*été (a b).js:1\nnonsense\n\n1000\n2000 5\n3000 0 empty\n" +
      "4000 4 \nffffffffffffffffffffff 5 far\n7f0000001000 20 new\n5000 10 with@sign\n6000 10 cut sho",
  ));
  assertEquals([0x7f0000001018, 0x7f0000002000, 0x5001].map(finder(table)), [
    "new+24",
    "JS:*été (a b).js:1+0",
    "with@sign+1",
  ]);
  for (const address of [0x1000, 0x2000, 0x3000, 0x4000, 0x6000]) {
    assertEquals(table.find(address), undefined);
  }
  assertEquals(SymbolTable.fromPerfMap(text("")).find(1), undefined);
});

Deno.test("a perf map of nothing but line ends is read quickly", () => {
  const start = performance.now();
  SymbolTable.fromPerfMap(new Uint8Array(8 << 20).fill(10));
  SymbolTable.fromPerfMap(new Uint8Array(8 << 20).fill(0x31));
  assert(performance.now() - start < 3000);
});
