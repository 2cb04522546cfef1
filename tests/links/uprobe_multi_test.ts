import { assert, assertEquals, assertThrows } from "@std/assert";
import { DetraceError } from "detrace/lib/error.ts";
import { attachUprobeMulti, type UprobeMultiOptions } from "detrace/lib/links/uprobe_multi.ts";
import { locate } from "detrace/lib/links/uprobe.ts";
import { ARCH } from "detrace/lib/sys/door.ts";
import { kernelVersion } from "detrace/lib/sys/process.ts";
import { rootTest } from "../root.ts";
import { call, counter, LIBRARY } from "./library.ts";
import { callGetpgid, load, nameOf, type Probes } from "./probes.ts";

/** Whether the kernel has such links; if it does not, that it says so in a sentence. */
function insist(probes: Probes, section: string): boolean {
  const session = section === "uprobe.session";
  if (kernelVersion() >= (session ? 0x060d00 : 0x060600)) return true;
  assertThrows(
    () => attachUprobeMulti(probes.object.programs.get(nameOf(section))!, `${LIBRARY}:*_site`, { session }),
    DetraceError,
    session ? "this kernel has no sessions of uprobes (Linux 6.13)" : "(Linux 6.6)",
  );
  return false;
}

rootTest("one link attaches to all functions that a pattern means, or a list", async () => {
  using probes = await load(["uprobe.multi"], { cookies: kernelVersion() >= 0x060600 });
  if (!insist(probes, "uprobe.multi")) return;
  const program = probes.object.programs.get("uprobe_multi")!;
  const offset = (symbol: string) => locate({ path: LIBRARY, symbol }).offset;
  const sites = ["first_site", "second_site", "third_site"] as const;
  const seen = () => probes.seen("uprobe.multi");
  const cookies = [11n, 22n, 33n];
  const cases: [Parameters<typeof attachUprobeMulti>[1], UprobeMultiOptions, bigint[]][] = [
    [`${LIBRARY}:*_site`, {}, [0n, 0n, 0n]],
    [`${LIBRARY}:*_s?t*e`, { cookies: 7n }, [7n, 7n, 7n]],
    [{ path: LIBRARY, pattern: "*site" }, {}, [0n, 0n, 0n]],
    [{ path: LIBRARY, symbols: sites }, { cookies }, cookies],
    [{ path: LIBRARY, symbols: ["third_site@V1", "first_site", "second_site"] }, { cookies }, [
      22n,
      33n,
      11n,
    ]],
    [{ path: LIBRARY, offsets: sites.map(offset) }, { cookies }, cookies],
  ];
  for (const [target, options, expected] of cases) {
    for (const pid of [Deno.pid, undefined]) {
      const before = seen().count;
      {
        using link = attachUprobeMulti(program, target, { ...options, pid });
        assertEquals([link.kind, link.info()!.type], ["link", 12]); // BPF_LINK_TYPE_UPROBE_MULTI
        const got = sites.map((site) => {
          call[site]();
          return seen().cookie;
        });
        call.near(); // which none of them means
        assertEquals([got, seen().count - before], [expected, 3], JSON.stringify(target));
      }
      call.first_site();
      assertEquals(seen().count - before, 3);
    }
  }
});

rootTest("counters in the process are above zero for as long as one link is there", async () => {
  using probes = await load(["uprobe.multi"]);
  if (!insist(probes, "uprobe.multi")) return;
  const { offset, value } = counter();
  const link = attachUprobeMulti(
    probes.object.programs.get("uprobe_multi")!,
    { path: LIBRARY, symbols: ["guarded", "near"] },
    { refCounterOffsets: [offset, 0], pid: Deno.pid },
  );
  assert(value() > 0);
  call.guarded();
  assertEquals(probes.seen("uprobe.multi").count, 1);
  link.close();
  assertEquals(value(), 0);
});

rootTest("uprobes at many functions run at their return, and in sessions at both", async () => {
  const sections = ["uretprobe.multi/libc.so.6:getpgi?", "uprobe.session/libc.so.6:getpgid"];
  for (const section of sections) {
    const [way] = section.split("/");
    using probes = await load([section]);
    const program = probes.object.programs.get(nameOf(section))!;
    if (kernelVersion() < (way === "uprobe.session" ? 0x060d00 : 0x060600)) {
      assertThrows(
        () => probes.object.attach(),
        DetraceError,
        way === "uprobe.session"
          ? "this kernel has no sessions of uprobes (Linux 6.13)"
          : "this kernel has no uprobes at many functions by one link (Linux 6.6)",
      );
      continue;
    }
    assert(program);
    probes.object.attach();
    const result = callGetpgid(2);
    const { count, result: last } = probes.seen(section);
    assertEquals([count, Number(last)], [way === "uprobe.session" ? 4 : 2, result]);
  }
});

rootTest("what no link can attach to many functions is refused with a sentence", async () => {
  using probes = await load(["uprobe.multi"]);
  const program = probes.object.programs.get("uprobe_multi")!;
  const refused = (target: Parameters<typeof attachUprobeMulti>[1], sentence: string, options = {}) =>
    assertThrows(() => attachUprobeMulti(program, target, options), DetraceError, sentence);
  refused(`${LIBRARY}:nothing*`, `${LIBRARY}: there is no function nothing*`);
  refused(`${LIBRARY}:table`, "there is no function table"); // it is data
  refused({ path: LIBRARY, symbols: ["near", "nowhere"] }, "there is no function nowhere");
  refused({ path: LIBRARY, offsets: [] }, "no function is asked for");
  refused(LIBRARY, "is no target of uprobes at many functions");
  refused({ path: LIBRARY, symbols: ["near"] }, "there are 2 cookies or counters for 1 functions", {
    cookies: [1n, 2n],
  });
  if (ARCH === "x86") refused("libc:strlen", "there is no function strlen");
  if (!insist(probes, "uprobe.multi")) return;
  const beyond = { path: LIBRARY, offsets: [2 ** 40] };
  refused(beyond, `the kernel does not let one of 1 places in ${LIBRARY} be probed`);
  refused(`${LIBRARY}:near`, "no sessions of uprobes (Linux 6.13), or the program was not loaded for", {
    session: true,
  });
});

rootTest("whether functions are there is known before loading", async () => {
  using probes = await load(["uprobe.multi"]);
  const [program] = probes.object.spec.programs.values();
  for (const [pattern, there] of [["*_site", true], ["nowhere*", false]] as const) {
    program!.target = `${LIBRARY}:${pattern}`;
    assertEquals(probes.object.keepIfPresent(program!.name), there);
  }
});
