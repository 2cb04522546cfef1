import { assertEquals, assertThrows } from "@std/assert";
import { Btf } from "../../lib/btf/btf.ts";
import { parseBtfExt } from "../../lib/btf/ext.ts";
import { CoreError, CoreRelocator } from "../../lib/core/core.ts";
import { Elf } from "../../lib/elf/elf.ts";

const fixture = (name: string) => Deno.readFileSync(new URL(`../fixtures/core/${name}`, import.meta.url));

Deno.test("a compiled object gets, instruction by instruction, what libbpf 1.8 makes of it", async (test) => {
  const elf = Elf.parse(fixture("relocate.bpf.o")), section = (name: string) => elf.data(elf.section(name)!);
  const local = Btf.parse(section(".BTF"), { name: "the object", pointerSize: 8 });
  const vmlinux = Btf.parse(fixture("kernel.btf"), { name: "kernel.btf" });
  const { coreRelocations } = parseBtfExt(section(".BTF.ext"), local), kinds = new Set<number>();
  for (const line of new TextDecoder().decode(fixture("expected.txt")).trim().split("\n")) {
    const [name, expected] = line.split(" ") as [string, string], relocations = coreRelocations.get(name)!;
    await test.step(name, () => {
      const insns = section(name).slice(), relocator = new CoreRelocator(local, { vmlinux });
      if (expected === "refused") {
        assertThrows(
          () => relocator.relocate(insns, relocations, name),
          CoreError,
          `${name}: instruction 1: `,
        );
      } else {
        relocator.relocate(insns, relocations, name);
        assertEquals(insns.toHex().match(/.{16}/g), expected.match(/.{16}/g));
      }
      for (const { kind } of relocations) kinds.add(kind);
    });
  }
  assertEquals([...kinds].sort((a, b) => a - b), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
});
