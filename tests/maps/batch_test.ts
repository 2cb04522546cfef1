import { assertEquals, assertThrows } from "@std/assert";
import { DetraceError } from "../../lib/error.ts";
import { deleteAll, updateAll } from "../../lib/maps/batch.ts";
import { BpfMap } from "../../lib/maps/map.ts";
import {
  BPF_MAP_TYPE_ARRAY,
  BPF_MAP_TYPE_DEVMAP_HASH,
  BPF_MAP_TYPE_HASH,
  BPF_MAP_TYPE_LPM_TRIE,
  BPF_MAP_TYPE_LRU_HASH,
  BPF_MAP_TYPE_PERCPU_ARRAY,
  BPF_MAP_TYPE_PERCPU_HASH,
  BPF_MAP_TYPE_QUEUE,
} from "../../lib/maps/types.ts";
import { SyscallError } from "../../lib/sys/errno.ts";
import { rootTest } from "./programs.ts";

const u32 = (...values: number[]) => new Uint8Array(Uint32Array.from(values).buffer);
const number = (bytes: Uint8Array, offset = 0) =>
  new DataView(bytes.buffer, bytes.byteOffset).getUint32(offset, true);

for (
  const [name, type, count, keySize = 4, flags = 0] of [
    ["a hash table", BPF_MAP_TYPE_HASH, 9000],
    ["an LRU hash table", BPF_MAP_TYPE_LRU_HASH, 1000],
    ["a per-CPU hash table", BPF_MAP_TYPE_PERCPU_HASH, 5000],
    ["an array", BPF_MAP_TYPE_ARRAY, 9000],
    ["a per-CPU array", BPF_MAP_TYPE_PERCPU_ARRAY, 300],
    ["a longest-prefix trie", BPF_MAP_TYPE_LPM_TRIE, 500, 8, 1],
    ["a device hash table (without batches)", BPF_MAP_TYPE_DEVMAP_HASH, 300],
  ] as [string, number, number, number?, number?][]
) {
  rootTest(`many entries go into ${name} and out of it at once`, () => {
    // An LRU table drops entries before it is full; an old trie that is full does not let any be changed.
    const maxEntries = keySize === 8 || type === BPF_MAP_TYPE_LRU_HASH ? 10 * count : count;
    using map = BpfMap.create({ type, keySize, valueSize: 4, maxEntries, flags, name: "batch" });
    const key = (i: number) => keySize === 8 ? u32(32, i) : u32(i);
    const value = (i: number) => {
      const bytes = new Uint8Array(map.valueBytes);
      bytes.set(u32(type === BPF_MAP_TYPE_DEVMAP_HASH ? 1 : i * 7));
      return bytes;
    };
    const all = [...Array(count).keys()];
    updateAll(map, []);
    updateAll(map, all.map((i) => [key(i), value(i)]));
    const sorted = map.getAll().map(([k, v]) => [number(k, keySize - 4), number(v)]).sort((a, b) =>
      a[0]! - b[0]!
    );
    assertEquals(JSON.stringify(sorted), JSON.stringify(all.map((i) => [i, number(value(i))])));
    updateAll(map, [[key(1), value(1)], [key(2), value(1)]]);
    assertEquals(map.get(key(2)), value(1));

    if (type === BPF_MAP_TYPE_ARRAY || type === BPF_MAP_TYPE_PERCPU_ARRAY) {
      assertEquals(assertThrows(() => deleteAll(map, [key(1)]), SyscallError).code, "EINVAL");
      return;
    }
    assertEquals(deleteAll(map, []), 0);
    // With keys that are not there at the start, in the middle and at the end.
    const some = [count + 1, 1, 2, count + 2, count + 3, 3, count + 4].map(key);
    assertEquals([deleteAll(map, some), deleteAll(map, some)], [3, 0]);
    assertEquals(deleteAll(map, all.map(key)), count - 3);
    assertEquals(map.getAll(), []);
  });
}

rootTest("what does not go in is an error, and nothing behind it goes in", () => {
  using map = BpfMap.create({ type: BPF_MAP_TYPE_HASH, keySize: 4, valueSize: 4, maxEntries: 3 });
  const entries = [1, 2, 3, 4, 5].map((i) => [u32(i), u32(i)] as const);
  assertEquals(assertThrows(() => updateAll(map, entries), SyscallError).code, "E2BIG");
  assertEquals(map.getAll().map(([key]) => number(key)).sort(), [1, 2, 3]);
  assertThrows(
    () => updateAll(map, [[u32(1), u32(9)], [u32(1), u32(1, 2)]]),
    DetraceError,
    "a value has 4 bytes",
  );
  assertThrows(() => updateAll(map, [[new Uint8Array(3), u32(9)]]), DetraceError, "a key has 4 bytes");
  assertThrows(() => deleteAll(map, [new Uint8Array(5)]), DetraceError, "a key has 4 bytes");
  assertEquals(map.get(u32(1)), u32(1));
});

rootTest("many values are pushed on a queue at once", () => {
  using map = BpfMap.create({ type: BPF_MAP_TYPE_QUEUE, keySize: 0, valueSize: 4, maxEntries: 3 });
  const none = new Uint8Array();
  updateAll(map, [1, 2, 3].map((i) => [none, u32(i)]));
  assertEquals([1, 2, 3].map(() => number(map.take(none)!)), [1, 2, 3]);
});
