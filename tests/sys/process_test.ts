import { assert, assertEquals } from "@std/assert";
import { Poller } from "detrace/lib/sys/poll.ts";
import {
  clock,
  CLOCK_MONOTONIC,
  CLOCK_REALTIME,
  getuid,
  kernelRelease,
  kernelVersion,
  onlineCpus,
  pageSize,
  parseCpuList,
  possibleCpus,
} from "detrace/lib/sys/process.ts";

Deno.test("release, version and user are the kernel's own", () => {
  assertEquals(kernelRelease(), Deno.osRelease());
  assertEquals(getuid(), Deno.uid());
  const [major, minor] = Deno.osRelease().split(".").map(Number);
  assertEquals(kernelVersion() >> 8, major! << 8 | minor!);
});

Deno.test("clocks count nanoseconds", () => {
  const before = Date.now(), now = clock(CLOCK_REALTIME), after = Date.now();
  assert(now >= BigInt(before) * 1000000n && now <= BigInt(after + 1) * 1000000n);
  const a = clock(CLOCK_MONOTONIC);
  assert(clock(CLOCK_MONOTONIC) >= a);
});

Deno.test("after many system calls, when they go another way, they are the same", () => {
  for (let i = 0, last = 0n; i < 3000; i++) {
    const now = clock(CLOCK_MONOTONIC);
    assert(now > last && now < last + 10n ** 10n || last === 0n);
    last = now;
  }
});

Deno.test("lists of processors are read as sysfs writes them", () => {
  assertEquals(parseCpuList("0-3,8\n"), [0, 1, 2, 3, 8]);
  assertEquals(parseCpuList("0\n"), [0]);
  assertEquals(parseCpuList("\n"), []);
  assert(onlineCpus().length >= 1);
  assert(possibleCpus() >= onlineCpus().length);
  assert([4096, 16384, 65536].includes(pageSize()));
});

Deno.test("a wait ends when woken, when the time is over, and when closed", async () => {
  const poller = new Poller();
  const pending = poller.wait();
  poller.wake();
  await pending;
  using timed = new Poller();
  const start = performance.now();
  await timed.wait(20);
  assert(performance.now() - start >= 15);
  const last = timed.wait();
  timed.close();
  await last;
  poller.close();
});
