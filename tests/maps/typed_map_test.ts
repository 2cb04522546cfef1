import { assertEquals, assertThrows } from "@std/assert";
import { Btf } from "../../lib/btf/btf.ts";
import { BtfBuilder } from "../../lib/btf/build.ts";
import { DetraceError } from "../../lib/error.ts";
import { codec } from "../../lib/maps/codec.ts";
import { BpfMap } from "../../lib/maps/map.ts";
import { TypedMap } from "../../lib/maps/typed_map.ts";
import { BPF_MAP_TYPE_HASH, BPF_MAP_TYPE_PERCPU_HASH, BPF_NOEXIST } from "../../lib/maps/types.ts";
import { possibleCpus } from "../../lib/sys/process.ts";
import { rootTest } from "./programs.ts";

const builder = new BtfBuilder();
const u32Id = builder.addInt("unsigned int", 4);
const u64Id = builder.addInt("unsigned long long", 8);
const charId = builder.addInt("char", 1, { signed: true });
const keyId = builder.addStruct("key", 24, [
  { name: "cgroup", type: u64Id, bitOffset: 0 },
  { name: "comm", type: builder.addArray(charId, u32Id, 16), bitOffset: 64 },
]);
const slotsId = builder.addStruct("hist", 12, [
  { name: "slots", type: builder.addArray(u32Id, u32Id, 3), bitOffset: 0 },
]);
const btf = Btf.parse(builder.build());
const u32 = codec<number>(btf, u32Id), u64 = codec<bigint>(btf, u64Id);
const key = codec<{ cgroup: bigint; comm: string }>(btf, keyId);
const hist = codec<{ slots: number[] }>(btf, slotsId);

rootTest("keys and values are those of the types", () => {
  using map = BpfMap.create({ type: BPF_MAP_TYPE_HASH, keySize: 24, valueSize: 12, maxEntries: 10 });
  const typed = new TypedMap(map, key, hist);
  const a = { cgroup: 1n, comm: "bash" }, b = { cgroup: 2n, comm: "käse" };
  typed.set(a, { slots: [1, 2, 3] });
  typed.set(b, { slots: [4, 5, 6] }, BPF_NOEXIST);
  assertEquals(typed.get(a), { slots: [1, 2, 3] });
  assertEquals([...typed].sort((x, y) => Number(x[0].cgroup - y[0].cgroup)), [
    [a, { slots: [1, 2, 3] }],
    [b, { slots: [4, 5, 6] }],
  ]);
  assertEquals([typed.delete(a), typed.delete(a), typed.get(a)], [true, false, undefined]);
  assertEquals([typed.take(b), typed.take(b)], [{ slots: [4, 5, 6] }, undefined]);
  typed.set(a, { slots: [7, 8, 9] });
  assertEquals(typed.drainAll(), [[a, { slots: [7, 8, 9] }]]);
  assertEquals([...typed.entries()], []);
});

rootTest("a per-CPU map has a list of values for each key", () => {
  using map = BpfMap.create({ type: BPF_MAP_TYPE_PERCPU_HASH, keySize: 4, valueSize: 12, maxEntries: 10 });
  const typed = TypedMap.perCpu(map, u32, hist);
  const values = Array.from({ length: possibleCpus() }, (_, cpu) => ({ slots: [cpu, cpu + 1, cpu + 2] }));
  typed.set(7, values);
  assertEquals(typed.get(7), values);
  assertEquals([...typed], [[7, values]]);
  assertThrows(() => typed.set(7, []), DetraceError, "processors, got 0");
});

rootTest("many entries are written and deleted at once", () => {
  using map = BpfMap.create({ type: BPF_MAP_TYPE_PERCPU_HASH, keySize: 4, valueSize: 8, maxEntries: 10 });
  const typed = TypedMap.perCpu(map, u32, u64);
  const value = (i: number) => Array.from({ length: possibleCpus() }, (_, cpu) => BigInt(i * 100 + cpu));
  typed.updateAll(new Map([1, 2, 3].map((i) => [i, value(i)])));
  assertEquals([...typed].sort(([a], [b]) => a - b), [1, 2, 3].map((i) => [i, value(i)]));
  assertEquals([typed.deleteAll([2, 3, 4]), typed.get(1), typed.get(2)], [2, value(1), undefined]);
});

rootTest("types of other sizes than the map's are refused", () => {
  using map = BpfMap.create({ type: BPF_MAP_TYPE_HASH, keySize: 4, valueSize: 8, maxEntries: 10 });
  using perCpu = BpfMap.create({ type: BPF_MAP_TYPE_PERCPU_HASH, keySize: 4, valueSize: 8, maxEntries: 10 });
  new TypedMap(map, u32, u64);
  assertThrows(() => new TypedMap(map, u64, u64), DetraceError, "have 8 and 8");
  assertThrows(() => new TypedMap(map, u32, u32), DetraceError, "have 4 and 4");
  assertThrows(() => TypedMap.perCpu(map, u32, u64), DetraceError, "one value for all processors");
  assertThrows(() => TypedMap.perCpu(perCpu, u32, u32), DetraceError, "values of 8 bytes");
  if (possibleCpus() > 1) assertThrows(() => new TypedMap(perCpu, u32, u64), DetraceError);
});
