import { assertEquals } from "@std/assert";
import { Btf } from "../../lib/btf/btf.ts";
import { BtfBuilder } from "../../lib/btf/build.ts";
import { rawLines } from "../../lib/btf/raw.ts";
import { Elf } from "../../lib/elf/elf.ts";

const fixture = (name: string) => new URL(`../fixtures/btf/${name}`, import.meta.url);

Deno.test("types are listed as bpftool lists them", () => {
  const elf = Elf.parse(Deno.readFileSync(fixture("shapes.bpf.o")));
  const btf = Btf.parse(elf.data(elf.section(".BTF")!)), lines: string[] = [];
  for (let id = 1; id < btf.endId; id++) lines.push(...rawLines(btf, id));
  assertEquals(lines.join("\n") + "\n", Deno.readTextFileSync(fixture("shapes.raw")));
});

Deno.test("also void, kinds that no compiler writes there, and those that are unknown to us", () => {
  const builder = new BtfBuilder(), int = builder.addInt("int", 4);
  const prototype = builder.addFuncProto(int, []), fn = builder.addFunc("f", prototype, 2);
  const odd = builder.addVar("v", int, 7);
  const section = builder.addDatasec(".x", 4, [{ type: fn, offset: 0, size: 4 }, {
    type: 99,
    offset: 4,
    size: 0,
  }]);
  const tag = builder.addDeclTag("tag", fn, 1), bytes = builder.build();
  const btf = Btf.parse(bytes), lines = (id: number) => rawLines(btf, id);
  assertEquals(lines(0), ["[0] UNKNOWN '(anon)'"]);
  assertEquals(lines(fn), [`[${fn}] FUNC 'f' type_id=${prototype} linkage=extern`]);
  assertEquals(lines(odd), [`[${odd}] VAR 'v' type_id=${int}, linkage=(unknown)`]);
  assertEquals(lines(section), [
    `[${section}] DATASEC '.x' size=4 vlen=2`,
    `\ttype_id=${fn} offset=0 size=4 (FUNC 'f')`,
    "\ttype_id=99 offset=4 size=0",
  ]);
  assertEquals(lines(tag), [`[${tag}] DECL_TAG 'tag' type_id=${fn} component_idx=1`]);
  // A layout section tells how long records of kind 25 are.
  const layout = new Uint8Array(4 * 26), old = new DataView(bytes.buffer);
  const types = old.getUint32(12, true), strings = bytes.slice(24 + types);
  const more = new Uint8Array(32 + types + 12 + layout.length + strings.length),
    header = new DataView(more.buffer);
  more.set(bytes.subarray(0, 4));
  [32, 0, types + 12, types + 12 + layout.length, strings.length, types + 12, layout.length].forEach((
    word,
    i,
  ) => header.setUint32(4 + 4 * i, word, true));
  more.set(bytes.subarray(24, 24 + types), 32);
  header.setUint32(32 + types + 4, 25 << 24, true);
  more.set(strings, 32 + types + 12 + layout.length);
  assertEquals(rawLines(Btf.parse(more), tag + 1), [`[${tag + 1}] UNKNOWN '(anon)'`]);
});
