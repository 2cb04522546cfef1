import { assert, assertEquals, assertThrows } from "@std/assert";
import { Assembler, DW, R0, R1, R2, R3 } from "detrace/lib/asm/assembler.ts";
import { ARCH } from "detrace/lib/sys/door.ts";
import { DetraceError } from "detrace/lib/error.ts";
import type { Link } from "detrace/lib/links/link.ts";
import { attachPerfEvents, parsePerfEvent, type PerfEvent } from "detrace/lib/links/perf_event.ts";
import { buildSpec } from "detrace/lib/object/build.ts";
import { BpfObject } from "detrace/lib/object/object.ts";
import { ALL_PARTS } from "detrace/lib/object/open.ts";
import type { Program } from "detrace/lib/programs/program.ts";
import { Kallsyms } from "detrace/lib/symbols/kallsyms.ts";
import { address, release } from "detrace/lib/sys/door.ts";
import { exists } from "detrace/lib/sys/file.ts";
import { gettid, onlineCpus } from "detrace/lib/sys/process.ts";
import { rootTest } from "../maps/programs.ts";
import { callGetpgid, GETPGID, load } from "./probes.ts";

const GET_CURRENT_PID_TGID = 14;
const BPF_LINK_TYPE_PERF_EVENT = 7, BPF_PERF_EVENT_EVENT = 6, PERF_TYPE_SOFTWARE = 1;

/** Loads a program that counts where it runs: in this thread, in the others of this process, elsewhere. */
async function loadCounter(section = "perf_event") {
  const code = new Assembler()
    .call(GET_CURRENT_PID_TGID).mov(R1, R0).alu(">>=", R1, 32).mov(R2, R0).alu("<<=", R2, 32).alu(
      ">>=",
      R2,
      32,
    )
    .loadData(R3, ".bss", 0)
    .jump("!=", R1, Deno.pid, "elsewhere").jump("==", R2, gettid(), "count").alu("+=", R3, 8).goto("count")
    .label("elsewhere").alu("+=", R3, 16)
    .label("count").mov(R1, 1).atomic("+=", DW, R3, 0, R1)
    .mov(R0, 0).exit();
  const object = new BpfObject(
    buildSpec({
      name: "counter",
      programs: { counter: { section, code }, bare: { section: "perf_event", code } },
      data: { ".bss": new Uint8Array(24) },
    }),
    ALL_PARTS,
  );
  await object.load();
  const count = (place: number) => Number(object.data(".bss").getBigUint64(place * 8, true));
  return {
    object,
    program: object.programs.get("counter")!,
    here: () => count(0),
    otherThreads: () => count(1),
    elsewhere: () => count(2),
    [Symbol.dispose]: () => object.close(),
  };
}

/** Works until something is so. */
function workUntil(isSo: () => boolean): void {
  for (const deadline = Date.now() + 20_000; !isSo();) assert(Date.now() < deadline, "it did not happen");
}

rootTest("a program runs at a frequency on all processors, until its link is closed", async () => {
  using counter = await loadCounter();
  const link = attachPerfEvents(counter.program, { software: "cpu-clock", hz: 999 });
  assertEquals(link.parts.length, onlineCpus().length === 1 ? 0 : onlineCpus().length);
  workUntil(() => counter.here() > 20);
  link.close();
  const counts = [counter.here(), counter.elsewhere()];
  const end = Date.now() + 50;
  workUntil(() => Date.now() > end);
  assertEquals([counter.here(), counter.elsewhere()], counts);
});

rootTest("in one process it runs nowhere else, and in threads to come as well", async () => {
  using counter = await loadCounter();
  const link = attachPerfEvents(counter.program, { software: "cpu-clock", period: 1_000_000 }, {
    pid: Deno.pid,
  });
  workUntil(() => counter.here() > 20);
  const before = counter.otherThreads();
  const source = "for (const end = Date.now() + 20000; Date.now() < end;); close();";
  const worker = new Worker(`data:text/javascript,${encodeURIComponent(source)}`, { type: "module" });
  for (const deadline = Date.now() + 20_000; counter.otherThreads() < before + 100;) {
    assert(Date.now() < deadline, "it did not run in the thread");
    await new Promise((done) => setTimeout(done, 10));
  }
  worker.terminate();
  link.close();
  assertEquals(counter.elsewhere(), 0);
}, true);

rootTest("sections say what a program runs at; a bare one does not attach", async () => {
  using counter = await loadCounter("perf_event/profile:hz:999");
  counter.object.attach();
  assertEquals(counter.object.links.length, 1);
  workUntil(() => counter.here() > 5);
  assertThrows(() => counter.object.attachProgram("bare"), DetraceError, "cannot attach program bare");
  counter.object.attachProgram("bare", "software:page-faults:1", { pid: Deno.pid });
});

rootTest("a program runs at each access to watched memory", async () => {
  using counter = await loadCounter();
  const memory = new BigUint64Array(8);
  const breakpoint = address(memory);
  release();
  const watch = (access: "w" | "rw", write: number, read: number): number => {
    const before = counter.here();
    using _link = attachPerfEvents(counter.program, { breakpoint, access }, { pid: Deno.pid });
    for (let i = 0; i < write; i++) Atomics.store(memory, 0, BigInt(i));
    for (let i = 0; i < read; i++) Atomics.load(memory, 0);
    Atomics.store(memory, 1, 1n);
    return counter.here() - before;
  };
  assertEquals(watch("w", 10, 5), 10);
  assertEquals(watch("rw", 10, 5), 15);
  const refused = (event: PerfEvent, sentence: string) =>
    assertThrows(() => attachPerfEvents(counter.program, event), DetraceError, sentence);
  const text = `0x${(breakpoint + 1n).toString(16)}`;
  refused({ breakpoint: breakpoint + 1n, access: "w" }, `the processor cannot watch ${text} (8 bytes, w)`);
  const links: Link[] = [];
  try {
    assertThrows(
      () => {
        for (;;) links.push(attachPerfEvents(counter.program, { breakpoint, access: "w" }));
      },
      DetraceError,
      "all breakpoints are in use",
    );
  } finally {
    for (const link of links) link.close();
  }
});

rootTest("a program runs at each call of a kernel function, by a breakpoint", async () => {
  using probes = await load(["perf_event"]);
  const program = probes.object.programs.get("perf_event")!;
  const event: PerfEvent = { breakpoint: Kallsyms.load().lookup(GETPGID)[0]!, access: "x" };
  if (!exists("/sys/bus/event_source/devices/kprobe")) {
    // A kernel without kprobes does not know where its code may be stopped, and so stops nowhere.
    assertThrows(() => attachPerfEvents(program, event), DetraceError, "the processor cannot watch");
    return;
  }
  using _link = attachPerfEvents(program, event);
  callGetpgid(10);
  const { count } = probes.seen("perf_event");
  // arm64 steps over the instruction, and comes to it again if it is interrupted there.
  if (ARCH === "arm64") assert(count >= 10 && count < 20, String(count));
  else assertEquals(count, 10);
});

rootTest("a program reads its link's cookie, and the kernel tells the link", async () => {
  using counter = await loadCounter();
  const event: PerfEvent = { software: "page-faults", period: 1 };
  const first = attachPerfEvents(counter.program, event);
  const { kind } = first.parts[0] ?? first;
  first.close();
  if (kind === "perf_event") {
    assertThrows(
      () => attachPerfEvents(counter.program, event, { cookie: 1n }),
      DetraceError,
      "this kernel has no cookies for perf events (Linux 5.15)",
    );
    return;
  }
  using probes = await load(["perf_event"], { cookies: true });
  const cookie = 0xfedcba9876543210n;
  using link = attachPerfEvents(probes.object.programs.get("perf_event")!, event, { cookie });
  workUntil(() => {
    new Uint8Array(1 << 20).fill(1);
    return probes.seen("perf_event").count > 0;
  });
  assertEquals(probes.seen("perf_event").cookie, cookie);
  const { type, programId, bytes } = (link.parts[0] ?? link).info()!;
  assertEquals(type, BPF_LINK_TYPE_PERF_EVENT);
  assertEquals(programId, probes.object.programs.get("perf_event")!.info().id);
  if (bytes.getUint32(16, true) === 0) return; // before 6.6
  assertEquals(bytes.getUint32(16, true), BPF_PERF_EVENT_EVENT);
  assertEquals([bytes.getBigUint64(24, true), bytes.getUint32(32, true)], [2n, PERF_TYPE_SOFTWARE]);
  assert([0n, cookie].includes(bytes.getBigUint64(40, true))); // 6.9
});

rootTest("what is not counted is said in a sentence", async () => {
  using counter = await loadCounter();
  const { program } = counter;
  const counted = (event: PerfEvent, sentence: string) => {
    try {
      attachPerfEvents(program, event).close();
    } catch (error) {
      assertEquals(`${error}`, `DetraceError: ${sentence}`);
    }
  };
  counted({ hardware: "cpu-cycles", period: 1_000_000 }, "this machine does not count cpu-cycles");
  counted({ cache: "LLC-load-misses", period: 1000 }, "this machine does not count LLC-load-misses");
  counted({ raw: 0x1cdn, period: 1000 }, "this machine does not count raw event 0x1cd");
  counted({ software: "cgroup-switches", period: 1 }, "this kernel has no software event cgroup-switches");

  const refused = (program: Program, event: PerfEvent, sentence: string, pid?: number) =>
    assertThrows(() => attachPerfEvents(program, event, { pid }), DetraceError, sentence);
  refused(
    program,
    { software: "cpu-clock", hz: 1e9 },
    "1000000000 Hz is above kernel.perf_event_max_sample_rate",
  );
  for (const rate of [{ hz: 0 }, { period: -1 }, { period: NaN }, { period: 1n << 63n }]) {
    refused(program, { software: "cpu-clock", ...rate }, "needs a period or a frequency");
  }
  refused(program, { software: "cpu-clock", hz: 9 }, "there is no process 4194999", 4194999);
  // Not for perf events: nothing is left open.
  using probes = await load(["kprobe"]);
  refused(probes.object.programs.get("kprobe")!, { software: "cpu-clock", hz: 9 }, "EINVAL");
});

Deno.test("events are read from text as bpftrace spells them", () => {
  const events: Record<string, PerfEvent> = {
    "profile:hz:99": { software: "cpu-clock", hz: 99 },
    "profile:s:1": { software: "cpu-clock", period: 1e9 },
    "profile:ms:10": { software: "cpu-clock", period: 1e7 },
    "profile:us:50": { software: "cpu-clock", period: 50_000 },
    "software:page-faults:100": { software: "page-faults", period: 100 },
    "hardware:cpu-cycles:99hz": { hardware: "cpu-cycles", hz: 99 },
    "cache:L1-dcache-load-misses:1000": { cache: "L1-dcache-load-misses", period: 1000 },
    "cache:node-prefetches:1": { cache: "node-prefetches", period: 1 },
    "raw:0x1cd:1000": { raw: 0x1cdn, period: 1000 },
    "watchpoint:0xffffffff81000000:4:rw": { breakpoint: 0xffffffff81000000n, length: 4, access: "rw" },
  };
  for (const [text, event] of Object.entries(events)) assertEquals(parsePerfEvent(text), event, text);
  for (
    const text of ["", "profile", "profile:hz", "profile:min:1", "watchpoint:0x10:3:w", "watchpoint:0x10:8:z"]
  ) {
    assertThrows(() => parsePerfEvent(text), DetraceError, `"${text}" is no perf event`);
  }
  for (
    const text of [
      "software:toString:1",
      "hardware:-:1",
      "cache:L1-dcache:1",
      "cache:L1-dcache-:1",
      "raw:xy:1",
    ]
  ) {
    const [kind, name] = text.split(":");
    assertThrows(() => parsePerfEvent(text), DetraceError, `there is no ${kind} event "${name}"`);
  }
});
