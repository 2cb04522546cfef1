import { assert, assertEquals, assertLess, assertRejects, assertThrows } from "@std/assert";
import { DetraceError } from "../../lib/error.ts";
import { BpfMap } from "../../lib/maps/map.ts";
import { RingBuffer } from "../../lib/maps/ring_buffer.ts";
import { BPF_MAP_TYPE_ARRAY, BPF_MAP_TYPE_RINGBUF } from "../../lib/maps/types.ts";
import { closeFd, map, type Mapping, PROT_READ, PROT_WRITE } from "../../lib/sys/door.ts";
import { O_RDWR, open } from "../../lib/sys/file.ts";
import { pageSize } from "../../lib/sys/process.ts";
import { copier, discarder, rootTest, run, writer } from "./programs.ts";

const BUSY = 0x80000000, DISCARD = 0x40000000;

/** A ring buffer in a file, laid out as the kernel's, so that states can be made that programs do not stay in. */
class Fake implements Disposable {
  readonly size = pageSize();
  readonly ring: RingBuffer;
  readonly #fd: number;
  readonly #memory: DataView;
  readonly #mapping: Mapping;

  constructor(position: bigint, longest?: number) {
    const path = Deno.makeTempFileSync();
    Deno.truncateSync(path, pageSize() * 2 + this.size * 2);
    this.#fd = open(path, O_RDWR);
    Deno.removeSync(path);
    this.#mapping = map(this.#fd, pageSize() * 2 + this.size * 2, {
      prot: PROT_READ | PROT_WRITE,
      shared: true,
    });
    this.#memory = new DataView(this.#mapping.bytes.buffer);
    this.#memory.setBigUint64(0, position, true);
    this.produce(position);
    this.ring = new RingBuffer(this.#fd, this.size, longest);
  }

  /** Moves the producers' position. */
  produce(position: bigint): void {
    this.#memory.setBigUint64(pageSize(), position, true);
  }

  /** Writes a record's header and its 8 bytes, as they are seen in both copies of the data. */
  record(position: bigint, header: number, value: bigint): void {
    for (const [distance, word] of [[0n, BigInt(header)], [8n, value]] as const) {
      const offset = pageSize() * 2 + Number((position + distance) % BigInt(this.size));
      this.#memory.setBigUint64(offset, word, true);
      this.#memory.setBigUint64(offset + this.size, word, true);
    }
  }

  /** The consumer's position as the kernel sees it. */
  get consumed(): bigint {
    return this.#memory.getBigUint64(0, true);
  }

  [Symbol.dispose](): void {
    this.ring.dispose();
    this.#mapping.close();
    closeFd(this.#fd);
  }
}

for (const start of [0n, 2n ** 31n - 24n, 2n ** 32n - 8n, 2n ** 53n - 8n, 2n ** 63n - 16n]) {
  Deno.test(`positions are followed beyond ${start}`, () => {
    using fake = new Fake(start);
    for (let i = 0n; i < 3n; i++) fake.record(start + i * 16n, 8, i + 100n);
    fake.produce(start + 48n);
    assertEquals(fake.ring.pending, 48);
    const seen: number[] = [];
    assertEquals(fake.ring.drain((offset, length) => seen.push(fake.ring.words[offset >> 2]!, length)), 3);
    assertEquals(seen, [100, 8, 101, 8, 102, 8]);
    assertEquals(fake.consumed, start + 48n);
    assertEquals(fake.ring.pending, 0);
  });
}

Deno.test("a record that is still being written ends the batch", () => {
  using fake = new Fake(0n);
  fake.record(0n, 8, 1n);
  fake.record(16n, 8 + BUSY, 2n);
  fake.record(32n, 8, 3n);
  fake.produce(48n);
  const seen: number[] = [];
  const take = (offset: number) => seen.push(fake.ring.words[offset >> 2]!);
  assertEquals(fake.ring.drain(take), 1);
  assertEquals(fake.ring.drain(take), 0);
  assertEquals(fake.consumed, 16n);
  assertEquals(fake.ring.pending, 32);
  fake.record(16n, 8, 2n);
  assertEquals(fake.ring.drain(take), 2);
  assertEquals(seen, [1, 2, 3]);
});

Deno.test("a record that was thrown away is passed over", () => {
  using fake = new Fake(0n);
  fake.record(0n, 8 + DISCARD, 1n);
  fake.record(16n, 8, 2n);
  fake.produce(32n);
  const seen: number[] = [];
  assertEquals(fake.ring.drain((offset) => seen.push(fake.ring.words[offset >> 2]!)), 1);
  assertEquals(seen, [2]);
  assertEquals(fake.consumed, 32n);
});

Deno.test("producers get room at every quarter of a long batch", () => {
  using fake = new Fake(0n);
  const records = fake.size / 16;
  for (let i = 0; i < records; i++) fake.record(BigInt(i * 16), 8, BigInt(i));
  fake.produce(BigInt(fake.size));
  const consumed = new Set<bigint>();
  assertEquals(fake.ring.drain(() => consumed.add(fake.consumed)), records);
  const quarter = BigInt(fake.size / 4);
  assertEquals([...consumed], [0n, quarter, 2n * quarter, 3n * quarter]);
});

Deno.test("a record whose callback throws counts as taken", () => {
  using fake = new Fake(0n);
  for (let i = 0n; i < 3n; i++) fake.record(i * 16n, 8, i);
  fake.produce(48n);
  let calls = 0;
  assertThrows(
    () =>
      fake.ring.drain(() => {
        if (++calls === 2) throw new DetraceError("no");
      }),
    DetraceError,
    "no",
  );
  assertEquals(fake.consumed, 32n);
  assertEquals(fake.ring.drain(() => {}), 1);
});

Deno.test("the callback may dispose of the ring, and no view of it reaches memory afterwards", () => {
  using fake = new Fake(0n);
  for (let i = 0n; i < 3n; i++) fake.record(i * 16n, 8, i);
  fake.produce(48n);
  const { ring } = fake, { bytes, words } = ring, part = bytes.subarray(8, 16);
  assertEquals(ring.drain(() => ring.dispose()), 1);
  assertEquals(fake.consumed, 16n);
  assertEquals([bytes.length, words.length, part.length, ring.pending], [0, 0, 0, 0]);
  assertEquals(ring.drain(() => {}), 0);
  ring.dispose();
});

Deno.test("a callback that drains again gets nothing twice", () => {
  using fake = new Fake(0n);
  for (let i = 0n; i < 3n; i++) fake.record(i * 16n, 8, i);
  fake.produce(48n);
  let inner = 0;
  assertEquals(fake.ring.drain(() => inner += fake.ring.drain(() => {})), 3);
  assertEquals(inner, 0);
});

Deno.test("a size that no ring buffer has is refused", () => {
  for (const size of [0, 1, 4095, 3 * pageSize(), 2 ** 31, NaN, -4096]) {
    assertThrows(() => new RingBuffer(-1, size), DetraceError, "power of two");
  }
});

const ringMap = (maxEntries: number) =>
  BpfMap.create({ type: BPF_MAP_TYPE_RINGBUF, keySize: 0, valueSize: 0, maxEntries, name: "events" });
const counterMap = () =>
  BpfMap.create({ type: BPF_MAP_TYPE_ARRAY, keySize: 4, valueSize: 8, maxEntries: 1, name: "counter" });

/** Checks that the numbers of the records go up one by one. */
class Sequence {
  next = 0;
  gaps = 0;
  readonly #ring: RingBuffer;
  constructor(ring: RingBuffer) {
    this.#ring = ring;
  }
  readonly take = (offset: number): void => {
    const value = this.#ring.words[offset >> 2]!;
    if (value !== this.next) this.gaps++;
    this.next = value + 1;
  };
}

rootTest("records of all sizes come in order, whole and in one piece, round and round the ring", () => {
  using map = ringMap(pageSize()), counter = counterMap();
  using ring = new RingBuffer(map.fd, map.maxEntries);
  const sizes = [8, 16, 64, 24, 256, 40];
  using program = writer(map, counter, 6, sizes);
  let expected = 0, across = 0;
  for (let round = 0; round < 100; round++) {
    assertEquals(run(program), 0);
    const records = ring.drain((offset, length) => {
      assertEquals(length, sizes[expected % sizes.length]);
      assertEquals(ring.words[offset >> 2], expected++);
      for (let i = 8; i < length; i += 8) assertEquals(ring.words[offset + i >> 2], length - i);
      if (offset + length > ring.size) across++;
    });
    assertEquals(records, sizes.length);
  }
  assert(across > 0, "no record went across the end");
});

rootTest("discarded records are passed over", () => {
  using map = ringMap(65536);
  using ring = new RingBuffer(map.fd, map.maxEntries);
  using program = discarder(map, 100);
  run(program);
  const seen: number[] = [];
  assertEquals(ring.drain((offset) => seen.push(ring.words[offset >> 2]!)), 50);
  assertEquals(seen, Array.from({ length: 50 }, (_, i) => 2 * i));
  assertEquals(ring.pending, 0);
});

rootTest("the largest record that fits comes whole from any position", () => {
  const size = pageSize() - 16; // a header, and the ring is never filled to the last byte
  using map = ringMap(pageSize());
  using ring = new RingBuffer(map.fd, map.maxEntries);
  using array = BpfMap.create({ type: BPF_MAP_TYPE_ARRAY, keySize: 4, valueSize: size, maxEntries: 1 });
  const value = new Uint8Array(size).map((_, i) => i * 7);
  array.set(new Uint8Array(4), value);
  using program = copier(map, array, size);
  for (let i = 0; i < 700; i++) {
    assertEquals(run(program), 0);
    assertEquals(run(program) | 0, -1);
    let copy = new Uint8Array();
    assertEquals(ring.drain((offset, length) => copy = ring.bytes.slice(offset, offset + length)), 1);
    if (i % 50 === 0) assertEquals(copy, value);
  }
});

rootTest(
  "where the longest record is known, only so much is mapped a second time, and longer ones are refused",
  () => {
    const size = 1000, page = pageSize();
    using map = ringMap(4 * page);
    using array = BpfMap.create({ type: BPF_MAP_TYPE_ARRAY, keySize: 4, valueSize: size, maxEntries: 1 });
    using program = copier(map, array, size);
    using ring = new RingBuffer(map.fd, map.maxEntries, size);
    assertEquals(ring.bytes.length, 5 * page);
    let across = 0;
    for (let i = 0; i < 200; i++) {
      const value = new Uint8Array(size).map((_, at) => i + at);
      array.set(new Uint8Array(4), value);
      assertEquals(run(program), 0);
      let copy = new Uint8Array();
      const take = (offset: number, length: number) => {
        copy = ring.bytes.slice(offset, offset + length);
        if (offset + length > ring.size) across++;
      };
      assertEquals(ring.drain(take), 1);
      assertEquals(copy, value);
    }
    assert(across > 0, "no record went across the end");
  },
);

Deno.test("a record that does not lie in one piece is refused, and counts as taken", () => {
  using fake = new Fake(BigInt(pageSize() - 16), 8);
  fake.record(BigInt(pageSize() - 16), 2 * pageSize() - 64, 1n);
  fake.produce(BigInt(3 * pageSize() - 72));
  const { message } = assertThrows(() => fake.ring.drain(() => {}), DetraceError);
  assertEquals(
    message,
    `a record of ${2 * pageSize() - 64} bytes: the ring buffer was opened for shorter ones`,
  );
  assertEquals(fake.ring.pending, 0);
});

rootTest("a million records come without loss when the ring is drained in time", () => {
  using map = ringMap(1 << 20), counter = counterMap();
  using ring = new RingBuffer(map.fd, map.maxEntries);
  using program = writer(map, counter, 2500, [64]);
  const sequence = new Sequence(ring);
  let records = 0;
  for (let i = 0; i < 400; i++) {
    assertEquals(run(program), 0);
    records += ring.drain(sequence.take);
  }
  assertEquals([records, sequence.next, sequence.gaps], [1000000, 1000000, 0]);
});

rootTest("a full ring drops records and goes on when there is room", () => {
  using map = ringMap(pageSize()), counter = counterMap();
  using ring = new RingBuffer(map.fd, map.maxEntries);
  const room = Math.floor((pageSize() - 1) / 72);
  using program = writer(map, counter, 100, [64]);
  for (let round = 0; round < 5; round++) {
    assertEquals(run(program), 100 - room);
    assertEquals(ring.pending, room * 72);
    assertEquals(ring.drain(() => {}), room);
  }
});

rootTest("records that were there before the ring was mapped come, too", () => {
  using map = ringMap(65536), counter = counterMap();
  using program = writer(map, counter, 3, [8]);
  run(program);
  {
    using ring = new RingBuffer(map.fd, map.maxEntries);
    assertEquals(ring.drain(() => {}), 3);
  }
  run(program);
  using ring = new RingBuffer(map.fd, map.maxEntries);
  const seen: number[] = [];
  assertEquals(ring.drain((offset) => seen.push(ring.words[offset >> 2]!)), 3);
  assertEquals(seen, [3, 4, 5]);
});

const pause = (ms: number) => new Promise<void>((done) => setTimeout(done, ms));

rootTest("consume() gives a lone record at once, and ends when aborted", async () => {
  using map = ringMap(65536), counter = counterMap();
  using ring = new RingBuffer(map.fd, map.maxEntries);
  using program = writer(map, counter, 1, [8]);
  const end = new AbortController(), delays: number[] = [];
  let batches = 0, sent = 0, arrived = () => {};
  const done = ring.consume(() => {
    delays.push(performance.now() - sent);
    arrived();
  }, { signal: end.signal, batchEnd: () => batches++ });
  for (let i = 0; i < 10; i++) {
    await pause(20);
    const here = new Promise<void>((done) => arrived = done);
    sent = performance.now();
    run(program);
    await here;
  }
  run(program);
  end.abort();
  await done;
  assertEquals([delays.length, batches], [11, 11]);
  assertLess(delays.sort((a, b) => a - b)[2]!, 10, `delays in ms: ${delays}`);
});

rootTest("consume() with a signal that is aborted already takes what is there", async () => {
  using map = ringMap(65536), counter = counterMap();
  using ring = new RingBuffer(map.fd, map.maxEntries);
  await ring.consume(() => {}, { signal: AbortSignal.abort() });
  using program = writer(map, counter, 3, [8]);
  run(program);
  let records = 0;
  await ring.consume(() => records++, { signal: AbortSignal.abort() });
  assertEquals(records, 3);
});

rootTest("consume() rejects with the callback's error, and can be begun again", async () => {
  using map = ringMap(65536), counter = counterMap();
  using ring = new RingBuffer(map.fd, map.maxEntries);
  using program = writer(map, counter, 3, [8]);
  setTimeout(() => run(program), 10);
  const refuse = () => {
    throw new DetraceError("full");
  };
  await assertRejects(() => ring.consume(refuse), DetraceError, "full");
  const end = new AbortController(), seen: number[] = [];
  setTimeout(() => end.abort(), 20);
  await ring.consume((offset) => seen.push(ring.words[offset >> 2]!), { signal: end.signal });
  assertEquals(seen, [1, 2]);
});

rootTest("a second consume() is refused while one runs", async () => {
  using map = ringMap(65536);
  using ring = new RingBuffer(map.fd, map.maxEntries);
  const end = new AbortController();
  const done = ring.consume(() => {}, { signal: end.signal });
  await assertRejects(() => ring.consume(() => {}), DetraceError, "already");
  end.abort();
  await done;
});

rootTest("dispose() ends consume(), whether it waits, sleeps or works", async () => {
  using map = ringMap(65536), counter = counterMap();
  using program = writer(map, counter, 3, [8]);
  for (const when of ["waits", "sleeps", "works"]) {
    const ring = new RingBuffer(map.fd, map.maxEntries);
    let records = 0;
    const done = ring.consume(() => {
      records++;
      if (when === "works") ring.dispose();
    }, {
      batchEnd() {
        if (when === "sleeps") queueMicrotask(() => ring.dispose());
      },
    });
    await pause(5);
    if (when === "waits") ring.dispose();
    else run(program);
    await done;
    assertEquals(records, { waits: 0, sleeps: 3, works: 1 }[when]);
    assertEquals(ring.drain(() => {}), 0);
    await ring.consume(() => {});
  }
});

rootTest("records() gives copies", async () => {
  using map = ringMap(65536), counter = counterMap();
  const ring = new RingBuffer(map.fd, map.maxEntries);
  using program = writer(map, counter, 3, [16]);
  setTimeout(() => run(program), 10);
  setTimeout(() => run(program), 30);
  const copies: Uint8Array[] = [];
  for await (const record of ring.records()) {
    copies.push(record);
    if (copies.length === 5) break;
  }
  ring.dispose();
  assertEquals(copies.map((copy) => [copy.length, copy[0]]), [[16, 0], [16, 1], [16, 2], [16, 3], [16, 4]]);
});

rootTest(
  "under a flood from another thread, every record is either given in order or counted as dropped",
  async () => {
    using map = ringMap(1 << 18), counter = counterMap();
    using ring = new RingBuffer(map.fd, map.maxEntries);
    using program = writer(map, counter, 1000, [64]);
    const worker = new Worker(new URL("./flood_worker.ts", import.meta.url), { type: "module" });
    const end = new AbortController();
    let dropped = -1, records = 0, last = -1, disorder = 0;
    worker.onmessage = ({ data }) => {
      dropped = data;
      end.abort();
    };
    worker.postMessage({ fd: program.fd, runs: 200 });
    await ring.consume((offset) => {
      const value = ring.words[offset >> 2]!;
      if (value <= last) disorder++;
      last = value;
      records++;
    }, { signal: end.signal });
    worker.terminate();
    assertEquals([records + dropped, disorder], [200000, 0]);
    assert(records > 0);
  },
  true,
);
