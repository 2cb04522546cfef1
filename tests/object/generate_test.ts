import { assert, assertEquals, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import { DetraceError } from "detrace/lib/error.ts";
import { generateSkeleton } from "detrace/lib/object/generate.ts";
import type { BpfObject } from "detrace/lib/object/object.ts";
import { openObject } from "detrace/lib/object/open.ts";
import type { Skeleton } from "detrace/lib/object/skeleton.ts";
import { WAY_FILES, WAYS } from "detrace/lib/object/ways.ts";
import { VerifierError } from "detrace/lib/programs/verifier_error.ts";
import { ARCH } from "detrace/lib/sys/door.ts";
import { rootTest } from "../root.ts";

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

Deno.test("a skeleton loads its types where the kernel needs them", () => {
  // Externs, spin locks, storage, an arena, struct_ops, callbacks; and freplace.
  for (const name of ["rooms", "arena", "table", "kernel"]) {
    assert(!generateSkeleton(fixture(name), name).includes('"btfIsOptional":true'), name);
  }
  assert(!generateSkeleton(fixture("../links/extension"), "extension").includes('"btfIsOptional":true'));
  for (const name of ["registers.x86", "../links/usdt", "../core/moved"]) {
    assertStringIncludes(generateSkeleton(fixture(name), "other"), '"btfIsOptional":true');
  }
});

/** What becomes of an object: names of what is loaded, or why it is not. */
async function outcome(object: BpfObject): Promise<string> {
  try {
    await object.load({ kconfig: "CONFIG_DETRACE_NOWHERE=n\n" });
    return [...object.maps.keys(), ...object.programs.keys()].join(" ");
  } catch (error) {
    if (!(error instanceof DetraceError)) throw error;
    return error.message.replace(/ \(insn \d+.*/s, ""); // finished tools say nothing of registers
  }
}

for (
  const name of [
    "object/rooms",
    "object/arena",
    "object/table",
    "object/module",
    "object/kernel",
    "links/tracing",
    "links/usdt",
    "core/moved",
  ]
) {
  rootTest(`a skeleton of ${name} loads as the object does`, async () => {
    const bytes = fixture(`../${name}`), { Sample } = await run(generateSkeleton(bytes, "sample"));
    using skeleton = new Sample!();
    using object = openObject(bytes, "sample");
    assertEquals(await outcome(skeleton), await outcome(object));
  });
}

rootTest("where it does not, a refusal still says the line of the source", async () => {
  const { Rooms } = await run(generateSkeleton(fixture("rooms"), "rooms"));
  using object = new Rooms!();
  object.spec.btfIsOptional = true;
  for (const { name } of object.spec.programs.values()) {
    object.spec.programs.get(name)!.autoload = name === "refused";
  }
  const error = await assertRejects(
    () => object.load({ kconfig: "CONFIG_DETRACE_NOWHERE=n\n" }),
    VerifierError,
  );
  assertMatch(error.message, /at \S*rooms\.bpf\.c:\d+: "\*value = 1;"/);
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
