import { assertEquals, assertThrows } from "@std/assert";
import { Assembler, R0, R1, R2, W } from "detrace/lib/asm/assembler.ts";
import { BtfBuilder } from "detrace/lib/btf/build.ts";
import { DetraceError } from "detrace/lib/error.ts";
import {
  BPF_MAP_TYPE_PERCPU_ARRAY,
  BPF_MAP_TYPE_QUEUE,
  BPF_MAP_TYPE_RINGBUF,
} from "detrace/lib/maps/types.ts";
import { buildSpec } from "detrace/lib/object/build.ts";
import { BpfObject } from "detrace/lib/object/object.ts";
import { ALL_PARTS, openObject } from "detrace/lib/object/open.ts";
import { packSpec } from "detrace/lib/object/pack.ts";
import { unpackSpec } from "detrace/lib/object/unpack.ts";
import { typedGlobal, typedMap } from "detrace/lib/object/typed.ts";
import { possibleCpus } from "detrace/lib/sys/process.ts";
import { rootTest } from "../maps/programs.ts";

const rooms = () =>
  openObject(Deno.readFileSync(new URL("../fixtures/object/rooms.bpf.o", import.meta.url)), "rooms");
const options = { kconfig: "CONFIG_DETRACE_NOWHERE=n\n" };

interface Pair {
  a: number;
  b: number;
  name: string;
}

Deno.test("a global variable of any type is read and changed before loading", () => {
  const object = rooms();
  assertEquals(["factor", "counter", "hot", "hidden"].map((name) => typedGlobal(object, name).get()), [
    3,
    0,
    9,
    5,
  ]);
  assertEquals(typedGlobal(object, "big").get(), 0x1122334455667788n);
  assertEquals(typedGlobal(object, "big", { wide: "number" }).get(), 0x1122334455667788);
  const constant = typedGlobal<Pair>(object, "constant");
  assertEquals(constant.get(), { a: 7, b: -2, name: "seven" });
  constant.set({ a: 1, b: 2, name: "two" });
  assertEquals(constant.get(), { a: 1, b: 2, name: "two" });
  assertEquals(object.data(".rodata").getInt32(object.spec.globals.get("constant")!.offset, true), 1);
});

Deno.test("what is no variable, or no value of one, is refused", () => {
  const object = rooms();
  assertThrows(() => typedGlobal(object, "nothing"), DetraceError, "rooms has no global variable nothing");
  assertThrows(
    () => typedGlobal<unknown>(object, "factor").set("seven"),
    DetraceError,
    "expected an integer",
  );
  assertThrows(() => typedGlobal(object, "factor").set(2 ** 40), DetraceError, "does not fit");
  assertThrows(() => typedMap(object, "pairs"), DetraceError, "map pairs is not loaded");
  assertThrows(() => typedMap(object, "nothing"), DetraceError, "there is no map nothing");
  const untyped = new BpfObject(
    buildSpec({ name: "untyped", programs: {}, data: { ".bss": new Uint8Array(4) } }),
  );
  untyped.spec.globals.set("x", { name: "x", map: ".bss", offset: 0, size: 4, typeId: 1 });
  assertThrows(() => typedGlobal(untyped, "x"), DetraceError, "untyped does not say what types it has");
});

Deno.test("an object that was packed has its types still", () => {
  const { json, bytes } = packSpec(rooms().spec);
  const object = new BpfObject(unpackSpec(json, bytes));
  assertEquals(typedGlobal<Pair>(object, "constant").get().name, "seven");
});

rootTest(
  "global variables are shared with a program that runs, constants are not changed any more",
  async () => {
    using object = rooms();
    const before = typedGlobal<number>(object, "factor");
    before.set(10);
    await object.load(options);
    const counter = typedGlobal<number>(object, "counter"), sum = object.programs.get("sum")!;
    counter.set(40);
    assertEquals(sum.testRun().retval, (2 * 10 + 5) + (3 + 1) * 10 - 2);
    assertEquals([counter.get(), typedGlobal(object, "hot").get(), before.get()], [41, 11 - 1, 10]);
    for (const constant of [before, typedGlobal<number>(object, "factor")]) {
      assertThrows(() => constant.set(11), DetraceError, "factor is a constant");
    }
    const big = typedGlobal<bigint>(object, "big");
    big.set(5n);
    sum.testRun();
    const value = object.maps.get("first")!.get(new Uint8Array([1, 0, 0, 0]))!;
    assertEquals(new DataView(value.buffer).getBigUint64(0, true), 5n);
  },
);

rootTest("a map has the keys and values that its types say", async () => {
  using object = rooms();
  await object.load(options);
  const pairs = typedMap<Pair, number>(object, "pairs");
  object.programs.get("sum")!.testRun();
  assertEquals([...pairs], [[{ a: 1, b: 2, name: "key" }, 11]]);
  pairs.set({ a: 3, b: -4, name: "other" }, -7);
  assertEquals(pairs.get({ a: 3, b: -4, name: "other" }), -7);
  assertEquals(pairs.deleteAll([{ a: 1, b: 2, name: "key" }, { a: 9, b: 9, name: "" }]), 1);
  assertThrows(
    () => typedMap(object, "sized"),
    DetraceError,
    "does not say of what types the keys and values",
  );
});

rootTest("per-CPU maps have lists of values, and maps without keys have values alone", async () => {
  const builder = new BtfBuilder();
  const int = builder.addInt("int", 4, { signed: true });
  const sample = builder.addStruct("sample", 8, [
    { name: "a", type: int, bitOffset: 0 },
    { name: "b", type: int, bitOffset: 32 },
  ]);
  const spec = buildSpec({
    name: "typed",
    btf: builder.build(),
    programs: {},
    maps: {
      each: {
        ...{ type: BPF_MAP_TYPE_PERCPU_ARRAY, keySize: 4, valueSize: 8, maxEntries: 2 },
        ...{ keyTypeId: int, valueTypeId: sample },
      },
      queue: { type: BPF_MAP_TYPE_QUEUE, valueSize: 8, maxEntries: 2, valueTypeId: sample },
      ring: { type: BPF_MAP_TYPE_RINGBUF, maxEntries: 4096 },
    },
  });
  using object = await new BpfObject(spec, ALL_PARTS).load();
  const each = typedMap<number, { a: number; b: number }[]>(object, "each");
  const values = Array.from({ length: possibleCpus() }, (_, cpu) => ({ a: cpu, b: -cpu }));
  each.set(1, values);
  assertEquals(each.get(1), values);
  const queue = typedMap<undefined, { a: number; b: number }>(object, "queue");
  queue.set(undefined, { a: 1, b: 2 });
  queue.updateAll([[undefined, { a: 3, b: 4 }]]);
  assertEquals([1, 2, 3].map(() => queue.take(undefined)), [{ a: 1, b: 2 }, { a: 3, b: 4 }, undefined]);
  assertThrows(() => typedMap(object, "ring"), DetraceError, "types the keys and values of map ring");
});

rootTest("global variables are seen and changed while a program runs at every system call", async () => {
  const code = new Assembler();
  // for (i = 0; i < 1000 && !stop; i++) turns++;
  code.loadData(R1, ".bss", 0).mov(R2, 0);
  code.label("loop").ldx(W, R0, R1, 0).jump("!=", R0, 0, "out");
  code.ldx(W, R0, R1, 4).alu("+=", R0, 1).stx(W, R1, 4, R0);
  code.alu("+=", R2, 1).jump("<", R2, 1000, "loop");
  code.label("out").ldx(W, R0, R1, 4).exit();
  const spec = buildSpec({
    name: "turning",
    programs: { turn: { section: "raw_tp/sys_enter", code } },
    data: { ".bss": new Uint8Array(8) },
  });
  using object = await new BpfObject(spec, ALL_PARTS).load();
  object.attach();
  const data = object.data(".bss");
  const wait = (ready: () => boolean) => {
    for (const end = Date.now() + 10000; !ready();) {
      if (Date.now() > end) throw new Error("nothing changed");
      Deno.statSync("/");
    }
  };
  wait(() => data.getUint32(4, true) > 5000);
  data.setUint32(0, 1, true);
  wait(() => {
    const before = data.getUint32(4, true);
    Deno.statSync("/");
    return data.getUint32(4, true) === before;
  });
  const stopped = data.getUint32(4, true);
  data.setUint32(0, 0, true);
  wait(() => data.getUint32(4, true) !== stopped);
});
