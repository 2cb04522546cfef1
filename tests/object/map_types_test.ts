import { assert, assertEquals, assertMatch, assertRejects, assertThrows } from "@std/assert";
import { Assembler, DW, R0, R1, R10, R2, R3, R4, R5, R6, W } from "detrace/lib/asm/assembler.ts";
import { helperId } from "detrace/lib/asm/helpers.ts";
import { BtfBuilder } from "detrace/lib/btf/build.ts";
import { DetraceError } from "detrace/lib/error.ts";
import { deleteAll, updateAll } from "detrace/lib/maps/batch.ts";
import { PerfBuffer } from "detrace/lib/maps/perf_buffer.ts";
import { RingBuffer } from "detrace/lib/maps/ring_buffer.ts";
import { readStack } from "detrace/lib/maps/stack_traces.ts";
import * as types from "detrace/lib/maps/types.ts";
import { buildSpec, type SpecSource } from "detrace/lib/object/build.ts";
import { MAP_TYPES, mapError } from "detrace/lib/object/map_types.ts";
import { BpfObject } from "detrace/lib/object/object.ts";
import { ALL_PARTS } from "detrace/lib/object/open.ts";
import type { MapSpec } from "detrace/lib/object/spec.ts";
import { SyscallError } from "detrace/lib/sys/errno.ts";
import { open } from "detrace/lib/sys/file.ts";
import { Fd } from "detrace/lib/sys/door.ts";
import { kernelVersion, pageSize, possibleCpus } from "detrace/lib/sys/process.ts";
import { withCgroup } from "../links/cgroups.ts";
import { Socket } from "../links/net.ts";
import { rootTest } from "../maps/programs.ts";

type Maps = NonNullable<SpecSource["maps"]>;

const u32 = (...values: number[]) => new Uint8Array(Uint32Array.from(values).buffer);
const u64 = (...values: bigint[]) => new Uint8Array(BigUint64Array.from(values).buffer);
const number = (bytes: Uint8Array | undefined, offset = 0) =>
  new DataView(bytes!.buffer, bytes!.byteOffset).getUint32(offset, true);
const call = (code: Assembler, helper: string) => code.call(helperId(`bpf_${helper}`)!);

/** Types 1 `int` and 2 `unsigned long`, for maps that must have types. */
const btf = (() => {
  const builder = new BtfBuilder();
  builder.addInt("int", 4, { signed: true });
  builder.addInt("unsigned long", 8);
  return builder.build();
})();

function make(maps: Maps, programs: Record<string, { section: string; code: Assembler }> = {}): BpfObject {
  return new BpfObject(buildSpec({ name: "types", maps, programs, btf }), ALL_PARTS);
}

/** A program of type raw tracepoint. */
const raw = (code: Assembler) => ({ run: { section: "raw_tp", code } });
const run = (object: BpfObject, name = "run") => object.programs.get(name)!.testRun().retval;
const inner = (map: Partial<MapSpec> & Pick<MapSpec, "type">) => make({ inner: map }).spec.maps.get("inner")!;

const HASH = { type: types.BPF_MAP_TYPE_HASH, keySize: 4, valueSize: 8, maxEntries: 4 };
const ARRAY = { ...HASH, type: types.BPF_MAP_TYPE_ARRAY };
const STORAGE = { keySize: 4, valueSize: 8, keyTypeId: 1, valueTypeId: 2, flags: types.BPF_F_NO_PREALLOC };

/** The least that the kernel takes of each type. */
const LEAST: Record<string, Partial<MapSpec>> = {
  HASH,
  ARRAY,
  PROG_ARRAY: { keySize: 4, valueSize: 4, maxEntries: 1 },
  PERF_EVENT_ARRAY: {},
  PERCPU_HASH: HASH,
  PERCPU_ARRAY: HASH,
  STACK_TRACE: HASH,
  CGROUP_ARRAY: { keySize: 4, valueSize: 4, maxEntries: 1 },
  LRU_HASH: HASH,
  LRU_PERCPU_HASH: HASH,
  LPM_TRIE: { keySize: 8, valueSize: 8, maxEntries: 4, flags: types.BPF_F_NO_PREALLOC },
  ARRAY_OF_MAPS: { keySize: 4, valueSize: 4, maxEntries: 1, inner: inner(HASH) },
  HASH_OF_MAPS: { keySize: 4, valueSize: 4, maxEntries: 1, inner: inner(HASH) },
  DEVMAP: { keySize: 4, valueSize: 4, maxEntries: 1 },
  SOCKMAP: { keySize: 4, valueSize: 8, maxEntries: 1 },
  CPUMAP: { keySize: 4, valueSize: 4, maxEntries: 1 },
  XSKMAP: { keySize: 4, valueSize: 4, maxEntries: 1 },
  SOCKHASH: { keySize: 4, valueSize: 8, maxEntries: 1 },
  CGROUP_STORAGE: { keySize: 16, valueSize: 8 },
  REUSEPORT_SOCKARRAY: { keySize: 4, valueSize: 8, maxEntries: 1 },
  PERCPU_CGROUP_STORAGE: { keySize: 16, valueSize: 8 },
  QUEUE: { valueSize: 8, maxEntries: 1 },
  STACK: { valueSize: 8, maxEntries: 1 },
  SK_STORAGE: STORAGE,
  DEVMAP_HASH: { keySize: 4, valueSize: 4, maxEntries: 1 },
  RINGBUF: { maxEntries: 1 },
  INODE_STORAGE: STORAGE,
  TASK_STORAGE: STORAGE,
  BLOOM_FILTER: { valueSize: 8, maxEntries: 1 },
  USER_RINGBUF: { maxEntries: 1 },
  CGRP_STORAGE: STORAGE,
  ARENA: { maxEntries: 1, flags: types.BPF_F_MMAPABLE },
  INSN_ARRAY: { keySize: 4, valueSize: 16, maxEntries: 1 },
  RHASH: { ...HASH, flags: types.BPF_F_NO_PREALLOC },
};

const typeOf = (name: string) => (types as unknown as Record<string, number>)[`BPF_MAP_TYPE_${name}`]!;

Deno.test("every map type has a name and a version", () => {
  const numbers = Object.entries(types).filter(([name]) => name.startsWith("BPF_MAP_TYPE_")).map(([, n]) =>
    n
  );
  assertEquals([...MAP_TYPES.keys()], numbers.sort((a, b) => a - b));
  for (const { name, version } of MAP_TYPES.values()) {
    assertMatch(name, /^\S.+[^.]$/);
    assertMatch(version, /^\d\.\d+$/);
  }
});

for (const [name, least] of Object.entries(LEAST)) {
  rootTest(`a map of type ${name} is made, or the kernel's version and what it lacks are named`, async () => {
    const type = typeOf(name), { name: words, version, rule = "" } = MAP_TYPES.get(type)!;
    using object = make({ one: { ...least, type } });
    const [major, minor] = version.split(".").map(Number) as [number, number];
    if (kernelVersion() < (major << 16) + (minor << 8)) {
      const message = `cannot make map one: it needs ${words}, which Linux ${version} brought; this is `;
      await assertRejects(() => object.load(), DetraceError, message);
      return;
    }
    try {
      await object.load();
    } catch (error) {
      // A kernel that was built without it.
      assert(error instanceof DetraceError && rule.includes("CONFIG_"), `${error}`);
      assertMatch(error.message, new RegExp(`^cannot make map one: .*EINVAL.*; ${words} need CONFIG_`));
      return;
    }
    const map = object.maps.get("one")!;
    assertEquals([map.type, map.keySize, map.valueSize], [
      type,
      least.keySize ?? (type === 4 ? 4 : 0),
      map.valueSize,
    ]);
  });
}

rootTest("a map that no kernel takes is refused with what its type asks for", async () => {
  using queue = make({ queue: { type: types.BPF_MAP_TYPE_QUEUE, keySize: 4, valueSize: 4, maxEntries: 1 } });
  await assertRejects(
    () => queue.load(),
    DetraceError,
    "cannot make map queue: bpf(BPF_MAP_CREATE) queue: invalid",
  );
  using trie = make({ trie: { ...LEAST.LPM_TRIE, type: types.BPF_MAP_TYPE_LPM_TRIE, flags: 0 } });
  await assertRejects(
    () => trie.load(),
    DetraceError,
    "longest-prefix tries need keys of a u32 and an address, and",
  );
  using unknown = make({ unknown: { type: 1000 } });
  await assertRejects(
    () => unknown.load(),
    DetraceError,
    "cannot make map unknown: there is no map type 1000",
  );
  const other = new SyscallError("bpf(BPF_MAP_CREATE)", 12);
  assertEquals(mapError(unknown.spec.maps.get("unknown")!, other), "there is no map type 1000");
  assertEquals(mapError(queue.spec.maps.get("queue")!, other), undefined);
});

Deno.test("a map of maps or programs that are not there is refused", () => {
  const slots = {
    ...LEAST.ARRAY_OF_MAPS,
    type: types.BPF_MAP_TYPE_ARRAY_OF_MAPS,
    values: new Map([[0, "none"]]),
  };
  assertThrows(() => make({ slots }), DetraceError, "map slots: there is no map none to put into it");
  const jumps = { ...LEAST.PROG_ARRAY, type: types.BPF_MAP_TYPE_PROG_ARRAY, values: new Map([[0, "none"]]) };
  assertThrows(() => make({ jumps }), DetraceError, "map jumps: there is no program none to put into it");
});

rootTest(
  "ring buffers are made as large as the kernel takes them, and perf event arrays for all processors",
  async () => {
    using object = make({
      ring: { type: types.BPF_MAP_TYPE_RINGBUF, maxEntries: 3 * 65536 },
      small: { type: types.BPF_MAP_TYPE_RINGBUF, maxEntries: 1 },
      events: { type: types.BPF_MAP_TYPE_PERF_EVENT_ARRAY },
    });
    await object.load();
    const sizes = ["ring", "small", "events"].map((name) => object.maps.get(name)!.maxEntries);
    assertEquals(sizes, [4 * 65536, pageSize(), possibleCpus()]);
  },
);

/** A program that adds 1 to the value of the key 1, made where it is missing; with a prefix of 32 bits where keys have 8 bytes. */
function counter(keySize: number): Assembler {
  const code = new Assembler();
  if (keySize === 8) code.stx(W, R10, -8, 32).stx(W, R10, -4, 1);
  else code.stx(W, R10, -8, 1);
  code.stx(DW, R10, -16, 1);
  call(code.loadMap(R1, "map").mov(R2, R10).alu("+=", R2, -8), "map_lookup_elem").jump("==", R0, 0, "new");
  code.ldx(DW, R1, R0, 0).alu("+=", R1, 1).stx(DW, R0, 0, R1).mov(R0, 0).exit();
  code.label("new").loadMap(R1, "map").mov(R2, R10).alu("+=", R2, -8).mov(R3, R10).alu("+=", R3, -16).mov(
    R4,
    0,
  );
  return call(code, "map_update_elem").exit();
}

for (
  const name of ["HASH", "ARRAY", "PERCPU_HASH", "PERCPU_ARRAY", "LRU_HASH", "LRU_PERCPU_HASH", "LPM_TRIE"]
) {
  rootTest(`a program counts in a map of type ${name}`, async () => {
    const keySize = name === "LPM_TRIE" ? 8 : 4;
    using object = make({ map: { ...LEAST[name], type: typeOf(name) } }, raw(counter(keySize)));
    await object.load();
    const map = object.maps.get("map")!, key = keySize === 8 ? u32(32, 1) : u32(1);
    for (let i = 0; i < 5; i++) assertEquals(run(object), 0);
    const sum = (value: Uint8Array<ArrayBuffer>) =>
      (map.isPerCpu ? map.perCpu(value) : [value]).reduce((total, part) => total + number(part), 0);
    assertEquals(sum(map.get(key)!), 5);
    assertEquals(map.isPerCpu, /PERCPU/.test(name));
    const all = new Uint8Array(map.valueBytes);
    (map.isPerCpu ? map.perCpu(all) : [all]).forEach((part, i) => part.set(u64(100n + BigInt(i))));
    map.set(key, all);
    run(object);
    assertEquals(sum(map.get(key)!), sum(all) + 1);
  });
}

for (const name of ["ARRAY_OF_MAPS", "HASH_OF_MAPS"]) {
  rootTest(`a program finds the maps that a map of type ${name} begins with`, async () => {
    // bpf_map_lookup_elem(bpf_map_lookup_elem(outer, 1), 0), if there is such a map
    const code = new Assembler().stx(W, R10, -4, 1).stx(W, R10, -8, 0);
    call(code.loadMap(R1, "outer").mov(R2, R10).alu("+=", R2, -4), "map_lookup_elem").jump(
      "==",
      R0,
      0,
      "none",
    );
    call(code.mov(R1, R0).mov(R2, R10).alu("+=", R2, -8), "map_lookup_elem").jump("==", R0, 0, "none");
    code.ldx(DW, R0, R0, 0).exit().label("none").mov(R0, -1).exit();
    using object = make({
      outer: {
        ...{ type: typeOf(name), keySize: 4, valueSize: 4, maxEntries: 3, inner: inner(ARRAY) },
        values: new Map([[1, "second"], [2, "first"]]),
      },
      first: ARRAY,
      second: ARRAY,
      third: ARRAY,
    }, raw(code));
    await object.load();
    const [outer, second, third] = ["outer", "second", "third"].map((one) => object.maps.get(one)!);
    second!.set(u32(0), u64(22n));
    third!.set(u32(0), u64(33n));
    assertEquals(run(object), 22);
    assertEquals(number(outer!.get(u32(1))), second!.id);
    outer!.set(u32(1), u32(third!.fd));
    assertEquals(run(object), 33);
    assertEquals(outer!.delete(u32(1)), true);
    assertEquals(run(object), 0xffffffff);
    assertThrows(() => outer!.set(u32(1), u32(outer!.fd)), SyscallError);
  });
}

for (const [name, order] of [["QUEUE", [1, 2]], ["STACK", [2, 1]]] as const) {
  rootTest(`programs push to a map of type ${name}, and pop from it`, async () => {
    const push = new Assembler().stx(DW, R10, -8, 2).loadMap(R1, "map").mov(R2, R10).alu("+=", R2, -8).mov(
      R3,
      0,
    );
    const pop = new Assembler().stx(DW, R10, -8, 0).loadMap(R1, "map").mov(R2, R10).alu("+=", R2, -8);
    using object = make({ map: { type: typeOf(name), valueSize: 8, maxEntries: 2 } }, {
      push: { section: "raw_tp", code: call(push, "map_push_elem").exit() },
      pop: { section: "raw_tp", code: call(pop, "map_pop_elem").ldx(DW, R0, R10, -8).exit() },
    });
    await object.load();
    const map = object.maps.get("map")!, none = new Uint8Array();
    map.set(none, u64(1n));
    assertEquals([run(object, "push"), run(object, "push") | 0], [0, -7]); // E2BIG: it is full
    assertEquals(run(object, "pop"), order[0]);
    assertEquals([number(map.take(none)), map.take(none)], [order[1], undefined]);
    assertEquals(run(object, "pop"), 0);
  });
}

rootTest("a program asks a bloom filter what was put into it (5.16)", async () => {
  const code = new Assembler().stx(DW, R10, -8, 5).loadMap(R1, "map").mov(R2, R10).alu("+=", R2, -8);
  using object = make(
    { map: { type: types.BPF_MAP_TYPE_BLOOM_FILTER, valueSize: 8, maxEntries: 100, extra: 3n } },
    raw(call(code, "map_peek_elem").exit()),
  );
  if (kernelVersion() < 0x051000) {
    await assertRejects(() => object.load(), DetraceError, "needs bloom filters, which Linux 5.16 brought");
    return;
  }
  await object.load();
  assertEquals(run(object) | 0, -2); // ENOENT
  object.maps.get("map")!.set(new Uint8Array(), u64(5n));
  assertEquals(run(object), 0);
});

rootTest("a program stores its stack", async () => {
  const code = call(new Assembler().loadMap(R2, "map").mov(R3, 0), "get_stackid").exit();
  using object = make(
    { map: { ...ARRAY, type: types.BPF_MAP_TYPE_STACK_TRACE, valueSize: 8 * 20 } },
    raw(code),
  );
  await object.load();
  const stack = readStack(object.maps.get("map")!, run(object) | 0)!;
  assert(stack.length > 1 && stack.every((address) => address > 1n << 63n));
});

rootTest("a program jumps to what stands in a program array, now and later", async () => {
  const jump = new Assembler().loadMap(R2, "map").mov(R3, 1);
  const returns = (value: number) => ({ section: "raw_tp", code: new Assembler().mov(R0, value).exit() });
  using object = make({
    map: {
      ...{ type: types.BPF_MAP_TYPE_PROG_ARRAY, keySize: 4, valueSize: 4, maxEntries: 3 },
      values: new Map([[1, "five"]]),
    },
  }, {
    jump: { section: "raw_tp", code: call(jump, "tail_call").mov(R0, 1).exit() },
    five: returns(5),
    six: returns(6),
  });
  await object.load();
  const map = object.maps.get("map")!;
  assertEquals(run(object, "jump"), 5);
  map.set(u32(1), u32(object.programs.get("six")!.fd));
  assertEquals([run(object, "jump"), number(map.get(u32(1)))], [6, object.programs.get("six")!.info().id]);
  assertEquals([map.delete(u32(1)), run(object, "jump")], [true, 1]);
});

rootTest("a program writes to a ring buffer and to a perf event array", async () => {
  const ring = new Assembler().stx(DW, R10, -8, 42).loadMap(R1, "ring").mov(R2, R10).alu("+=", R2, -8).mov(
    R3,
    8,
  );
  const events = new Assembler().stx(DW, R10, -8, 43).loadMap(R2, "events").mov32(R3, -1).mov(R4, R10);
  using object = make({
    ring: { type: types.BPF_MAP_TYPE_RINGBUF, maxEntries: 4096 },
    events: { type: types.BPF_MAP_TYPE_PERF_EVENT_ARRAY },
  }, {
    ring: { section: "raw_tp", code: call(ring.mov(R4, 0), "ringbuf_output").exit() },
    events: {
      section: "raw_tp",
      code: call(events.alu("+=", R4, -8).mov(R5, 8), "perf_event_output").exit(),
    },
  });
  await object.load();
  const map = object.maps.get("ring")!;
  using buffer = new RingBuffer(map.fd, map.maxEntries);
  assertEquals(run(object, "ring"), 0);
  assertEquals(buffer.drain((offset) => assertEquals(buffer.words[offset >> 2], 42)), 1);
  using perf = new PerfBuffer(object.maps.get("events")!.fd, { pages: 1 });
  assertEquals(run(object, "events"), 0);
  assertEquals(perf.drain((bytes, offset) => assertEquals(number(bytes, offset - bytes.byteOffset), 43)), 1);
});

rootTest("a program knows the cgroups of a cgroup array", async () => {
  const code = call(new Assembler().loadMap(R1, "map").mov(R2, 0), "current_task_under_cgroup").exit();
  using object = make({ map: { ...LEAST.CGROUP_ARRAY, type: types.BPF_MAP_TYPE_CGROUP_ARRAY } }, raw(code));
  await object.load();
  const map = object.maps.get("map")!;
  assertEquals(run(object) | 0, -11); // EAGAIN: nothing is there
  await withCgroup((path) => {
    {
      using empty = new Fd(open(path)), all = new Fd(open(`${path}/..`));
      map.set(u32(0), u32(empty.fd));
      assertEquals(run(object), 0);
      map.set(u32(0), u32(all.fd));
      assertEquals(run(object), 1);
    }
    map.delete(u32(0));
  });
});

rootTest("values are stored with a socket", async () => {
  using object = await make({ map: { ...STORAGE, type: types.BPF_MAP_TYPE_SK_STORAGE } }).load();
  using one = Socket.bound("udp"), other = Socket.bound("udp");
  const map = object.maps.get("map")!;
  map.set(u32(one.fd), u64(7n));
  assertEquals([map.get(u32(one.fd)), map.get(u32(other.fd))], [u64(7n), undefined]);
  assertEquals([map.delete(u32(one.fd)), map.get(u32(one.fd))], [true, undefined]);
});

/** Whether the kernel was started with LSM programs: without them inodes have no room for values. */
function runsBpfLsm(): boolean {
  try {
    return Deno.readTextFileSync("/sys/kernel/security/lsm").split(",").includes("bpf");
  } catch {
    return false;
  }
}

rootTest("values are stored with an inode (5.10)", async () => {
  using object = make({ map: { ...STORAGE, type: types.BPF_MAP_TYPE_INODE_STORAGE } });
  try {
    await object.load();
  } catch (error) {
    return assertMatch(`${error}`, /inode storage need CONFIG_BPF_LSM/);
  }
  const path = Deno.makeTempFileSync(), map = object.maps.get("map")!;
  try {
    using file = new Fd(open(path)), same = new Fd(open(path));
    try {
      map.set(u32(file.fd), u64(8n));
    } catch (error) {
      return assert(!runsBpfLsm(), `${error}`);
    }
    assertEquals(map.get(u32(same.fd)), u64(8n));
  } finally {
    Deno.removeSync(path);
  }
});

rootTest("values are stored with a task, whose key is a pidfd (5.11)", async () => {
  const PIDFD_OPEN = 434;
  const { symbols } = Deno.dlopen("libc.so.6", {
    pidfd: { name: "syscall", parameters: ["i32", "i32", "i32"], result: "i32" },
  });
  // *bpf_task_storage_get(map, bpf_get_current_task_btf(), 0, BPF_LOCAL_STORAGE_GET_F_CREATE) += 1
  const code = call(new Assembler(), "get_current_task_btf").mov(R2, R0).loadMap(R1, "map").mov(R3, 0).mov(
    R4,
    1,
  );
  call(code, "task_storage_get").jump("==", R0, 0, "none").ldx(DW, R6, R0, 0).alu("+=", R6, 1);
  code.stx(DW, R0, 0, R6).mov(R0, R6).exit().label("none").mov(R0, -1).exit();
  // Tracing programs may since 5.13.
  const programs = kernelVersion() >= 0x050d00 ? raw(code) : {};
  using object = make({ map: { ...STORAGE, type: types.BPF_MAP_TYPE_TASK_STORAGE } }, programs);
  if (kernelVersion() < 0x050b00) {
    await assertRejects(() => object.load(), DetraceError, "needs task storage, which Linux 5.11 brought");
    return;
  }
  await object.load();
  const map = object.maps.get("map")!;
  using self = new Fd(symbols.pidfd(PIDFD_OPEN, Deno.pid, 0));
  using init = new Fd(symbols.pidfd(PIDFD_OPEN, 1, 0));
  map.set(u32(self.fd), u64(9n));
  assertEquals([map.get(u32(self.fd)), map.get(u32(init.fd))], [u64(9n), undefined]);
  if (object.programs.size) assert([run(object) + 1, run(object)].every((n, _, [first]) => n === first));
  assertEquals(map.delete(u32(self.fd)), true);
});

rootTest("values are stored with a cgroup (6.2)", async () => {
  using object = make({ map: { ...STORAGE, type: types.BPF_MAP_TYPE_CGRP_STORAGE } });
  if (kernelVersion() < 0x060200) {
    await assertRejects(
      () => object.load(),
      DetraceError,
      "needs cgroup-local storage, which Linux 6.2 brought",
    );
    return;
  }
  await object.load();
  const map = object.maps.get("map")!;
  await withCgroup((path) => {
    using one = new Fd(open(path)), same = new Fd(open(path)), other = new Fd(open(`${path}/..`));
    map.set(u32(one.fd), u64(10n));
    assertEquals([map.get(u32(same.fd)), map.get(u32(other.fd))], [u64(10n), undefined]);
  });
});

/** A program that sends a packet to entry 0 of the map, and passes it on where there is none. */
function redirect(): Record<string, { section: string; code: Assembler }> {
  const code = call(new Assembler().loadMap(R1, "map").mov(R2, 0).mov(R3, 2), "redirect_map").exit();
  return { run: { section: "xdp", code } };
}

/** XDP_PASS 2, XDP_REDIRECT 4. */
const runXdp = (object: BpfObject) =>
  object.programs.get("run")!.testRun({ dataIn: new Uint8Array(64) }).retval;

for (
  const [name, value] of [
    ["DEVMAP", u32(1)], // lo
    ["DEVMAP_HASH", u32(1)],
    ["CPUMAP", u32(192)], // packets that wait
    ["XSKMAP", undefined],
  ] as const
) {
  rootTest(`a program redirects packets by a map of type ${name}`, async () => {
    using object = make({ map: { ...LEAST[name], type: typeOf(name) } }, redirect());
    try {
      await object.load();
    } catch (error) {
      return assertMatch(`${error}`, /need CONFIG_/);
    }
    const map = object.maps.get("map")!;
    assertEquals(runXdp(object), 2);
    if (!value) {
      using file = new Fd(open("/dev/null"));
      assertThrows(() => map.set(u32(0), u32(file.fd)), SyscallError);
      return;
    }
    map.set(u32(0), value);
    assertEquals(map.get(u32(0)), value);
    assertEquals(runXdp(object), 4);
    map.delete(u32(0));
    assertEquals(runXdp(object), 2);
  });
}

for (const name of ["SOCKMAP", "SOCKHASH", "REUSEPORT_SOCKARRAY"]) {
  rootTest(`a map of type ${name} holds sockets`, async () => {
    using object = make({ map: { ...LEAST[name], type: typeOf(name) } });
    try {
      await object.load();
    } catch (error) {
      return assertMatch(`${error}`, /need CONFIG_/);
    }
    const map = object.maps.get("map")!;
    using socket = Socket.bound("tcp", 0, true), alone = Socket.bound("udp");
    map.set(u32(0), u64(BigInt(socket.fd)));
    const cookie = new DataView(map.get(u32(0))!.buffer).getBigUint64(0, true);
    assert(cookie > 0n);
    if (name === "REUSEPORT_SOCKARRAY") {
      assertThrows(() => map.set(u32(0), u64(BigInt(alone.fd))), SyscallError);
    } else assertEquals(map.delete(u32(0)), true);
  });
}

rootTest("instructions are held by an instruction array (6.19)", async () => {
  using object = make({ map: { ...LEAST.INSN_ARRAY, type: types.BPF_MAP_TYPE_INSN_ARRAY } });
  if (kernelVersion() < 0x061300) {
    await assertRejects(
      () => object.load(),
      DetraceError,
      "needs instruction arrays, which Linux 6.19 brought",
    );
    return;
  }
  await object.load();
  const map = object.maps.get("map")!;
  map.set(u32(0), u32(3, 0, 0, 0));
  assertEquals(number(map.get(u32(0))), 3);
});

rootTest("a resizable hash table holds entries, which come once (7.2)", async () => {
  const map = { ...HASH, type: types.BPF_MAP_TYPE_RHASH, maxEntries: 5000, flags: types.BPF_F_NO_PREALLOC };
  using object = make({ map });
  if (kernelVersion() < 0x070200) {
    await assertRejects(
      () => object.load(),
      DetraceError,
      "needs resizable hash tables, which Linux 7.2 brought",
    );
    return;
  }
  await object.load();
  const table = object.maps.get("map")!, keys = [...Array(3000).keys()];
  updateAll(table, keys.map((i) => [u32(i), u64(BigInt(i))]));
  assertEquals(table.get(u32(2999)), u64(2999n));
  assertEquals(deleteAll(table, [u32(7), u32(7000), u32(8)]), 2);
  const left = table.getAll().map(([key]) => number(key)).sort((a, b) => a - b);
  assertEquals(left.join(), keys.filter((i) => i !== 7 && i !== 8).join());
  assertEquals([table.drainAll().length, table.getAll().length], [2998, 0]);
});
