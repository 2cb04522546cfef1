// CPU seconds per million records of 64 bytes: run as root with `deno run -A tests/bench/ring_buffer_bench.ts`.
//
// drain: only taking records out and reading four numbers of each; at most 0.08.
// consume: everything, waiting and sleeping included, while another thread writes at some rate.

import { BpfMap } from "../../lib/maps/map.ts";
import { RingBuffer } from "../../lib/maps/ring_buffer.ts";
import { BPF_MAP_TYPE_ARRAY, BPF_MAP_TYPE_RINGBUF } from "../../lib/maps/types.ts";
import { clock } from "../../lib/sys/process.ts";
import { run, writer } from "../maps/programs.ts";

const CLOCK_PROCESS_CPUTIME_ID = 2, CLOCK_THREAD_CPUTIME_ID = 3;
const seconds = (id: number) => Number(clock(id)) / 1e9;
const size = 1 << 18;

using map = BpfMap.create({ type: BPF_MAP_TYPE_RINGBUF, keySize: 0, valueSize: 0, maxEntries: size });
using counter = BpfMap.create({ type: BPF_MAP_TYPE_ARRAY, keySize: 4, valueSize: 8, maxEntries: 1 });
using ring = new RingBuffer(map.fd, size);
let sum = 0, records = 0;
const read = (offset: number) => {
  const { words } = ring, i = offset >> 2;
  sum = sum + words[i]! + words[i + 2]! + words[i + 4]! + words[i + 6]! | 0;
  records++;
};

{
  using program = writer(map, counter, 2500, [64]);
  for (let pass = 0; pass < 4; pass++) {
    let cpu = 0;
    records = 0;
    for (let i = 0; i < 400; i++) {
      run(program);
      const before = seconds(CLOCK_THREAD_CPUTIME_ID);
      ring.drain(read);
      cpu += seconds(CLOCK_THREAD_CPUTIME_ID) - before;
    }
    console.log(`drain: ${(cpu / records * 1e6).toFixed(3)} s for a million records`);
  }
}

for (const [perRun, pause, runs] of [[1, 100, 20], [10, 10, 200], [100, 1, 2000], [500, 1, 2000]] as const) {
  using program = writer(map, counter, perRun, [64]);
  const worker = new Worker(new URL("./ring_buffer_producer.ts", import.meta.url), { type: "module" });
  const end = new AbortController();
  let produced = { cpu: 0, dropped: 0 }, batches = 0;
  await new Promise<void>((ready) => worker.onmessage = () => ready());
  worker.onmessage = ({ data }) => {
    produced = data;
    end.abort();
  };
  records = 0;
  const started = performance.now(), before = seconds(CLOCK_PROCESS_CPUTIME_ID);
  worker.postMessage({ fd: program.fd, runs, pause });
  await ring.consume(read, { signal: end.signal, batchEnd: () => batches++ });
  const cpu = seconds(CLOCK_PROCESS_CPUTIME_ID) - before - produced.cpu;
  const took = (performance.now() - started) / 1000;
  worker.terminate();
  console.log(
    `consume: ${Math.round(records / took)} records/s in ${Math.round(batches / took)} batches/s: ` +
      `${(cpu / took * 100).toFixed(1)} % CPU, ${(cpu / records * 1e6).toFixed(3)} s for a million, ` +
      `${produced.dropped} dropped`,
  );
}
if (sum === 1) console.log(sum); // so that it is used
