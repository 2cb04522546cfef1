import { assert, assertEquals, assertThrows } from "@std/assert";
import { DetraceError } from "detrace/lib/error.ts";
import { attachKprobe, attachKsyscall, kprobe, ksyscall } from "detrace/lib/links/kprobe.ts";
import type { Link } from "detrace/lib/links/link.ts";
import { tracefs } from "detrace/lib/links/tracefs.ts";
import { Kallsyms } from "detrace/lib/symbols/kallsyms.ts";
import { exists, readText } from "detrace/lib/sys/file.ts";
import { rootTest } from "../maps/programs.ts";
import { callGetpgid, GETPGID, load, nameOf } from "./probes.ts";

const HAS_KPROBES = exists("/sys/bus/event_source/devices/kprobe/type");
const BPF_LINK_TYPE_PERF_EVENT = 7, BPF_PERF_EVENT_KPROBE = 3, BPF_PERF_EVENT_KRETPROBE = 4;

/** A test on a kernel with kprobes; one without is to say so. */
function kprobeTest(name: string, fn: () => Promise<void>): void {
  rootTest(name, async () => {
    if (HAS_KPROBES) return await fn();
    using probes = await load(["kprobe"]);
    const program = probes.object.programs.get("kprobe")!;
    for (const legacy of [false, true]) {
      assertThrows(
        () => attachKprobe(program, GETPGID, { legacy }),
        DetraceError,
        "this kernel has no kprobes (CONFIG_KPROBE_EVENTS)",
      );
    }
  });
}

/** The probes that tracefs lists, ours and others'. */
function listed(): string[] {
  return ["kprobe_events", "dynamic_events"].flatMap((list) =>
    readText(`${tracefs()}/${list}`).split("\n").filter((line) => line.includes(`_${Deno.pid}_`))
  );
}

kprobeTest(
  "programs run at the call and at the return of a kernel function, as often as it is called",
  async () => {
    const sections = [`kprobe/${GETPGID}`, `kretprobe/${GETPGID}`];
    using probes = await load(sections);
    callGetpgid(3);
    probes.object.attach();
    const group = callGetpgid(100);
    for (const section of sections) assertEquals(probes.seen(section).count, 100, section);
    assertEquals(probes.seen(sections[1]!).result, BigInt(group));
    for (const link of probes.object.links) link.close();
    callGetpgid(3);
    for (const section of sections) assertEquals(probes.seen(section).count, 100, section);
  },
);

kprobeTest("a system call is probed by its name", async () => {
  const sections = ["ksyscall/getpgid", "kretsyscall/getpgid"];
  using probes = await load(sections);
  probes.object.attach();
  const group = callGetpgid(10);
  for (const section of sections) assertEquals(probes.seen(section).count, 10, section);
  assertEquals(probes.seen(sections[1]!).result, BigInt(group));
  assertThrows(
    () => attachKsyscall(probes.object.programs.get(nameOf(sections[0]!))!, "nothing"),
    DetraceError,
    "_sys_nothing",
  );
});

kprobeTest("an instruction in a function and an address are probed", async () => {
  using probes = await load(["kprobe"]);
  const program = probes.object.programs.get("kprobe")!;
  const address = Kallsyms.load().lookup(GETPGID)[0]!;
  let count = 0;
  const countsTo = (link: Link, calls: number) => {
    callGetpgid(calls);
    link.close();
    assertEquals(probes.seen("kprobe").count, count += calls);
  };
  countsTo(attachKprobe(program, address), 7);
  countsTo(attachKprobe(program, `0x${address.toString(16)}`, { retprobe: true }), 7);
  countsTo(attachKprobe(program, `${GETPGID}+0`), 7);
  // Where an instruction begins is the kernel's to know.
  const offset = [3, 4, 5, 8, 9, 12, 16, 20].find((offset) => {
    try {
      attachKprobe(program, `${GETPGID}+${offset}`).close();
      return true;
    } catch (error) {
      assert(`${error}`.includes(`the kernel does not let ${GETPGID}+${offset} be probed`), `${error}`);
      return false;
    }
  })!;
  countsTo(attachKprobe(program, `${GETPGID}+0x${offset.toString(16)}`), 7);
  countsTo(attachKprobe(program, `${GETPGID}+${offset}`, { legacy: true }), 7);
  countsTo(attachKprobe(program, address, { legacy: true }), 7);
});

kprobeTest("through tracefs it is the same, and nothing of it stays", async () => {
  using probes = await load(["kprobe", "kretprobe"]);
  const [call, ret] = ["kprobe", "kretprobe"].map((name) => probes.object.programs.get(name)!);
  {
    using _call = attachKprobe(call!, GETPGID, { legacy: true });
    using _return = attachKprobe(ret!, GETPGID, { legacy: true, retprobe: true });
    assertEquals(listed().length, 4);
    const group = callGetpgid(10);
    assertEquals([probes.seen("kprobe").count, probes.seen("kretprobe").count], [10, 10]);
    assertEquals(probes.seen("kretprobe").result, BigInt(group));
  }
  assertEquals(listed(), []);
  assertThrows(
    () => attachKprobe(call!, "nothing_like_it", { legacy: true }),
    DetraceError,
    "has no function",
  );
  // No program: the probe is there when the kernel refuses.
  assertThrows(() => attachKprobe({ fd: 0 }, GETPGID, { legacy: true }), DetraceError);
  assertEquals(listed(), []);
});

kprobeTest("a probe in tracefs goes when Deno exits, even if nobody closes its link", async () => {
  const script = `
    import { Assembler, R0 } from "detrace/lib/asm/assembler.ts";
    import { attachKprobe } from "detrace/lib/links/kprobe.ts";
    import { tracefs } from "detrace/lib/links/tracefs.ts";
    import { progLoad } from "detrace/lib/sys/bpf.ts";
    import { readText } from "detrace/lib/sys/file.ts";
    const fd = progLoad({ type: 2, insns: new Assembler().mov(R0, 0).exit().build().insns, license: "GPL" });
    attachKprobe({ fd }, "${GETPGID}", { legacy: true });
    console.log(Deno.pid, readText(tracefs() + "/kprobe_events").includes("_" + Deno.pid + "_"));
    Deno.exit(3);`.replaceAll("detrace/", import.meta.resolve("../../"));
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-check", "--cached-only", script],
  }).output();
  const [pid, there] = new TextDecoder().decode(stdout).trim().split(" ");
  assertEquals([code, there, new TextDecoder().decode(stderr)], [3, "true", ""]);
  assertEquals(readText(`${tracefs()}/kprobe_events`).includes(`_${pid}_`), false);
});

kprobeTest("a program reads its link's cookie, and the kernel tells the link", async () => {
  using plain = await load(["kprobe"]);
  const program = plain.object.programs.get("kprobe")!;
  using link = attachKprobe(program, GETPGID);
  if (link.kind === "perf_event") { // before 5.15
    for (const legacy of [false, true]) {
      assertThrows(
        () => attachKprobe(program, GETPGID, { legacy, cookie: 7n }),
        DetraceError,
        "this kernel has no cookies for perf events (Linux 5.15)",
      );
    }
    assertEquals(listed(), []);
    assertEquals(link.info(), undefined);
    return;
  }
  using probes = await load(["kprobe", "kretprobe"], { cookies: true });
  const cookies = { kprobe: 0xfedcba9876543210n, kretprobe: 1n };
  for (const [section, cookie] of Object.entries(cookies)) {
    const link = probes.object.attachProgram(section, GETPGID, { cookie });
    callGetpgid(1);
    assertEquals(probes.seen(section).cookie, cookie);
    const { type, programId, bytes } = link.info()!;
    assertEquals(type, BPF_LINK_TYPE_PERF_EVENT);
    assertEquals(programId, probes.object.programs.get(section)!.info().id);
    const kind = bytes.getUint32(16, true), told = bytes.getBigUint64(56, true);
    if (kind === 0) continue; // before 6.6
    assertEquals(kind, section === "kprobe" ? BPF_PERF_EVENT_KPROBE : BPF_PERF_EVENT_KRETPROBE);
    assert(told === 0n || told === cookie); // 6.9
  }
  attachKprobe(probes.object.programs.get("kprobe")!, GETPGID, { cookie: 5n, legacy: true }).close();
});

kprobeTest("a function of a module is told from others by the module's name", async () => {
  using probes = await load(["kprobe"]);
  const program = probes.object.programs.get("kprobe")!;
  const kallsyms = readText("/proc/kallsyms"), modules = kallsyms.slice(kallsyms.indexOf("\t["));
  const [, name, module] = /^\S+ t (\w+)\t\[(?!bpf\])(\w+)\]$/m.exec(modules) ?? [];
  if (name) attachKprobe(program, `${module}:${name}`).close(); // a kernel may have no modules
  const missing = "no_such_module:vfs_read";
  assertThrows(() => attachKprobe(program, missing), DetraceError, `this kernel has no function ${missing}`);
});

kprobeTest("what cannot be probed is said in a sentence", async () => {
  using probes = await load(["kprobe"]);
  const program = probes.object.programs.get("kprobe")!;
  const refused = (target: string, sentence: string, options = {}) =>
    assertThrows(() => attachKprobe(program, target, options), DetraceError, sentence);
  refused("nothing_like_it", "this kernel has no function nothing_like_it");
  refused("x".repeat(5000), "this kernel has no function xxx");
  refused("0x10", "the kernel does not let 0x10 be probed");
  refused(`${GETPGID}+8`, `cannot probe the return of ${GETPGID}+8`, { retprobe: true });
  for (
    const text of ["", "+8", "a b", "vfs_read+", "vfs_read+0x", "-:x", "a\np:x y", "vfs_read+99999999999"]
  ) {
    refused(text, `"${text}" is no target of a kprobe`);
    refused(text, `"${text}" is no target of a kprobe`, { legacy: true });
  }
  const kallsyms = readText("/proc/kallsyms");
  const blacklist = readText("/sys/kernel/debug/kprobes/blacklist").matchAll(/\t(\w+)$/gm);
  const closed = blacklist.map(([, name]) => name!).find((name) =>
    kallsyms.split(` ${name}\n`).length === 2
  )!;
  refused(closed, `the kernel does not let ${closed} be probed`);
  refused(closed, `the kernel does not let ${closed} be probed`, { legacy: true });
  try {
    attachKprobe(program, "c_start").close(); // older kernels take the first
  } catch (error) {
    assert(/this kernel has \d+ functions c_start$/.test(`${error}`), `${error}`);
  }
  assertEquals(listed(), []);
});

rootTest("whether a function is there is known before it is probed", () => {
  const request = (target: string) => ({ way: "", target, attachType: 0, maps: new Map() });
  assertEquals(
    [GETPGID, `${GETPGID}+8`, "nothing", "nothing:vfs_read", "0x10"].map((name) =>
      kprobe.present!(request(name))
    ),
    [true, true, false, false, true],
  );
  assertEquals(["getpgid", "nothing"].map((name) => ksyscall.present!(request(name))), [true, false]);
});
