import { assert, assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { DetraceError } from "detrace/lib/error.ts";
import { Assembler, R0 } from "detrace/lib/asm/assembler.ts";
import { buildSpec } from "detrace/lib/object/build.ts";
import { BpfObject } from "detrace/lib/object/object.ts";
import { ALL_PARTS, openObject } from "detrace/lib/object/open.ts";
import { readObject } from "detrace/lib/object/read.ts";
import { VerifierError } from "detrace/lib/programs/verifier_error.ts";
import { kernelVersion } from "detrace/lib/sys/process.ts";
import { openFds, rootTest } from "../root.ts";

const bytes = () => Deno.readFileSync(new URL("../fixtures/object/rooms.bpf.o", import.meta.url));
const open = () => openObject(bytes(), "rooms");
// Not every kernel shows its configuration.
const options = { kconfig: "CONFIG_DETRACE_NOWHERE=n\n" };
const word = (n: number) => new Uint8Array(new Uint32Array([n]).buffer);

Deno.test("an object is plain data: programs, subprograms, maps, globals, externs", () => {
  const spec = readObject(bytes(), "rooms");
  assertEquals(spec.license, "GPL");
  assertEquals([...spec.programs.keys()].sort(), [
    "absent",
    "jump",
    "off",
    "poisoned",
    "refused",
    "sum",
    "tail",
    "version",
  ]);
  assertEquals([...spec.functions.keys()].sort(), ["chain", "triple", "visible"]);
  const off = spec.programs.get("off")!;
  assertEquals([off.autoload, off.attach, off.target], [false, "raw_tp", "sys_enter"]);
  assertEquals(spec.programs.get("sum")!.autoload, true);
  const calls = spec.programs.get("sum")!.references.filter((r) => r.kind === "call").map((r) => r.symbol);
  assertEquals(calls.sort(), ["chain", "visible"]);
  assertEquals(spec.functions.get("chain")!.references.filter((r) => r.kind === "call").length, 1);
});

Deno.test("maps are what their BTF says", () => {
  const { maps, btf } = readObject(bytes(), "rooms");
  const pairs = maps.get("pairs")!;
  assertEquals([pairs.type, pairs.keySize, pairs.valueSize, pairs.maxEntries, pairs.flags], [
    1,
    12,
    4,
    16,
    64,
  ]);
  assertEquals(btf!.name(pairs.keyTypeId), "pair");
  const sized = maps.get("sized")!;
  assertEquals([sized.keySize, sized.valueSize, sized.keyTypeId], [4, 12, 0]);
  const outer = maps.get("outer")!;
  assertEquals([outer.inner!.type, outer.inner!.valueSize, outer.valueSize], [2, 8, 4]);
  assertEquals(outer.values, new Map([[1, "first"], [3, "second"]]));
  assertEquals(maps.get("jumps")!.values, new Map([[1, "tail"]]));
  assertEquals(maps.get(".data.hot")!.data, word(9));
});

Deno.test("globals have their section, offset, size and initial value", () => {
  const object = open(), { globals } = object.spec;
  const value = (name: string) =>
    object.data(globals.get(name)!.map).getInt32(globals.get(name)!.offset, true);
  assertEquals(["factor", "constant", "counter", "hot"].map(value), [3, 7, 0, 9]);
  assertEquals(globals.get("counter")!.map, ".bss");
  assertEquals(globals.get("constant")!.size, 12);
  assertEquals(globals.get("hidden")!.size, 4);
});

Deno.test("externs are weak or strong, with their section", () => {
  const { externs } = readObject(bytes(), "rooms");
  assertEquals(externs.get("LINUX_KERNEL_VERSION")!.weak, false);
  assertEquals(externs.get("CONFIG_DETRACE_NOWHERE")!.section, ".kconfig");
  assertEquals(externs.get("detrace_no_such_symbol")!.section, ".ksyms");
  assertEquals(externs.get("detrace_no_such_symbol")!.weak, true);
});

Deno.test("an object cut short anywhere is refused with one sentence, or is still whole", () => {
  const whole = bytes();
  for (let length = 0; length < whole.length; length += 97) {
    try {
      readObject(whole.slice(0, length), "rooms");
    } catch (error) {
      assert(error instanceof DetraceError, `${length}: ${error}`);
    }
  }
  assertThrows(() => readObject(new Uint8Array(10), "rooms"), DetraceError);
  assertThrows(() => readObject(new TextEncoder().encode("#!/bin/sh\n".repeat(20)), "rooms"), DetraceError);
});

rootTest("programs run with their subprograms, globals, maps in maps and constants", async () => {
  const before = openFds();
  {
    using object = open();
    object.data(".rodata").setInt32(object.spec.globals.get("factor")!.offset, 10, true);
    await object.load(options);
    // chain(2) = 2 * 10 + 5, visible(3) = (3 + 1) * 10, constant.b = -2
    assertEquals(object.programs.get("sum")!.testRun().retval, 25 + 40 - 2);
    assertEquals(object.programs.get("sum")!.testRun().retval, 25 + 40 - 2);
    assertEquals(object.data(".bss").getInt32(object.spec.globals.get("counter")!.offset, true), 2);
    assertEquals(object.data(".data.hot").getInt32(0, true), 11);
    const key = new Uint8Array([1, 0, 0, 0, 2, 0, ...new TextEncoder().encode("key"), 0, 0, 0]);
    assertEquals(object.maps.get("pairs")!.get(key), word(11));
    assertEquals(
      object.maps.get("first")!.get(word(1)),
      new Uint8Array([0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11]),
    );
    assertEquals(object.maps.get("second")!.get(word(1)), new Uint8Array(8));
    // Written from here, seen there.
    object.data(".bss").setInt32(object.spec.globals.get("counter")!.offset, 100, true);
    object.programs.get("sum")!.testRun();
    assertEquals(object.data(".bss").getInt32(object.spec.globals.get("counter")!.offset, true), 101);
  }
  assert(openFds() <= before, "descriptors were left open");
});

rootTest("programs are switched off and on before loading", async () => {
  using object = open();
  const { programs } = object.spec;
  for (const name of ["sum", "jump"]) programs.get(name)!.autoload = false;
  programs.get("off")!.autoload = true;
  await object.load(options);
  assertEquals([...object.programs.keys()].sort(), ["absent", "off", "tail", "version"]);
  object.attach();
  assertEquals(object.links.length, 1);
  assertThrows(() => object.attachProgram("sum"), DetraceError, "program sum is not loaded");
});

rootTest("externs read as what the kernel has, weak ones as zero", async () => {
  using object = open();
  await object.load(options);
  assertEquals(object.programs.get("version")!.testRun().retval, kernelVersion());
  assertEquals(object.programs.get("absent")!.testRun().retval, 0);
});

rootTest("a program array is filled with programs", async () => {
  using object = open();
  await object.load(options);
  assertEquals(object.programs.get("jump")!.testRun().retval, 42);
});

rootTest("read-only globals are frozen", async () => {
  using object = open();
  await object.load(options);
  assertThrows(
    () => object.maps.get(".rodata")!.set(word(0), object.maps.get(".rodata")!.get(word(0))!),
    DetraceError,
  );
});

rootTest("a refused program says why and where, and nothing is left", async () => {
  const before = openFds();
  const object = open();
  object.spec.programs.get("refused")!.autoload = true;
  const error = await assertRejects(() => object.load(options), VerifierError);
  assertStringIncludes(error.message, "refused");
  assertStringIncludes(error.message, "invalid mem access 'map_value_or_null'");
  assertStringIncludes(error.message, "rooms.bpf.c:");
  assertStringIncludes(error.message, "*value = 1;");
  assertEquals([object.maps.size, object.programs.size], [0, 0]);
  assert(openFds() <= before, "descriptors were left open");
});

rootTest("a poisoned relocation that is reached says which field is missing", async () => {
  using object = open();
  object.spec.programs.get("poisoned")!.autoload = true;
  const error = await assertRejects(() => object.load(options), VerifierError);
  assertStringIncludes(error.message, "no_such_member");
});

rootTest("a failed attach detaches what was attached before", async () => {
  using object = open();
  const off = object.spec.programs.get("off")!;
  off.autoload = true;
  off.target = "no_such_tracepoint";
  await object.load(options);
  assertThrows(() => object.attach(), DetraceError, "this kernel has no raw tracepoint no_such_tracepoint");
  assertEquals(object.links.length, 0);
  using link = object.attachProgram("off", "sys_enter");
  assert(link.id! > 0);
});

rootTest("an object is loaded once, and one that is closed meanwhile leaves nothing", async () => {
  const before = openFds();
  {
    using object = open();
    const first = object.load(options);
    await assertRejects(() => object.load(options), DetraceError, "is loaded already");
    await first;
  }
  const object = open(), loading = object.load(options);
  object.close();
  await assertRejects(() => loading, DetraceError, "was closed while it was loaded");
  assert(openFds() <= before, "descriptors were left open");
});

for (
  const [section, version, since] of [
    ["xdp.frags", 0x051200, "5.18"],
    ["uprobe.s", 0x060000, "6.0"],
    ["syscall", 0x050e00, "5.14"],
    ["netfilter", 0x060400, "6.4"],
  ] as const
) {
  rootTest(
    `a program in ${section} is loaded, or the Linux that brought it is named (${since})`,
    async () => {
      const code = new Assembler().mov(R0, 1).exit();
      using object = new BpfObject(
        buildSpec({ name: "newer", programs: { main: { section, code } } }),
        ALL_PARTS,
      );
      if (kernelVersion() >= version) return void await object.load();
      const { message } = await assertRejects(() => object.load(), VerifierError);
      assertEquals(message, `program main: this kernel does not know programs of its type (Linux ${since})`);
    },
  );
}
