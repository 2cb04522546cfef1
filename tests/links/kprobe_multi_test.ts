import { assert, assertEquals, assertThrows } from "@std/assert";
import { DetraceError } from "detrace/lib/error.ts";
import { attachKprobeMulti, kprobeMulti } from "detrace/lib/links/kprobe_multi.ts";
import { tracefs } from "detrace/lib/links/tracefs.ts";
import { Kallsyms } from "detrace/lib/symbols/kallsyms.ts";
import { countFunctions } from "detrace/lib/symbols/kernel_functions.ts";
import { readText } from "detrace/lib/sys/file.ts";
import { getuid } from "detrace/lib/sys/process.ts";
import { rootTest } from "../maps/programs.ts";
import { callGetpgid, callGetsid, GETPGID, GETSID, load, nameOf } from "./probes.ts";

const BPF_LINK_TYPE_KPROBE_MULTI = 8, BPF_F_KPROBE_MULTI_RETURN = 1;
const HAS_FPROBE = getuid() === 0 && countFunctions("register_fprobe", 1) > 0;
const HAS_SESSIONS = HAS_FPROBE && countFunctions("bpf_session_cookie", 1) > 0;

/** A test on a kernel with fprobe; one without is to say so. */
function multiTest(name: string, fn: () => Promise<void>): void {
  rootTest(name, async () => {
    if (HAS_FPROBE) return await fn();
    const sections = ["kprobe.multi/vfs_*", "kretprobe.multi"];
    using probes = await load(sections);
    const sentence = "this kernel has no kprobes at many functions (Linux 5.18 with CONFIG_FPROBE)";
    assertThrows(() => probes.object.attach(), DetraceError, sentence);
    assertThrows(() => probes.object.attachProgram("kretprobe_multi", GETPGID), DetraceError, sentence);
  });
}

multiTest(
  "one program runs at the call, another at the return of all functions that a pattern means",
  async () => {
    const pattern = `${GETPGID.slice(0, -2)}?d`;
    const sections = [`kprobe.multi/${pattern}`, `kretprobe.multi/${pattern}`];
    using probes = await load(sections);
    probes.object.attach();
    const group = callGetpgid(100);
    for (const section of sections) assertEquals(probes.seen(section).count, 100, section);
    assertEquals(probes.seen(sections[1]!).result, BigInt(group));
    const [call, ret] = probes.object.links.map((link) => link.info()!);
    for (const { type } of [call!, ret!]) assertEquals(type, BPF_LINK_TYPE_KPROBE_MULTI);
    assertEquals(call!.programId, probes.object.programs.get(nameOf(sections[0]!))!.info().id);
    if (call!.bytes.getUint32(24, true) > 0) { // from 6.6 on: how many functions, flags
      assertEquals([call!, ret!].map(({ bytes }) => bytes.getUint32(24, true)), [1, 1]);
      assertEquals(ret!.bytes.getUint32(28, true), BPF_F_KPROBE_MULTI_RETURN);
    }
    for (const link of probes.object.links) link.close();
    callGetpgid(1);
    for (const section of sections) assertEquals(probes.seen(section).count, 100, section);
  },
);

multiTest("functions are listed by names or addresses, each with its cookie or all with one", async () => {
  using probes = await load(["kprobe.multi"], { cookies: true });
  const program = probes.object.programs.get("kprobe_multi")!;
  const kallsyms = Kallsyms.load();
  const names = [GETPGID, GETSID];
  const cookies = [1n, 0xfedcba9876543210n];
  let count = 0;
  for (const functions of [names, names.map((name) => kallsyms.lookup(name)[0]!)]) {
    for (const [given, expected] of [[cookies, cookies], [7n, [7n, 7n]], [undefined, [0n, 0n]]] as const) {
      using _link = attachKprobeMulti(program, functions, { cookies: given });
      callGetpgid(3);
      assertEquals(probes.seen("kprobe.multi"), { ...probes.seen("kprobe.multi"), cookie: expected[0]! });
      callGetsid(2);
      assertEquals(probes.seen("kprobe.multi").cookie, expected[1]!);
      assertEquals(probes.seen("kprobe.multi").count, count += 5);
    }
  }
  const link = probes.object.attachProgram("kprobe_multi", `${GETSID.slice(0, -3)}*`, { cookie: 9n });
  callGetsid(1);
  assertEquals(probes.seen("kprobe.multi").cookie, 9n);
  link.close();
});

multiTest("a pattern may mean many functions, or those of one module", async () => {
  using probes = await load(["kprobe.multi"]);
  const program = probes.object.programs.get("kprobe_multi")!;
  using link = attachKprobeMulti(program, "vfs_*");
  const bytes = link.info()!.bytes;
  const told = bytes.getUint32(24, true); // 0 before 6.6
  const list = readText(`${tracefs()}/available_filter_functions`);
  if (told) assertEquals(told, new Set(list.match(/^vfs_\S+/gm)).size);
  const [, name, module] = /^(\w+) \[(\w+)\]$/m.exec(list) ?? [];
  if (name) attachKprobeMulti(program, `${module}:${name.slice(0, 4)}*`).close(); // a kernel may have no modules
});

rootTest("a session sees call and return with one program", async () => {
  const section = `kprobe.session/${GETPGID}`;
  using probes = await load([section]);
  if (!HAS_SESSIONS) {
    const sentence = "this kernel has no sessions of kprobes (Linux 6.10 with CONFIG_FPROBE)";
    assertThrows(() => probes.object.attach(), DetraceError, sentence);
    return;
  }
  probes.object.attach();
  const group = callGetpgid(10);
  assertEquals(probes.seen(section).count, 20);
  assertEquals(probes.seen(section).result, BigInt(group));
});

multiTest("what cannot be traced is said in a sentence, and whether it can is known before", async () => {
  using probes = await load(["kprobe.multi"]);
  const program = probes.object.programs.get("kprobe_multi")!;
  const refused = (target: string | string[] | bigint[], sentence: string, cookies?: bigint[]) =>
    assertThrows(() => attachKprobeMulti(program, target, { cookies }), DetraceError, sentence);
  const missing = "this kernel has no function nothing_like_it that can be traced";
  refused([GETPGID, "nothing_like_it"], missing);
  refused([GETPGID, ""], "has no function  that can be traced");
  refused([GETPGID, GETPGID], `a function is named twice: ${GETPGID}`);
  refused([0x1000n], "not all of these addresses are those of functions");
  refused([GETPGID], "there are 2 cookies for 1 functions", [1n, 2n]);
  refused([], "no function is given");
  for (const pattern of ["nothing:vfs_*", "(vfs_*"]) {
    refused(pattern, `no function that can be traced matches "${pattern}"`);
  }
  const present = (target: string) =>
    kprobeMulti.present!({ way: "", target, attachType: 0, maps: new Map() });
  assert(present("vfs_*") && !present("nothing_like_*"));
});
