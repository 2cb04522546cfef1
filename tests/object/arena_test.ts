import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { DetraceError } from "../../lib/error.ts";
import { BPF_F_MMAPABLE, BPF_F_SEGV_ON_FAULT, BPF_MAP_TYPE_ARENA } from "../../lib/maps/types.ts";
import { arenaAddress } from "../../lib/object/arena.ts";
import { buildSpec } from "../../lib/object/build.ts";
import { generateSkeleton } from "../../lib/object/generate.ts";
import { BpfObject } from "../../lib/object/object.ts";
import { ALL_PARTS, openObject } from "../../lib/object/open.ts";
import { packSpec } from "../../lib/object/pack.ts";
import { unpackSpec } from "../../lib/object/unpack.ts";
import { readObject } from "../../lib/object/read.ts";
import { typedGlobal } from "../../lib/object/typed.ts";
import { kernelVersion, pageSize } from "../../lib/sys/process.ts";
import { rootTest } from "../maps/programs.ts";

const bytes = () => Deno.readFileSync(new URL("../fixtures/object/arena.bpf.o", import.meta.url));

/** A test on a kernel that has arenas; one that has none says so. */
function arenaTest(name: string, fn: () => Promise<void>): void {
  rootTest(name, async () => {
    if (kernelVersion() >= 0x060900) return await fn();
    using object = openObject(bytes(), "arena");
    await assertRejects(
      () => object.load(),
      DetraceError,
      "cannot make map arena: it needs arenas, which Linux 6.9 brought",
    );
  });
}

/** An object of nothing but an arena. */
function bare(
  options: { pages?: number; extra?: bigint; flags?: number; data?: Uint8Array<ArrayBuffer> },
): BpfObject {
  const { pages = 4, flags = 0, ...rest } = options;
  const arena = { type: BPF_MAP_TYPE_ARENA, maxEntries: pages, flags: BPF_F_MMAPABLE | flags, ...rest };
  return new BpfObject(buildSpec({ name: "bare", programs: {}, maps: { arena } }), ALL_PARTS);
}

Deno.test("variables in an arena are data of the arena's map", () => {
  const spec = readObject(bytes(), "arena"), arena = spec.maps.get("arena")!;
  assertEquals([arena.type, arena.maxEntries, arena.data!.length], [BPF_MAP_TYPE_ARENA, 16, 28]);
  assertEquals(["first", "added", "head"].map((name) => spec.globals.get(name)!.map), [
    "arena",
    "arena",
    ".bss",
  ]);
  const references = spec.programs.get("push")!.references.filter((r) => r.symbol === "arena");
  assertEquals(references.map(({ kind, offset }) => [kind, offset]), [
    ["data", spec.globals.get("added")!.offset],
  ]);
  assertEquals(typedGlobal(openObject(bytes(), "arena"), "first").get(), { next: 0n, value: 41n });
  const { json, bytes: packed } = packSpec(spec);
  assertEquals(unpackSpec(json, packed).maps, spec.maps);
});

Deno.test("a skeleton with an arena brings what maps it", () => {
  const skeleton = generateSkeleton(bytes(), "arena");
  assertStringIncludes(skeleton, 'import { arena } from "../lib/object/arena.ts"');
  assertStringIncludes(skeleton, 'import { mapError } from "../lib/object/map_types.ts"');
  assertMatch(skeleton, /super\(SPEC, OBJECT, \{ .*\barena, mapError\b/);
});

arenaTest("programs and this process see each other's writes, and follow each other's pointers", async () => {
  using object = openObject(bytes(), "arena");
  const run = (name: string) => object.programs.get(name)!.testRun().retval;
  typedGlobal(object, "name").set("before");
  await object.load();
  const memory = object.data("arena"), start = arenaAddress(memory), page = pageSize();
  const head = typedGlobal<bigint>(object, "head"), first = typedGlobal<{ value: bigint }>(object, "first");
  assertEquals(memory.byteLength, 16 * page);
  assertEquals([head.get(), first.get().value, typedGlobal(object, "name").get()], [0n, 41n, "before"]);

  assertEquals(run("setup"), 0);
  assertEquals(first.get().value, 42n);
  const offset = (pointer: bigint) => Number(pointer - start);
  const node = offset(head.get());
  assert(node >= page && node < 16 * page, `the list begins in page ${node / page}`);
  assertEquals(run("sum"), 1);

  // Written here, read there; written there, read here.
  memory.setBigUint64(node + 8, 10n, true);
  assertEquals([run("push"), run("push"), run("sum")], [0, 0, 10 + 11 + 12]);
  const values: bigint[] = [];
  for (let at = head.get(); at; at = memory.getBigUint64(offset(at), true)) {
    values.push(memory.getBigUint64(offset(at) + 8, true));
  }
  assertEquals(values, [10n, 12n, 11n]);
  assertEquals(typedGlobal(object, "added").get(), 2);

  // A node in a page that this process is the first to touch.
  const own = 15 * page;
  memory.setBigUint64(own, head.get(), true);
  memory.setBigUint64(own + 8, 100n, true);
  head.set(start + BigInt(own));
  assertEquals(run("sum"), 133);
});

arenaTest("the memory of an arena is gone with the object", async () => {
  const object = await bare({}).load(), memory = object.data("arena");
  memory.setUint8(0, 1);
  object.close();
  assertThrows(() => memory.getUint8(0), TypeError);
});

arenaTest("an arena lies where it shall, or nowhere", async () => {
  const size = BigInt(4 * pageSize());
  let extra: bigint;
  {
    using object = await bare({}).load();
    extra = arenaAddress(object.data("arena"));
  }
  using object = await bare({ extra }).load();
  assertEquals(arenaAddress(object.data("arena")), extra);
  using other = bare({ extra: extra + size / 2n });
  await assertRejects(() => other.load(), DetraceError, "exists already");
  assertEquals(arenaAddress(object.data("arena")), extra);
  object.data("arena").setUint8(5, 5);
});

arenaTest("an arena has up to 4 GiB, which take memory where they are touched", async () => {
  using object = await bare({ pages: 2 ** 32 / pageSize() }).load();
  const memory = object.data("arena");
  memory.setUint32(2 ** 32 - 4, 7, true);
  assertEquals([memory.byteLength, memory.getUint32(2 ** 32 - 4, true), memory.getUint8(2 ** 31)], [
    2 ** 32,
    7,
    0,
  ]);
  using more = bare({ pages: 2 ** 32 / pageSize() + 1 });
  await assertRejects(() => more.load(), DetraceError, "cannot make map arena");
});

arenaTest("variables that an arena cannot hold are refused", async () => {
  using large = bare({ pages: 1, data: new Uint8Array(pageSize() + 1) });
  await assertRejects(() => large.load(), DetraceError, `but the arena has ${pageSize()}`);
  using faults = bare({ flags: BPF_F_SEGV_ON_FAULT, data: new Uint8Array(1) });
  await assertRejects(() => faults.load(), DetraceError, "BPF_F_SEGV_ON_FAULT cannot have variables");
});
