import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { DetraceError } from "detrace/lib/error.ts";
import { canAttachFentry } from "detrace/lib/links/tracing.ts";
import { attachIterator, iteratorLines, iteratorRecords, readIterator } from "detrace/lib/links/iterator.ts";
import type { Codec } from "detrace/lib/maps/codec.ts";
import type { BpfObject } from "detrace/lib/object/object.ts";
import { VerifierError } from "detrace/lib/programs/verifier_error.ts";
import { Fd } from "detrace/lib/sys/door.ts";
import { open } from "detrace/lib/sys/file.ts";
import { gettid, kernelVersion } from "detrace/lib/sys/process.ts";
import { openFds, rootTest } from "../root.ts";
import { withCgroup } from "./cgroups.ts";
import { withBpffs } from "../object/bpffs.ts";
import { fixture, taskCodec } from "./fixture.ts";

const BPF_LINK_TYPE_ITER = 4;
const u32 = (n: number) => new Uint8Array(new Uint32Array([n]).buffer);
const u64 = (n: number) => new Uint8Array(new BigUint64Array([BigInt(n)]).buffer);

rootTest("an iterator over tasks finds this process, and reads anew each time", async () => {
  using object = fixture("tracing", "tasks");
  assert(object.keepIfPresent("tasks"));
  await object.load();
  const link = object.attach().links[0]!, type = taskCodec(object);
  assertEquals(link.info()?.type, BPF_LINK_TYPE_ITER);
  for (let i = 0; i < 2; i++) {
    const tasks = [...iteratorRecords(link, type)];
    const own = tasks.filter((task) => task.tgid === Deno.pid);
    const threads = [...Deno.readDirSync("/proc/self/task")].map((entry) => Number(entry.name));
    assertEquals(own.map((task) => task.pid).sort(), threads.sort());
    assertEquals(
      tasks.find((task) => task.pid === gettid())?.comm,
      Deno.readTextFileSync("/proc/thread-self/comm").trim(),
    );
    assert(tasks.some((task) => task.tgid !== Deno.pid));
  }
  assertEquals(readIterator(link).length % type.size, 0);
});

rootTest("a reading that is given up leaves nothing open", async () => {
  using object = await fixture("tracing", "tasks").load();
  const link = object.attach().links[0]!, type = taskCodec(object), before = openFds();
  for (const _ of iteratorRecords(link, type)) break;
  assert(openFds() <= before, "descriptors were left open");
});

rootTest("records that do not fill the output are refused", async () => {
  using object = await fixture("tracing", "tasks").load();
  const link = object.attach().links[0]!, type = taskCodec(object);
  const odd: Codec<number> = { ...type, size: 2 ** 24 - 1, encode: u32, decode: () => 0 };
  assertThrows(() => [...iteratorRecords(link, odd)], DetraceError, "the iterator's output ends with ");
});

rootTest(
  "an iterator over tasks keeps to one process or thread, or says that Linux 6.1 brought that",
  async () => {
    using object = await fixture("tracing", "tasks").load();
    const program = object.programs.get("tasks")!, type = taskCodec(object), before = openFds();
    const walk = (task: { pid: number } | { tid: number }) => {
      using link = attachIterator(program, { task });
      return [...iteratorRecords(link, type)];
    };
    if (kernelVersion() < 0x060100) {
      for (const task of [{ pid: Deno.pid }, { tid: Deno.pid }]) {
        assertThrows(() => walk(task), DetraceError, "over all tasks, not over one (Linux 6.1)");
      }
    } else {
      assertEquals(walk({ tid: gettid() }).map((task) => task.pid), [gettid()]);
      const all = walk({ pid: Deno.pid });
      assert(all.length > 1 && all.every((task) => task.tgid === Deno.pid));
    }
    assert(openFds() <= before, "descriptors were left open");
  },
);

/** Loads an iterator over the entries of a map; some kernels, as the build host's, forbid that even to root. */
async function loadElements(): Promise<BpfObject | undefined> {
  const object = fixture("tracing", "elements");
  try {
    return await object.load();
  } catch (error) {
    assert(error instanceof VerifierError && error.code === "EPERM" && !canAttachFentry(), `${error}`);
  }
}

rootTest("an iterator over a map prints each entry as a line", async () => {
  using object = await loadElements();
  if (!object) return;
  const counts = object.maps.get("counts")!;
  const expected = Array.from({ length: 1000 }, (_, i) => `${i} is ${i * 1000003}`);
  for (let i = 0; i < 1000; i++) counts.set(u32(i), u64(i * 1000003));
  const lines = iteratorLines(object.attachProgram("elements", "counts"));
  const byNumber = (a: string, b: string) => parseInt(a) - parseInt(b);
  assertEquals([...lines].sort(byNumber), expected);
  assertThrows(
    () => object.attach(),
    DetraceError,
    "cannot attach program elements: this iterator walks over one map, and no map was given",
  );
  using other = await fixture("tracing", "elements").load();
  using link = attachIterator(object.programs.get("elements")!, { map: other.maps.get("counts")! });
  assertEquals([...iteratorLines(link)], []);
  assertEquals(readIterator(link).length, 0);
});

rootTest(
  "an iterator over cgroups walks down, up or not at all, or says that Linux 6.1 brought it",
  () =>
    withCgroup(async (path) => {
      using object = fixture("tracing", "cgroups");
      const present = object.keepIfPresent("cgroups");
      assertEquals(present, kernelVersion() >= 0x060100);
      if (!present) {
        object.spec.programs.get("cgroups")!.autoload = true;
        await assertRejects(
          () => object.load(),
          DetraceError,
          "cannot load program cgroups: this kernel has no iterator cgroup (Linux 6.1)",
        );
        return;
      }
      await object.load();
      const program = object.programs.get("cgroups")!;
      const ids = (link: Disposable & { fd: number }) => {
        using _ = link;
        return [...new BigUint64Array(readIterator(link).buffer)];
      };
      const inner = `${path}/inner`;
      Deno.mkdirSync(inner);
      try {
        using outer = new Fd(open(path));
        // Of cgroups, inode numbers are the numbers that the kernel knows them by.
        const [a, b] = [path, inner].map((file) => BigInt(Deno.statSync(file).ino!));
        const { fd } = outer;
        assertEquals(ids(attachIterator(program, { cgroup: { fd, order: "self" } })), [a]);
        assertEquals(ids(attachIterator(program, { cgroup: { fd, order: "descendants" } })), [a, b]);
        assertEquals(ids(attachIterator(program, { cgroup: { id: a!, order: "descendantsLast" } })), [b, a]);
        assertEquals(ids(attachIterator(program, { cgroup: { id: b!, order: "ancestors" } })).slice(0, 2), [
          b,
          a,
        ]);
      } finally {
        Deno.removeSync(inner);
      }
    }),
);

rootTest("an iterator that says nothing gives nothing", async () => {
  using object = await fixture("tracing", "nothing").load();
  const link = object.attach().links[0]!;
  assertEquals(readIterator(link), new Uint8Array());
  assertEquals([...iteratorLines(link)], []);
});

rootTest("a pinned iterator is a file to read", async () => {
  using object = await fixture("tracing", "tasks").load();
  const { size } = taskCodec(object);
  withBpffs((directory) => {
    const path = `${directory}/tasks`;
    object.attach().links[0]!.pin(path);
    object.close();
    const { length } = Deno.readFileSync(path);
    assert(length > 0 && length % size === 0);
  });
});
