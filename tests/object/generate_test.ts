import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { generateSkeleton } from "detrace/lib/object/generate.ts";
import type { Skeleton } from "detrace/lib/object/skeleton.ts";
import { WAY_FILES, WAYS } from "detrace/lib/object/ways.ts";
import { ARCH } from "detrace/lib/sys/door.ts";

const fixture = (name: string) =>
  Deno.readFileSync(new URL(`../fixtures/object/${name}.bpf.o`, import.meta.url));

/** The classes of a skeleton. */
async function run(text: string): Promise<Record<string, new () => Skeleton>> {
  const lib = new URL("../../lib/", import.meta.url).href;
  return await import(`data:text/typescript,${encodeURIComponent(text.replaceAll('"../lib/', `"${lib}`))}`);
}

Deno.test("every way of attaching is where the skeletons import it from", async () => {
  assertEquals(Object.keys(WAY_FILES).sort(), Object.keys(WAYS).sort());
  for (const [way, [file, name]] of Object.entries(WAY_FILES)) {
    assertEquals((await import(`detrace/lib/links/${file}.ts`))[name], WAYS[way], way);
  }
});

Deno.test("a skeleton has the object's globals, maps and programs, and brings the parts that it needs", async () => {
  const text = generateSkeleton(fixture("rooms"), "rooms");
  for (const part of ["externs", "ways: {", "get counter(): number", "set big(value: bigint)"]) {
    assertStringIncludes(text, part);
  }
  assert(!text.includes("structOps"));
  const { Rooms } = await run(text);
  using object = new Rooms!();
  assertEquals(object.spec.programs.get("off")!.target, "sys_enter");
  assertEquals(object.data(".data.hot").getInt32(0, true), 9);
});

Deno.test("an object that reads registers is there for both architectures", async () => {
  const bytes = { x86: fixture("registers.x86"), arm64: fixture("registers.arm64") };
  const text = generateSkeleton(bytes.x86, "registers", bytes.arm64);
  const { Registers } = await run(text);
  using object = new Registers!();
  const insns = object.spec.programs.get("returned")!.insns;
  const load = [...insns.keys()].filter((at) => at % 8 === 0 && insns[at] === 0x79); // r = *(u64 *)(r1 + offset)
  assertEquals(insns[load[0]! + 2], ARCH === "x86" ? 80 : 0);
});
