import { assertEquals, assertRejects } from "@std/assert";
import { BTF_KIND_FUNC } from "detrace/lib/btf/btf.ts";
import { PerfBuffer } from "detrace/lib/maps/perf_buffer.ts";
import { has } from "detrace/lib/object/features.ts";
import { generateSkeleton } from "detrace/lib/object/generate.ts";
import { argCtx } from "detrace/lib/object/parts.ts";
import { BpfObject } from "detrace/lib/object/object.ts";
import { ALL_PARTS, openObject } from "detrace/lib/object/open.ts";
import { readObject } from "detrace/lib/object/read.ts";
import { VerifierError } from "detrace/lib/programs/verifier_error.ts";
import { exists } from "detrace/lib/sys/file.ts";
import { kernelVersion } from "detrace/lib/sys/process.ts";
import { callGetpgid, GETPGID } from "../links/probes.ts";
import { rootTest } from "../maps/programs.ts";

const fixture = (name: string) =>
  Deno.readFileSync(new URL(`../fixtures/object/${name}.bpf.o`, import.meta.url));

/** Opens an object, of which only these programs will be loaded. */
function open(name: string, ...programs: string[]): BpfObject {
  const object = openObject(fixture(name), name);
  for (const program of object.spec.programs.values()) program.autoload = programs.includes(program.name);
  return object;
}

/** Does something, and gives the values that programs have reported meanwhile. */
function reported(object: BpfObject, act: () => void): number[] {
  using buffer = new PerfBuffer(object.maps.get("events")!.fd, { pages: 8 });
  const values: number[] = [];
  act();
  buffer.drain((bytes, offset) => values.push(new DataView(bytes.buffer).getUint32(offset, true)));
  return values;
}

for (const name of ["context", "context.extern"]) {
  rootTest(`global functions take contexts of several kinds by a tag: ${name}`, async () => {
    using object = open(name, "packet", "buffer", "raw");
    await object.load();
    const run = (program: string, length = 0) =>
      object.programs.get(program)!.testRun(length ? { dataIn: new Uint8Array(length) } : {}).retval;
    assertEquals(reported(object, () => assertEquals(run("packet", 64), 6400)), [1]);
    assertEquals(reported(object, () => assertEquals(run("buffer", 64), 0)), [2]);
    assertEquals(reported(object, () => assertEquals(run("raw"), 0)), [3]);
  });
}

rootTest("the context of a kprobe and of a perf event, too", async () => {
  using object = open("context", "probe", "tick");
  await object.load();
  if (exists("/sys/bus/event_source/devices/kprobe/type")) {
    const values = reported(object, () => {
      using _link = object.attachProgram("probe", GETPGID);
      callGetpgid(3);
    });
    assertEquals(new Set(values), new Set([4]));
  }
  const values = reported(object, () => {
    using _link = object.attachProgram("tick", "profile:hz:1000");
    for (const end = performance.now() + 200; performance.now() < end;);
  });
  assertEquals(new Set(values), new Set([5]));
});

rootTest("a tag that a kernel does not know is ignored", async () => {
  using object = open("context", "pointer");
  if (kernelVersion() < 0x050c00) return; // global functions take no pointers but the context
  await object.load();
  assertEquals(object.programs.get("pointer")!.testRun({ dataIn: new Uint8Array(64) }).retval, 7);
});

rootTest("types are changed only where the kernel does not know the tag", () => {
  const { spec } = open("context", "packet"), before = spec.btf!, fn = before.find("length", BTF_KIND_FUNC)!;
  const after = argCtx(spec, before), { typeIds } = spec.programs.get("packet")!;
  assertEquals(
    [after === undefined, spec.btf === before, typeIds === undefined],
    Array(3).fill(has("argCtx")),
  );
  if (typeIds) assertEquals(spec.btf!.name(typeIds.get(fn)!), "length");
});

rootTest("a kernel that does not know the tag refuses the functions as they are", async () => {
  if (has("argCtx")) return;
  const { argCtx: _, ...parts } = ALL_PARTS;
  using object = new BpfObject(readObject(fixture("context"), "context"), parts);
  await assertRejects(() => object.load(), VerifierError);
});

Deno.test("a skeleton brings what names contexts if its types are loaded and have the tag", () => {
  const brings = (name: string) => /\{ .*\bargCtx\b.* \}\);/.test(generateSkeleton(fixture(name), "context"));
  assertEquals(brings("context.extern"), true);
  // Types that the kernel does not need are not loaded: it verifies functions with their callers.
  assertEquals(brings("context"), false);
  assertEquals(brings("rooms"), false);
});
