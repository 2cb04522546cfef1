import { assert, assertEquals, assertThrows } from "@std/assert";
import { DetraceError } from "../../lib/error.ts";
import { BpfMap } from "../../lib/maps/map.ts";
import {
  BPF_F_MMAPABLE,
  BPF_MAP_TYPE_ARRAY,
  BPF_MAP_TYPE_DEVMAP_HASH,
  BPF_MAP_TYPE_HASH,
  BPF_MAP_TYPE_LPM_TRIE,
  BPF_MAP_TYPE_LRU_HASH,
  BPF_MAP_TYPE_PERCPU_ARRAY,
  BPF_MAP_TYPE_PERCPU_HASH,
  BPF_MAP_TYPE_QUEUE,
  BPF_MAP_TYPE_STACK,
  BPF_NOEXIST,
} from "../../lib/maps/types.ts";
import { SyscallError } from "../../lib/sys/errno.ts";
import { open } from "../../lib/sys/file.ts";
import { possibleCpus } from "../../lib/sys/process.ts";
import { rootTest } from "./programs.ts";

const u32 = (...values: number[]) => new Uint8Array(Uint32Array.from(values).buffer);
const number = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
const make = (type: number, maxEntries: number, keySize = 4, valueSize = 4, flags = 0) =>
  BpfMap.create({ type, keySize, valueSize, maxEntries, flags, name: "test" });
/** Entries of u32 to u32, sorted. */
const pairs = (entries: Iterable<[Uint8Array, Uint8Array]>) =>
  [...entries].map(([key, value]) => [number(key), number(value)]).sort((a, b) => a[0]! - b[0]!);

rootTest("an entry of a hash map is made, changed, read, taken and deleted", () => {
  using map = make(BPF_MAP_TYPE_HASH, 10);
  assertEquals(map.get(u32(1)), undefined);
  map.set(u32(1), u32(5));
  assertEquals(map.get(u32(1)), u32(5));
  assertEquals(assertThrows(() => map.set(u32(1), u32(6), BPF_NOEXIST), SyscallError).code, "EEXIST");
  map.set(u32(1), u32(6));
  assertEquals(map.take(u32(1)), u32(6));
  assertEquals(map.take(u32(1)), undefined);
  map.set(u32(2), u32(7));
  assertEquals([map.delete(u32(2)), map.delete(u32(2))], [true, false]);
});

rootTest("keys and values of a wrong length never reach the kernel", () => {
  using map = make(BPF_MAP_TYPE_HASH, 10);
  for (
    const wrong of [
      () => map.get(u32()),
      () => map.get(u32(1, 2)),
      () => map.set(new Uint8Array(3), u32(1)),
      () => map.set(u32(1), new Uint8Array(3)),
      () => map.delete(new Uint8Array(8)),
      () => map.take(new Uint8Array(1)),
    ]
  ) assertThrows(wrong, DetraceError, "map test: a ");
});

for (
  const [name, type, size] of [
    ["hash", BPF_MAP_TYPE_HASH, 10000],
    ["LRU hash", BPF_MAP_TYPE_LRU_HASH, 40000],
    ["device hash (a map without batches)", BPF_MAP_TYPE_DEVMAP_HASH, 500],
  ] as const
) {
  const value = (i: number) => type === BPF_MAP_TYPE_DEVMAP_HASH ? 1 : i * 3; // 1 is the index of lo
  const count = Math.min(size, 10000);
  const expected = Array.from({ length: count }, (_, i) => [i, value(i)]);

  rootTest(`all entries of a ${name} come once, and are gone when drained`, () => {
    using map = make(type, size);
    assertEquals(map.getAll(), []);
    assertEquals(map.drainAll(), []);
    for (let i = 0; i < count; i++) map.set(u32(i), u32(value(i)));
    assertEquals(pairs(map.entries()), expected);
    assertEquals(pairs(map.getAll()), expected);
    assertEquals(pairs(map.drainAll()), expected);
    assertEquals(map.getAll(), []);
    map.set(u32(7), u32(value(7)));
    map.clear();
    assertEquals(map.getAll(), []);
  });

  rootTest(`entries of a ${name} can be deleted while they are gone through`, () => {
    using map = make(type, size);
    for (let i = 0; i < count; i++) map.set(u32(i), u32(value(i)));
    const seen = new Set<number>();
    for (const [key] of map.entries()) {
      const i = number(key);
      assert(!seen.has(i), `${i} came twice`);
      seen.add(i);
      assert(map.delete(key));
    }
    assertEquals([seen.size, map.getAll().length], [count, 0]);
  });

  rootTest(`going through a ${name} ends though entries come and go, and misses none that stays`, () => {
    using map = make(type, size);
    const half = count / 2;
    for (let i = 0; i < count; i++) map.set(u32(i), u32(value(i)));
    const seen = new Set<number>();
    let steps = 0, added = count;
    for (const [key] of map.entries()) {
      steps++;
      seen.add(number(key));
      // Perhaps what would come next.
      if (map.delete(u32(half + steps % half))) map.set(u32(added++), u32(value(0)));
    }
    // An LRU map may drop entries of its own.
    if (type !== BPF_MAP_TYPE_LRU_HASH) {
      for (let i = 0; i < half; i++) assert(seen.has(i), `${i} did not come`);
    }
    assert(steps <= 4 * size);
  });
}

rootTest("a hash whose entries are all in few buckets is read in batches", () => {
  // 2 entries of room at first, which a bucket of 3 does not fit in: the kernel answers ENOSPC.
  using map = make(BPF_MAP_TYPE_HASH, 64, 4, 65536);
  const big = new Uint8Array(65536);
  for (let i = 0; i < 64; i++) map.set(u32(i), big);
  assertEquals(map.getAll().map(([key]) => number(key)).sort((a, b) => a - b), [...Array(64).keys()]);
  assertEquals(map.drainAll().length, 64);
});

rootTest("an array is drained by setting it to zero", () => {
  using map = make(BPF_MAP_TYPE_ARRAY, 3);
  map.set(u32(1), u32(9));
  assertEquals(pairs(map.drainAll()), [[0, 0], [1, 9], [2, 0]]);
  assertEquals(pairs(map.getAll()), [[0, 0], [1, 0], [2, 0]]);
  assertEquals(map.get(u32(3)), undefined);
});

for (const type of [BPF_MAP_TYPE_PERCPU_HASH, BPF_MAP_TYPE_PERCPU_ARRAY]) {
  rootTest(`per-CPU map of type ${type}: a value is that of all processors, padded to 8 bytes`, () => {
    using map = make(type, 3, 4, 12);
    const cpus = possibleCpus();
    assertEquals([map.isPerCpu, map.valueBytes], [true, cpus * 16]);
    const value = new Uint8Array(map.valueBytes);
    map.perCpu(value).forEach((part, cpu) => part.fill(cpu + 1));
    map.set(u32(2), value);
    assertEquals(map.get(u32(2)), value);
    const parts = map.perCpu(map.get(u32(2))!);
    assertEquals(parts, Array.from({ length: cpus }, (_, cpu) => new Uint8Array(12).fill(cpu + 1)));
    assertEquals(map.getAll().find(([key]) => number(key) === 2)![1], value);
    assertEquals(map.drainAll().find(([key]) => number(key) === 2)![1], value);
    assertEquals(map.getAll().length, type === BPF_MAP_TYPE_PERCPU_ARRAY ? 3 : 0);
  });
}

rootTest("queues and stacks have empty keys", () => {
  for (const [type, order] of [[BPF_MAP_TYPE_QUEUE, [1, 2]], [BPF_MAP_TYPE_STACK, [2, 1]]] as const) {
    using map = make(type, 3, 0);
    const none = new Uint8Array();
    map.set(none, u32(1));
    map.set(none, u32(2));
    assertEquals(number(map.get(none)!), order[0]);
    assertEquals([number(map.take(none)!), number(map.take(none)!)], [...order]);
    assertEquals([map.take(none), map.get(none)], [undefined, undefined]);
  }
});

rootTest("the entries of a longest-prefix map come, too", () => {
  using map = make(BPF_MAP_TYPE_LPM_TRIE, 10, 8, 4, 1); // BPF_F_NO_PREALLOC
  map.set(u32(8, 10), u32(1));
  map.set(u32(16, 10), u32(2));
  assertEquals(pairs(map.getAll()), [[8, 1], [16, 2]]);
  assertEquals(pairs(map.drainAll()), [[8, 1], [16, 2]]);
  assertEquals(map.getAll(), []);
});

rootTest("a map is found again by its id, with all that it was made with", () => {
  using map = make(BPF_MAP_TYPE_ARRAY, 5, 4, 24, BPF_F_MMAPABLE);
  map.set(u32(4), new Uint8Array(24).fill(3));
  using same = BpfMap.fromId(map.id)!;
  assertEquals(
    [same.name, same.type, same.keySize, same.valueSize, same.maxEntries, same.flags, same.id],
    ["test", BPF_MAP_TYPE_ARRAY, 4, 24, 5, BPF_F_MMAPABLE, map.id],
  );
  assertEquals(same.get(u32(4)), new Uint8Array(24).fill(3));
  assertEquals(BpfMap.fromId(0x7fffffff), undefined);
});

rootTest("a pinned map is found again by its path", () => {
  // A bpf file system of our own: not every machine has one mounted.
  const directory = Deno.makeTempDirSync(), path = `${directory}/map`;
  const run = (command: string, ...args: string[]) =>
    assert(new Deno.Command(command, { args }).outputSync().success);
  run("mount", "-t", "bpf", "none", directory);
  try {
    using map = make(BPF_MAP_TYPE_HASH, 5);
    map.pin(path);
    using same = BpfMap.fromPin(path);
    assertEquals(same.id, map.id);
    Deno.removeSync(path);
    assertEquals(assertThrows(() => BpfMap.fromPin(path), SyscallError).code, "ENOENT");
  } finally {
    run("umount", directory);
    Deno.removeSync(directory);
  }
});

rootTest("what is no map is refused, and its descriptor closed", () => {
  const fd = open("/dev/null");
  assertThrows(() => BpfMap.fromFd(fd), SyscallError);
  assertThrows(() => Deno.statSync(`/proc/self/fd/${fd}`), Deno.errors.NotFound);
});

rootTest("the values of an array lie in memory at multiples of 8 bytes", () => {
  using map = make(BPF_MAP_TYPE_ARRAY, 3, 4, 12, BPF_F_MMAPABLE);
  map.set(u32(1), new Uint8Array(12).fill(7));
  using memory = map.mmap({ write: true });
  assertEquals(memory.bytes.subarray(16, 28), new Uint8Array(12).fill(7));
  memory.bytes[32] = 9;
  assertEquals(map.get(u32(2))![0], 9);
});

rootTest("a frozen map refuses writes", () => {
  using map = make(BPF_MAP_TYPE_ARRAY, 1);
  map.freeze();
  assertEquals(assertThrows(() => map.set(u32(0), u32(1)), SyscallError).code, "EPERM");
  assertEquals(number(map.get(u32(0))!), 0);
});

rootTest("a closed map says so", () => {
  const map = make(BPF_MAP_TYPE_HASH, 1);
  map.close();
  map.close();
  assertEquals(map.fd, -1);
  assertEquals(assertThrows(() => map.get(u32(1)), SyscallError).code, "EBADF");
  assertEquals(assertThrows(() => map.getAll(), SyscallError).code, "EBADF");
});
