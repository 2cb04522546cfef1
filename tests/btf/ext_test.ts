import { assertEquals, assertThrows } from "@std/assert";
import { Btf, BtfError } from "../../lib/btf/btf.ts";
import { BtfBuilder } from "../../lib/btf/build.ts";
import { parseBtfExt } from "../../lib/btf/ext.ts";
import { Elf } from "../../lib/elf/elf.ts";

const builder = new BtfBuilder();
const [text, other, path, line] = [".text", "kprobe/x", "0:1", "return 0;"].map((s) => builder.addString(s));
const btf = Btf.parse(builder.build(), { name: "test.o's BTF" });

/** `.BTF.ext` of three parts. */
function ext(parts: number[][], little = true, header = 32): Uint8Array {
  const words: number[] = [header];
  let offset = 0;
  for (const part of parts) {
    words.push(offset, 4 * part.length);
    offset += 4 * part.length;
  }
  while (words.length < header / 4 - 1) words.push(0);
  const all = [...words, ...parts.flat()],
    bytes = new Uint8Array(4 + 4 * all.length),
    view = new DataView(bytes.buffer);
  view.setUint16(0, 0xeb9f, little);
  bytes[2] = 1;
  all.forEach((word, i) => view.setUint32(4 + 4 * i, word, little));
  return bytes;
}

const FUNCTIONS = [8, text!, 2, 0, 3, 16, 4, other!, 1, 8, 5];
const LINES = [16, text!, 1, 24, path!, line!, 12 << 10 | 7];
const RELOCATIONS = [16, other!, 1, 40, 2, path!, 5];

for (const little of [true, false]) {
  Deno.test(`functions, lines and CO-RE relocations are read, in ${little ? "little" : "big"}-endian order`, () => {
    const found = parseBtfExt(ext([FUNCTIONS, LINES, RELOCATIONS], little), btf);
    assertEquals(found, {
      functions: new Map([
        [".text", [{ offset: 0, typeId: 3 }, { offset: 16, typeId: 4 }]],
        ["kprobe/x", [{ offset: 8, typeId: 5 }]],
      ]),
      lines: new Map([
        [".text", [{ offset: 24, fileOffset: path!, lineOffset: line!, lineNumber: 12, column: 7 }]],
      ]),
      coreRelocations: new Map([["kprobe/x", [{ offset: 40, typeId: 2, accessString: "0:1", kind: 5 }]]]),
    });
  });
}

Deno.test("a header without a CO-RE part has no relocations, a longer one is read as far as known", () => {
  assertEquals(parseBtfExt(ext([FUNCTIONS, LINES], true, 24), btf).coreRelocations.size, 0);
  assertEquals(parseBtfExt(ext([FUNCTIONS, LINES, RELOCATIONS], true, 48), btf).coreRelocations.size, 1);
});

Deno.test("records longer than known are read as far as known", () => {
  const { functions } = parseBtfExt(ext([[12, text!, 2, 0, 3, 99, 16, 4, 99]], true, 24), btf);
  assertEquals(functions.get(".text"), [{ offset: 0, typeId: 3 }, { offset: 16, typeId: 4 }]);
});

Deno.test("a section that comes twice is one list", () => {
  const { functions } = parseBtfExt(ext([[8, text!, 1, 0, 3, text!, 1, 16, 4]], true, 24), btf);
  assertEquals(functions.get(".text")?.length, 2);
});

Deno.test("a damaged section is refused with a sentence that says what is wrong", () => {
  const refuse = (bytes: Uint8Array, sentence: string) => {
    assertEquals(
      assertThrows(() => parseBtfExt(bytes, btf), BtfError).message,
      `.BTF.ext of test.o's BTF ${sentence}`,
    );
  };
  const good = () => ext([FUNCTIONS, LINES, RELOCATIONS]);
  const patched = (at: number, value: number) => {
    const bytes = good();
    new DataView(bytes.buffer).setUint32(at, value, true);
    return bytes;
  };
  refuse(good().subarray(0, 20), "is damaged: 20 bytes are too few for a header");
  refuse(patched(0, 0), "is damaged: it does not start with BTF's magic number");
  refuse(patched(0, 0x0002eb9f), "has version 2, known is only 1");
  refuse(patched(4, 23), "is damaged: its header is 23 bytes long");
  refuse(patched(4, 5000), "is damaged: its header is 5000 bytes long");
  refuse(patched(8, 0xfffffff0), "is damaged: part 0 runs past the end");
  refuse(patched(12, 3), "is damaged: part 0 runs past the end");
  refuse(patched(12, 0xffffffff), "is damaged: part 0 runs past the end");
  refuse(patched(12, 8), "is damaged: part 0 ends within a section");
  refuse(patched(32, 4), "is damaged: records of part 0 are 4 bytes long");
  refuse(patched(32, 10), "is damaged: records of part 0 are 10 bytes long");
  refuse(patched(40, 0xffffffff), "is damaged: part 0 has more records than it is long");
  assertThrows(() => parseBtfExt(patched(36, 0xffff), btf), BtfError, "no string at offset 65535");
});

Deno.test("what clang writes is read", () => {
  const elf = Elf.parse(Deno.readFileSync(new URL("../fixtures/btf/externs.bpf.o", import.meta.url)));
  const btf = Btf.parse(elf.data(elf.section(".BTF")!));
  const { functions, lines } = parseBtfExt(elf.data(elf.section(".BTF.ext")!), btf);
  assertEquals([...functions.keys()], [".text", "tp_btf/sys_enter"]);
  assertEquals(btf.name(functions.get(".text")![0]!.typeId), "helper");
  const first = lines.get(".text")![0]!;
  assertEquals(btf.string(first.fileOffset).split("/").at(-1), "externs.bpf.c");
  assertEquals([btf.string(first.lineOffset), first.lineNumber, first.offset], ["\thidden++;", 16, 0]);
});
