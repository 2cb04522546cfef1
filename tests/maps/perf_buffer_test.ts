import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { DetraceError } from "../../lib/error.ts";
import { BpfMap } from "../../lib/maps/map.ts";
import { PerfBuffer } from "../../lib/maps/perf_buffer.ts";
import { BPF_MAP_TYPE_PERF_EVENT_ARRAY } from "../../lib/maps/types.ts";
import { onlineCpus, possibleCpus } from "../../lib/sys/process.ts";
import { perfWriter, rootTest, runOn } from "./programs.ts";

const eventMap = () =>
  BpfMap.create({
    type: BPF_MAP_TYPE_PERF_EVENT_ARRAY,
    keySize: 4,
    valueSize: 4,
    maxEntries: possibleCpus(),
  });
const word = (bytes: Uint8Array, offset: number) =>
  new DataView(bytes.buffer, bytes.byteOffset).getUint32(offset, true);

rootTest("samples of every processor come in its order and whole, round and round the ring", () => {
  using map = eventMap();
  using buffer = new PerfBuffer(map.fd, { pages: 1 });
  using program = perfWriter(map, 10, 200);
  let copies = 0;
  for (let round = 0; round < 50; round++) {
    const next = new Map<number, number>();
    for (const cpu of onlineCpus()) assertEquals(runOn(program, cpu), 0);
    assert(buffer.pending > 0);
    const first = buffer.drain((bytes, offset, length, cpu) => {
      const n = next.get(cpu) ?? 0;
      next.set(cpu, n + 1);
      assertEquals(word(bytes, offset), n);
      assert(length >= 200 && length < 208);
      for (let i = 8; i < 200; i += 8) assertEquals(word(bytes, offset + i), 200 - i);
      if (bytes.length === 65536) copies++;
    });
    assertEquals(first, 10 * onlineCpus().length);
    assertEquals(next, new Map(onlineCpus().map((cpu) => [cpu, 10])));
    assertEquals([buffer.pending, buffer.lost], [0, 0]);
  }
  assert(copies > 0, "no sample went round the end");
});

rootTest("samples for which there was no room are counted", () => {
  using map = eventMap();
  const lost = new Map<number, number>();
  using buffer = new PerfBuffer(map.fd, {
    pages: 1,
    lost: (count, cpu) => lost.set(cpu, (lost.get(cpu) ?? 0) + count),
  });
  using program = perfWriter(map, 100, 200);
  const cpu = onlineCpus().at(-1)!;
  const failed = runOn(program, cpu);
  assert(failed > 0);
  assertEquals(buffer.drain(() => {}), 100 - failed);
  // The kernel tells of the loss when there is room again.
  runOn(program, cpu);
  buffer.drain(() => {});
  assertEquals([buffer.lost, lost.get(cpu)], [failed, failed]);
});

rootTest("consume() gives samples as they come, and ends when aborted or disposed of", async () => {
  using map = eventMap();
  const buffer = new PerfBuffer(map.fd);
  using program = perfWriter(map, 3, 8);
  const cpus = onlineCpus(), end = new AbortController();
  let samples = 0, batches = 0;
  const done = buffer.consume(() => samples++, { signal: end.signal, batchEnd: () => batches++ });
  await assertRejects(() => buffer.consume(() => {}), DetraceError, "already");
  for (const cpu of cpus) {
    await new Promise((done) => setTimeout(done, 20));
    runOn(program, cpu);
  }
  end.abort();
  await done;
  assertEquals(samples, 3 * cpus.length);
  assert(batches >= 1 && batches <= cpus.length); // a slow machine may see two processors' samples at once

  const again = buffer.consume(() => buffer.dispose());
  runOn(program, cpus[0]!);
  await again;
  await buffer.consume(() => {});
  assertEquals([buffer.drain(() => {}), buffer.pending], [0, 0]);
});

rootTest("a sample whose callback throws counts as taken", () => {
  using map = eventMap();
  using buffer = new PerfBuffer(map.fd);
  using program = perfWriter(map, 3, 8);
  runOn(program, 0);
  assertThrows(
    () =>
      buffer.drain(() => {
        throw new DetraceError("no");
      }),
    DetraceError,
    "no",
  );
  const seen: number[] = [];
  buffer.drain((bytes, offset) => seen.push(word(bytes, offset)));
  assertEquals(seen, [1, 2]);
});

rootTest("a perf buffer takes its events out of the map", () => {
  using map = eventMap();
  using program = perfWriter(map, 1, 8);
  {
    using buffer = new PerfBuffer(map.fd);
    assertEquals([runOn(program, 0), buffer.drain(() => {})], [0, 1]);
  }
  assertEquals(runOn(program, 0), 1);
  // A map with too few slots: what was opened by then is closed.
  using small = BpfMap.create({
    type: BPF_MAP_TYPE_PERF_EVENT_ARRAY,
    keySize: 4,
    valueSize: 4,
    maxEntries: 1,
  });
  if (onlineCpus().length > 1) assertThrows(() => new PerfBuffer(small.fd), DetraceError);
  else new PerfBuffer(small.fd).dispose();
});

Deno.test("a number of pages that is no power of two is refused", () => {
  for (const pages of [0, 3, -1, NaN, 2 ** 18]) {
    assertThrows(() => new PerfBuffer(-1, { pages }), DetraceError, "power of two");
  }
});
