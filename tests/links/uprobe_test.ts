import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { Elf } from "detrace/lib/elf/elf.ts";
import { DetraceError } from "detrace/lib/error.ts";
import { tracefs } from "detrace/lib/links/tracefs.ts";
import { attachUprobe, locate, parseUprobeTarget, type UprobeOptions } from "detrace/lib/links/uprobe.ts";
import { findFile } from "detrace/lib/symbols/find_file.ts";
import { ARCH } from "detrace/lib/sys/door.ts";
import { kernelVersion } from "detrace/lib/sys/process.ts";
import { openFds, rootTest } from "../root.ts";
import { call, counter, LIBRARY } from "./library.ts";
import { callGetpgid, load } from "./probes.ts";

/** This process's probes in tracefs, where other tests may have theirs. */
const listed = () =>
  Deno.readTextFileSync(`${tracefs()}/uprobe_events`).split("\n").filter((l) => l.includes(`_${Deno.pid}_`));

Deno.test("a uprobe's target is read in all its forms", () => {
  const forms: [string, ReturnType<typeof parseUprobeTarget>][] = [
    ["/bin/a:f", { path: "/bin/a", symbol: "f", version: undefined, offset: undefined }],
    ["a:f@V_1.2", { path: "a", symbol: "f", version: "V_1.2", offset: undefined }],
    ["a:f@@V1", { path: "a", symbol: "f", version: "V1", offset: undefined }],
    ["a:f+16", { path: "a", symbol: "f", version: undefined, offset: 16 }],
    ["a:f@V1+0x10", { path: "a", symbol: "f", version: "V1", offset: 16 }],
    ["a:0x1F0", { path: "a", symbol: undefined, version: undefined, offset: 0x1f0 }],
    ["a:496", { path: "a", symbol: undefined, version: undefined, offset: 496 }],
    ["/odd:path/a b:f", { path: "/odd:path/a b", symbol: "f", version: undefined, offset: undefined }],
    ["a:main.(*T).f/g", { path: "a", symbol: "main.(*T).f/g", version: undefined, offset: undefined }],
  ];
  for (const [text, target] of forms) assertEquals(parseUprobeTarget(text), target, text);
  for (
    const text of ["", "a", "a:", ":f", "a:f+", "a:f+g", "a:f@", "a:0xg", "a:1f", "a:f+99999999999999999999"]
  ) {
    assertThrows(() => parseUprobeTarget(text), DetraceError, "is no target of a uprobe", text);
  }
});

Deno.test("a symbol's version decides which function it is", () => {
  const places = new Map(
    Elf.parse(Deno.readFileSync(LIBRARY)).symbols("dynamic").map(({ name, value }) => [name, value]),
  );
  const place = (text: string) => locate(parseUprobeTarget(`${LIBRARY}:${text}`)).offset;
  const address = (address: number) => locate({ path: LIBRARY, address }).offset;
  assertEquals(place("versioned@V1"), address(places.get("old_versioned")!));
  assertEquals(place("versioned@V2"), address(places.get("new_versioned")!));
  assertEquals(place("versioned"), address(places.get("new_versioned")!));
  assertEquals(place("versioned+4"), address(places.get("new_versioned")! + 4));
  assertThrows(() => place("versioned@V3"), DetraceError, `${LIBRARY}: there is no function versioned@V3`);
  assertThrows(() => place("table"), DetraceError, "there is no function table"); // it is data
  assertThrows(() => address(0x100), DetraceError, "has no code at 0x100");
});

rootTest(
  "a program runs at a function of a library and at its return, by each way of attaching",
  async () => {
    const before = openFds();
    {
      using probes = await load(["uprobe", "uretprobe"]);
      const { object, seen } = probes;
      for (const legacy of [false, true]) {
        for (const pid of [undefined, Deno.pid]) {
          const [calls, returns] = [seen("uprobe").count, seen("uretprobe").count];
          {
            const attach = (program: string, options: UprobeOptions) =>
              attachUprobe(object.programs.get(program)!, "libc.so.6:getpgid", { legacy, pid, ...options });
            using call = attach("uprobe", {});
            using _return = attach("uretprobe", { retprobe: true });
            assertEquals(listed().length, legacy ? 2 : 0);
            assertEquals(call.kind, kernelVersion() < 0x050f00 ? "perf_event" : "link");
            const result = callGetpgid(3);
            assertEquals(Number(seen("uretprobe").result), result);
            assertEquals([seen("uprobe").count - calls, seen("uretprobe").count - returns], [3, 3]);
          }
          callGetpgid(1);
          assertEquals([seen("uprobe").count - calls, seen("uretprobe").count - returns], [3, 3]);
          assertEquals(listed(), []);
        }
      }
    }
    assert(openFds() <= before, "descriptors were left open");
  },
);

rootTest("a program runs only in the process that it is attached to", async () => {
  using probes = await load(["uprobe"]);
  const other = new Deno.Command("cat", { stdin: "piped", stdout: "null" }).spawn();
  try {
    for (const legacy of [false, true]) {
      const options = { legacy, pid: other.pid };
      using _link = attachUprobe(probes.object.programs.get("uprobe")!, "libc.so.6:getpgid", options);
      callGetpgid(2);
    }
    assertEquals(probes.seen("uprobe").count, 0);
  } finally {
    await other.stdin.close();
    await other.status;
  }
});

rootTest("whatever names a function of a library leads to it", async () => {
  using probes = await load(["uprobe"]);
  const path = findFile("libc.so.6"), version = ARCH === "x86" ? "GLIBC_2.2.5" : "GLIBC_2.17";
  const { offset } = locate({ path, symbol: "getpgid" });
  const elf = Elf.parse(Deno.readFileSync(path));
  const address = elf.symbols("dynamic").find(({ name }) => name === "getpgid")!.value;
  const targets = [
    ...["libc.so.6:getpgid", "libc:getpgid", `${path}:getpgid`, `libc:getpgid@${version}`],
    ...[`libc:getpgid@@${version}`, "libc:getpgid+0", `libc:0x${offset.toString(16)}`, `libc:${offset}`],
    ...[{ path, offset }, { path: "libc", address }, { path, symbol: "getpgid", version }],
  ];
  for (const [i, target] of targets.entries()) {
    using _link = attachUprobe(probes.object.programs.get("uprobe")!, target, { pid: Deno.pid });
    callGetpgid(1);
    assertEquals(probes.seen("uprobe").count, i + 1, JSON.stringify(target));
  }
});

rootTest("a program runs at an instruction inside of a function", async () => {
  using probes = await load(["uprobe"]);
  // Behind two of push, or behind the first instruction of arm64.
  const target = `${LIBRARY}:registers+${ARCH === "x86" ? 3 : 4}`;
  using _link = probes.object.attachProgram("uprobe", target, { pid: Deno.pid });
  call.registers();
  assertEquals(probes.seen("uprobe").count, 1);
});

rootTest("a uprobe's cookie is what the program gets, where the kernel has cookies", async () => {
  const has = kernelVersion() >= 0x050f00;
  using probes = await load(["uprobe"], { cookies: has });
  const attach = (options: UprobeOptions) =>
    attachUprobe(probes.object.programs.get("uprobe")!, "libc:getpgid", {
      cookie: 2n ** 63n + 5n,
      ...options,
    });
  for (const legacy of [false, true]) {
    if (!has) {
      assertThrows(() => attach({ legacy }), DetraceError, "(Linux 5.15)");
      continue;
    }
    using _link = attach({ legacy });
    callGetpgid(1);
    assertEquals(probes.seen("uprobe").cookie, 2n ** 63n + 5n);
  }
  assertEquals(listed(), []);
});

rootTest("a counter in the process is above zero for as long as the uprobe is there", async () => {
  using probes = await load(["uprobe"]);
  const { offset, value } = counter();
  for (const legacy of [false, true]) {
    for (const pid of [Deno.pid, undefined]) {
      const options = { refCounterOffset: offset, legacy, pid };
      assertEquals(value(), 0);
      using _link = attachUprobe(probes.object.programs.get("uprobe")!, `${LIBRARY}:guarded`, options);
      assert(value() > 0);
    }
  }
  assertEquals(value(), 0);
});

rootTest("sections say where uprobes go, and one without a target is not attached", async () => {
  const sections = ["uprobe/libc.so.6:getpgid", "uretprobe/libc.so.6:getpgid", "uprobe"];
  using probes = await load(sections);
  probes.object.attach();
  assertEquals(probes.object.links.length, 2);
  callGetpgid(1);
  assertEquals(sections.map((section) => probes.seen(section).count), [1, 1, 0]);
});

rootTest("a library that was deleted is probed in the process that has it", async () => {
  using probes = await load(["uprobe"]);
  const directory = Deno.makeTempDirSync(), path = `${directory}/with space.so`;
  Deno.copyFileSync(LIBRARY, path);
  const opened = Deno.dlopen(path, { near: { parameters: [], result: "void" } });
  try {
    const run = (target: string) => {
      using _link = probes.object.attachProgram("uprobe", target, { pid: Deno.pid });
      opened.symbols.near();
      return probes.seen("uprobe").count;
    };
    assertEquals(run(`${path}:near`), 1);
    Deno.removeSync(path);
    assertEquals(run(`${path}:near`), 2);
    Deno.copyFileSync(LIBRARY, path); // another file of that name, which nobody has mapped
    assertEquals(run(`${path}:near`), 3);
  } finally {
    opened.close();
    Deno.removeSync(directory, { recursive: true });
  }
});

rootTest("what cannot be probed is refused with a sentence, and nothing is left", async () => {
  using probes = await load(["uprobe"]);
  const before = openFds();
  const program = probes.object.programs.get("uprobe")!;
  const refused = (target: string, sentence: string, options: UprobeOptions = {}) =>
    assertThrows(() => attachUprobe(program, target, options), DetraceError, sentence);
  refused("libc.so.6:no_such_function", "libc.so.6: there is no function no_such_function");
  refused("no_such.so:f", "there is no program or library no_such.so");
  refused("/no/such/file:f", "there is no file /no/such/file");
  refused("/tmp:f", "there is no file /tmp");
  refused("/proc/self/status:f", "this is not an ELF file");
  refused("libc:getpgid", "there is no process 999999999", { pid: 999999999 });
  refused("libc:getpgid+4", "cannot probe the return of getpgid+4", { retprobe: true });
  refused("libc:0x7fffffff", "the kernel does not let", {});
  refused("libc:0x7fffffff", "the kernel does not let", { legacy: true });
  refused(`${LIBRARY}:near`, "is beyond 4 GiB", { refCounterOffset: 2 ** 32 });
  if (ARCH === "x86") {
    refused("libc:strlen", "strlen is one of several functions, chosen when a process starts");
  }
  const foreign = LIBRARY.replace(ARCH, ARCH === "x86" ? "arm64" : "x86");
  refused(`${foreign}:near`, "is for another kind of processor");
  const spaces = Deno.makeTempFileSync({ prefix: "with space" });
  Deno.copyFileSync(LIBRARY, spaces);
  refused(`${spaces}:near`, "a path with spaces", { legacy: true });
  attachUprobe(program, `${spaces}:near`).close();
  Deno.removeSync(spaces);
  assert(openFds() <= before, "descriptors were left open");
  assertEquals(listed(), []);
  assertMatch(
    (assertThrows(() => probes.object.attachProgram("uprobe", "libc:nowhere")) as Error).message,
    /^cannot attach program uprobe: .*there is no function nowhere$/,
  );
});

rootTest("whether a function is there is known before loading", async () => {
  using probes = await load(["uprobe/libc.so.6:getpgid"]);
  const { object } = probes, [program] = object.spec.programs.values();
  for (
    const [target, there] of [
      ...[["libc:getpgid", true], ["libc:nowhere", false], ["/no/such/file:f", false]] as const,
      ...[["libc:0x10", true], ["no_such.so:f", false]] as const,
    ]
  ) {
    program!.target = target;
    assertEquals(object.keepIfPresent(program!.name), there, target);
  }
  assert(object.loaded);
});
