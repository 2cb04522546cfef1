import { assert, assertEquals, assertThrows } from "@std/assert";
import { openFds } from "../root.ts";
import { Elf, PF_W, PF_X, PT_LOAD, STB_GLOBAL, STB_LOCAL, STB_WEAK } from "detrace/lib/elf/elf.ts";
import { DetraceError } from "detrace/lib/error.ts";
import { fileOffset, findFunctions, matchFunctions, withElf } from "detrace/lib/symbols/elf_file.ts";
import { ARCH } from "detrace/lib/sys/door.ts";
import { strings, symbolTable, writeElf } from "../elf/elf_writer.ts";

const library = (arch: string) => new URL(`../fixtures/links/probes.${arch}.so`, import.meta.url).pathname;
const FUNC = 2, IFUNC = 10, OBJECT = 1;

/** A file whose code is at 0x1000 in memory, with these symbols in its full table. */
function program(
  ...symbols: (readonly [name: string, value: number, binding: number, type: number, shndx?: number])[]
): Elf {
  const names = strings(symbols.map(([name]) => name));
  const table = symbols.map(([name, value, binding, type, shndx = 1]) => (
    { name, value, info: binding << 4 | type, shndx }
  ));
  return Elf.parse(writeElf({
    sections: [
      { name: ".text", type: 1, addr: 0x1000, data: new Uint8Array(256) },
      { name: ".symtab", type: 2, link: 3, entsize: 24, data: symbolTable(table, names.at) },
      { name: ".strtab", type: 3, data: names.data },
    ],
    segments: [{ type: PT_LOAD, flags: 4 | PF_X, section: 1, vaddr: 0x1000 }],
  }));
}
const at = (elf: Elf, address: number) => fileOffset(elf, address, PF_X)!;

Deno.test("an address becomes the place of its byte in the file, in a segment of the right kind", () => {
  for (const arch of ["x86", "arm64"]) {
    const bytes = Deno.readFileSync(library(arch)), elf = Elf.parse(bytes);
    const [table] = elf.symbols("dynamic", (name) => name === "table");
    const place = fileOffset(elf, table!.value, 0)!;
    assertEquals(new DataView(bytes.buffer).getBigUint64(place, true), 0x1122334455667788n);
    assertEquals(fileOffset(elf, table!.value, PF_X), undefined);
    assertEquals(fileOffset(elf, table!.value, PF_W), undefined);
    assertEquals(fileOffset(elf, 1e9, 0), undefined);
    assertEquals(fileOffset(elf, -1, 0), undefined);
  }
});

Deno.test("of functions of one name the global one comes before a weak one, and that before local ones", () => {
  const elf = program(
    ...[["f", 0x1010, STB_LOCAL, FUNC], ["f", 0x1020, STB_WEAK, FUNC]] as const,
    ...[["f", 0x1030, STB_GLOBAL, FUNC], ["g", 0x1040, STB_LOCAL, FUNC]] as const,
    ...[["g", 0x1050, STB_WEAK, FUNC], ["h", 0x1060, STB_LOCAL, FUNC], [
      "h",
      0x1060,
      STB_LOCAL,
      FUNC,
    ]] as const,
  );
  assertEquals(
    findFunctions(elf, ["g", "f", "h"]),
    [0x1050, 0x1030, 0x1060].map((address) => at(elf, address)),
  );
});

Deno.test("names of two functions, of data, of what is elsewhere, of none are refused", () => {
  const elf = program(
    ...[["twice", 0x1010, STB_LOCAL, FUNC], ["twice", 0x1020, STB_LOCAL, FUNC]] as const,
    ...[["data", 0x1030, STB_GLOBAL, OBJECT], ["import", 0x1040, STB_GLOBAL, FUNC, 0]] as const,
    ...[["outside", 0x9000, STB_GLOBAL, FUNC], ["chosen", 0x1050, STB_GLOBAL, IFUNC]] as const,
  );
  assertThrows(() => findFunctions(elf, ["twice"]), DetraceError, "there is more than one function twice");
  for (const name of ["data", "import", "outside", "none", ""]) {
    assertThrows(() => findFunctions(elf, [name]), DetraceError, `there is no function ${name}`);
  }
  assertThrows(() => findFunctions(elf, ["chosen"]), DetraceError, "chosen is one of several functions");
  assertEquals(matchFunctions(elf, () => true).length, 2);
});

Deno.test("versions are read from names of the full table as from the dynamic one", () => {
  const full = program(
    ...[["f@V1", 0x1010, STB_GLOBAL, FUNC], ["f@@V2", 0x1020, STB_GLOBAL, FUNC]] as const,
    ...[["g@V1", 0x1030, STB_GLOBAL, FUNC]] as const,
  );
  const places = (...addresses: number[]) => addresses.map((address) => at(full, address));
  assertEquals(
    findFunctions(full, ["f", "f@V1", "f@V2", "f@@V2", "g"]),
    places(0x1020, 0x1010, 0x1020, 0x1020, 0x1030),
  );
  assertThrows(() => findFunctions(full, ["f@V3"]), DetraceError, "there is no function f@V3");
  assertEquals(matchFunctions(full, (name) => name === "f" || name === "g"), places(0x1020));
  for (const arch of ["x86", "arm64"]) {
    const elf = Elf.parse(Deno.readFileSync(library(arch)));
    const [old, now] = findFunctions(elf, ["old_versioned", "new_versioned"]);
    assertEquals(findFunctions(elf, ["versioned", "versioned@V1", "versioned@V2"]), [now!, old!, now!]);
    // An alias is the same place.
    assertEquals(matchFunctions(elf, (name) => name.includes("versioned")).sort(), [old!, now!]);
  }
});

Deno.test("only regular ELF files of this machine are opened, and errors name them", () => {
  const ours = library(ARCH), foreign = library(ARCH === "x86" ? "arm64" : "x86");
  assertEquals(withElf(ours, (elf) => elf.machine), ARCH === "x86" ? 62 : 183);
  const directory = Deno.makeTempDirSync();
  const fifo = `${directory}/fifo`, cut = `${directory}/cut`, text = `${directory}/text`;
  new Deno.Command("mkfifo", { args: [fifo] }).outputSync();
  Deno.writeFileSync(cut, Deno.readFileSync(ours).subarray(0, 1000));
  Deno.writeTextFileSync(text, "#!/bin/sh\n");
  const refused: [string, string][] = [
    [foreign, "this ELF file is for another kind of processor"],
    [fifo, "this is not a regular file"],
    [directory, "this is not a regular file"],
    ["/dev/zero", "this is not a regular file"],
    [cut, "this ELF file is cut short"],
    [text, "this is not an ELF file"],
  ];
  const before = openFds();
  for (const [path, sentence] of refused) {
    const error = assertThrows(() => withElf(path, () => 0), DetraceError, sentence);
    assert(error.message.startsWith(`${path}: `));
  }
  assertThrows(() => withElf(`${directory}/none`, () => 0), DetraceError, "no such file");
  assert(openFds() <= before, "descriptors were left open");
  Deno.removeSync(directory, { recursive: true });
});
