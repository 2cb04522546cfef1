/**
 * The matrix: what people write as sections, and the tools. Each row loads, attaches by the public API, makes its event
 * happen, sees that the program ran, detaches it, and sees that it runs no more.
 *
 * @module
 */

import { attachCgroup } from "detrace/lib/links/cgroup.ts";
import { iteratorLines, iteratorRecords } from "detrace/lib/links/iterator.ts";
import type { Link } from "detrace/lib/links/link.ts";
import { attachReuseport, attachSocketFilter, attachSocketMap } from "detrace/lib/links/socket.ts";
import type { BpfObject } from "detrace/lib/object/object.ts";
import { openObject } from "detrace/lib/object/open.ts";
import { RunStatistics } from "detrace/lib/programs/statistics.ts";
import { Kallsyms } from "detrace/lib/symbols/kallsyms.ts";
import { address, release } from "detrace/lib/sys/door.ts";
import { SyscallError } from "detrace/lib/sys/errno.ts";
import { inCgroup, withCgroup } from "../links/cgroups.ts";
import { count, counting, load, main } from "../links/counting.ts";
import {
  canOpen,
  fixture,
  global,
  read,
  run,
  setGlobal,
  taskCodec,
  tracing,
  withFile,
  withOverlay,
} from "../links/fixture.ts";
import { call, LIBRARY } from "../links/library.ts";
import { inOwnNetwork, makeInterface, NAMESPACE, Socket, talk, upNetkit } from "../links/net.ts";
import { callGetpgid, GETPGID, load as loadProbes } from "../links/probes.ts";
import { bpfIds, openat, RunningTool } from "../tools/harness.ts";
import { ALLOWED, built, COUNTERS, type Need, SECURITY_MODULE, since, TRAMPOLINES } from "./needs.ts";

/** One row. */
export interface Row {
  /** A section's first word or two, or a tool. */
  readonly name: string;
  /** What not every kernel has. */
  readonly needs: readonly Need[];
  /** Tries it on the running kernel, and says how it was attached. @throws If it does not work. */
  readonly attempt: () => Promise<string>;
}

const XDP_PASS = 2, TC_ACT_UNSPEC = -1, NF_ACCEPT = 1, SK_PASS = 1, PROCEED = 1;
const BPF_LSM_CGROUP = 43, BPF_MAP_TYPE_SOCKMAP = 15;
const DEADLINE = 30_000; // ms, for whatever is waited for

/** By what a link holds on, in a word or two. */
function howOf(link: Link): string {
  const kinds = { link: "link", perf_event: "ioctl", call: "", table: "map", group: "" };
  const parts = link.parts.length ? link.parts : [link];
  const ways = parts.map((part) => {
    if (part.kind === "link" && !part.info()!.type) throw new Error("the kernel does not know the link");
    return [part.through, kinds[part.kind]].filter(Boolean).join(", ");
  });
  if (new Set(ways).size !== 1 || !ways[0]) throw new Error(`a link of ${ways}`);
  return ways[0];
}

/** Does something until a count is above what it was. */
async function until(isSo: () => boolean, act: () => unknown): Promise<void> {
  for (const end = Date.now() + DEADLINE; !isSo();) {
    if (Date.now() > end) throw new Error("it is attached, and does not run");
    await act();
  }
}

/** A program that is attached sees events; when its link is closed, no more. Gives how it was attached. */
async function watch(link: Link, act: () => unknown, count: () => number | bigint): Promise<string> {
  const how = howOf(link), before = count();
  await until(() => count() > before, act);
  link.close();
  const after = count();
  await act();
  if (count() !== after) throw new Error("its link is closed, and it still runs");
  return how;
}

/** A program that counts what this process does, attached where its section says. */
function probe(section: string, ...needs: Need[]): Row {
  const attempt = async () => {
    using probes = await loadProbes([section]);
    probes.object.attach();
    return await watch(probes.object.links[0]!, () => callGetpgid(3), () => probes.seen(section).count);
  };
  return { name: section.split("/")[0]!, needs, attempt };
}

/** A program that counts what the machine does, attached where its section says. */
function counter(section: string, act: () => unknown): Row {
  const attempt = async () => {
    using object = await load(section, counting(0));
    return await watch(object.attachProgram("main"), act, () => count(object));
  };
  return { name: section.split("/")[0]!, needs: [], attempt };
}

/** A packet's test run. */
async function testRun(): Promise<void> {
  using object = await load("socket", counting(0));
  main(object).testRun({ dataIn: new Uint8Array(64) });
}

/** Works for a while, and rests. */
async function work(): Promise<void> {
  for (const end = performance.now() + 20; performance.now() < end;);
  await new Promise((wake) => setTimeout(wake, 1));
}

/** A program at a perf event of this process; at one of the kernel's code on all processors, as arm64 has it alone. */
function perfEvent(what: string, event: () => string, act: () => unknown, ...needs: Need[]): Row {
  const attempt = async () => {
    using probes = await loadProbes(["perf_event"]);
    const text = event(), options = text.endsWith(":x") ? {} : { pid: Deno.pid };
    const link = probes.object.attachProgram("perf_event", text, options);
    return await watch(link, act, () => probes.seen("perf_event").count);
  };
  return { name: `perf_event (${what})`, needs, attempt };
}

const memory = new BigUint64Array(1);

/** `watchpoint:…` of an address. */
function watchpoint(address: bigint, access: string): string {
  release();
  return `watchpoint:0x${address.toString(16)}:8:${access}`;
}

/** A program of tracing.bpf.c, whose global variable counts what the act leads to. */
function traced(
  name: string,
  program: string,
  counter: string,
  needs: Need[],
  act: () => unknown = () => read("/dev/zero"),
): Row {
  const attempt = async () => {
    using object = await tracing(program).load();
    return await watch(object.attach().links[0]!, act, () => global(object, counter));
  };
  return { name, needs, attempt };
}

/** A program of tracing.bpf.c that denies this process one file. */
function denial(name: string, program: string, needs: Need[]): Row {
  const attempt = () =>
    withFile(async (path, inode) => {
      using object = tracing(program);
      setGlobal(object, "inode", inode);
      await object.load();
      const how = await watch(
        object.attach().links[0]!,
        () => void canOpen(path),
        () => global(object, "denied"),
      );
      if (!canOpen(path)) throw new Error("it is detached, and still denies");
      return how;
    });
  return { name, needs, attempt };
}

/** A program that sees packets, in a network of its own. */
function packets(section: string, verdict: number, target: string, needs: Need[] = [], act = talk): Row {
  const attempt = () =>
    inOwnNetwork(async () => {
      using object = await load(section, counting(verdict));
      return await watch(object.attachProgram("main", target), () => act(), () => count(object));
    });
  return { name: section, needs, attempt };
}

/** A program that sees what the processes of a cgroup do. */
function ofCgroup(section: string, act: () => unknown, ...needs: Need[]): Row {
  const attempt = () =>
    inOwnNetwork(() =>
      withCgroup(async (path) => {
        using object = await load(section, counting(PROCEED));
        const link = section.startsWith("lsm_cgroup")
          ? attachCgroup(main(object), path, { attachType: BPF_LSM_CGROUP })
          : object.attachProgram("main", path);
        return await watch(link, () => inCgroup(path, act), () => count(object));
      })
    );
  return { name: section.replace(/^lsm_cgroup.*/, "lsm_cgroup"), needs, attempt };
}

/** A connection between sockets of Unix. */
async function talkUnix(): Promise<void> {
  const directory = Deno.makeTempDirSync();
  try {
    const path = `${directory}/socket`;
    using _listener = Deno.listen({ transport: "unix", path });
    using _client = await Deno.connect({ transport: "unix", path });
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

/** A datagram to a socket that a program is attached to. */
function ofSocket(section: string, attach: (object: BpfObject, socket: number) => Link): Row {
  const attempt = () =>
    inOwnNetwork(async () => {
      using object = await load(section, counting(section === "socket" ? -1 : SK_PASS));
      using server = Socket.bound("udp", 0, true);
      const act = async () => {
        using client = Socket.connected("udp", server.port);
        client.send("hello");
        await server.receive();
      };
      return await watch(attach(object, server.fd), act, () => count(object));
    });
  return { name: section, needs: [], attempt };
}

/** Data through a socket that is in a map. */
function ofSocketMap(section: string, kind: "message_verdict" | "stream_verdict"): Row {
  const attempt = () =>
    inOwnNetwork(async () => {
      const sockets = { type: BPF_MAP_TYPE_SOCKMAP, keySize: 4, valueSize: 4, maxEntries: 1 };
      using object = await load(section, counting(SK_PASS), { sockets });
      using listener = Socket.bound("tcp");
      using client = Socket.connected("tcp", listener.port);
      using server = listener.accept();
      const map = object.maps.get("sockets")!, key = new Uint8Array(4);
      using link = attachSocketMap(main(object), map, kind);
      const act = async () => {
        client.send("hello");
        await server.receive();
      };
      const { fd } = kind === "message_verdict" ? client : server;
      map.set(key, new Uint8Array(Uint32Array.of(fd).buffer));
      await until(() => count(object) > 0, act);
      const how = howOf(link);
      link.close();
      map.delete(key);
      const after = count(object);
      await act();
      if (count(object) !== after) throw new Error("its link is closed, and it still runs");
      return how;
    });
  return { name: section, needs: [], attempt };
}

/** A congestion control of TCP. */
function structOps(section: string, variable: "plain" | "linked", ...needs: Need[]): Row {
  const attempt = () =>
    inOwnNetwork(async () => {
      const bytes = Deno.readFileSync(new URL("../fixtures/object/table.bpf.o", import.meta.url));
      using object = openObject(bytes, "table");
      for (const name of ["plain", "linked"]) if (name !== variable) object.spec.maps.delete(name);
      await object.load();
      using statistics = new RunStatistics();
      const link = object.attach().links[0]!, how = howOf(link), name = `detrace_${variable}`;
      const ran = () => statistics.of(object.programs.get("cong_avoid")!).count > 0n;
      await until(ran, () => talk(name));
      link.close();
      const listed = () => Deno.readTextFileSync("/proc/sys/net/ipv4/tcp_available_congestion_control");
      await until(() => !listed().includes(name), () => new Promise((wake) => setTimeout(wake, 10)));
      return how;
    });
  return { name: section, needs, attempt };
}

const FENTRY = [TRAMPOLINES, ALLOWED];
const KPROBES = built("CONFIG_KPROBE_EVENTS"), FPROBE = built("CONFIG_FPROBE");

/** All rows, in the order of the table. */
export const ROWS: readonly Row[] = [
  counter("tracepoint/syscalls/sys_enter_getpgid", () => callGetpgid(3)),
  counter("raw_tp/bpf_test_finish", testRun),
  counter("raw_tp.w/bpf_test_finish", testRun),
  traced("tp_btf", "event", "events", []),
  probe(`kprobe/${GETPGID}`, KPROBES),
  probe(`kretprobe/${GETPGID}`, KPROBES),
  probe("ksyscall/getpgid", KPROBES),
  probe("kretsyscall/getpgid", KPROBES),
  probe(`kprobe.multi/${GETPGID}`, since("5.18"), FPROBE),
  probe(`kretprobe.multi/${GETPGID}`, since("5.18"), FPROBE),
  probe(`kprobe.session/${GETPGID}`, since("6.10"), FPROBE),
  probe("uprobe/libc.so.6:getpgid"),
  probe("uretprobe/libc.so.6:getpgid"),
  probe("uprobe.multi/libc.so.6:getpgi?", since("6.6")),
  probe("uretprobe.multi/libc.so.6:getpgi?", since("6.6")),
  probe("uprobe.session/libc.so.6:getpgi?", since("6.13")),
  {
    name: "usdt",
    needs: [],
    async attempt() {
      using object = await fixture("usdt", "all").load();
      const link = object.attachProgram("all", `${LIBRARY}:detrace:near`, { pid: Deno.pid });
      return await watch(link, () => call.near(), () => global(object, "hits") & 0xffffffffn);
    },
  },
  traced("fentry", "entry", "entries", FENTRY),
  traced("fexit", "leave", "exits", FENTRY),
  {
    name: "fexit (of a module)",
    needs: [...FENTRY, since("5.11")],
    attempt: () =>
      withOverlay(async (path) => {
        using object = await tracing("module").load();
        const act = () => Deno.openSync(path).close();
        return await watch(object.attach().links[0]!, act, () => global(object, "exits"));
      }),
  },
  denial("fmod_ret", "change", FENTRY),
  {
    name: "freplace",
    needs: FENTRY,
    async attempt() {
      using target = await fixture("extension", "caller").load();
      using object = fixture("extension", "replacement");
      object.spec.programs.get("replacement")!.attachTo = target.programs.get("caller")!;
      await object.load();
      const link = object.attach().links[0]!, how = howOf(link), results = [run(target, "caller")];
      link.close();
      results.push(run(target, "caller"));
      if (`${results}` !== "82,42") throw new Error(`the function returned ${results}`);
      return how;
    },
  },
  denial("lsm", "guard", [...FENTRY, SECURITY_MODULE]),
  ofCgroup(
    "lsm_cgroup/socket_post_create",
    () => Socket.bound("udp").close(),
    since("6.0"),
    ...FENTRY,
    SECURITY_MODULE,
  ),
  {
    name: "iter/task",
    needs: [],
    async attempt() {
      using object = await tracing("tasks").load();
      const link = object.attach().links[0]!, type = taskCodec(object);
      if ([...iteratorRecords(link, type)].some(({ tgid }) => tgid === Deno.pid)) return howOf(link);
      throw new Error("it did not find this process");
    },
  },
  {
    name: "iter/bpf_map_elem",
    needs: [ALLOWED],
    async attempt() {
      using object = await fixture("tracing", "elements").load();
      object.maps.get("counts")!.set(new Uint8Array([7, 0, 0, 0]), new Uint8Array([8, 0, 0, 0, 0, 0, 0, 0]));
      const link = object.attachProgram("elements", "counts"), lines = [...iteratorLines(link)];
      if (`${lines}` === "7 is 8") return howOf(link);
      throw new Error(`it wrote ${lines}`);
    },
  },
  perfEvent("software", () => "software:context-switches:1", work),
  perfEvent("profile", () => "profile:hz:999", work),
  perfEvent("hardware", () => "hardware:cpu-cycles:100000", work, COUNTERS),
  perfEvent("breakpoint, data", () => watchpoint(address(memory), "w"), () => Atomics.store(memory, 0, 1n)),
  // A kernel without kprobes does not know where its code may be stopped, and so stops nowhere.
  perfEvent(
    "breakpoint, kernel code",
    () => watchpoint(Kallsyms.load().lookup(GETPGID)[0]!, "x"),
    () => callGetpgid(3),
    built("CONFIG_KPROBES", /the processor cannot watch 0x\w+ \(8 bytes, x\)/),
  ),
  {
    name: "syscall",
    needs: [since("5.14")],
    async attempt() {
      using object = await load("syscall", counting(0));
      main(object).testRun();
      if (count(object) !== 1) throw new Error("it did not run");
      return "test run";
    },
  },
  structOps("struct_ops", "plain"),
  structOps("struct_ops.link", "linked", since("6.4")),
  packets("xdp", XDP_PASS, "lo"),
  packets("tc", TC_ACT_UNSPEC, "lo/egress"),
  packets("tcx/ingress", TC_ACT_UNSPEC, "lo"),
  {
    name: "netkit/primary",
    needs: [since("6.7"), built("CONFIG_NETKIT")],
    attempt: () =>
      inOwnNetwork(async () => {
        using object = await load("netkit/primary", counting(TC_ACT_UNSPEC));
        try {
          makeInterface("primary0", "netkit");
        } catch (error) {
          if (!(error instanceof SyscallError && error.code === "EOPNOTSUPP")) throw error;
          object.attachProgram("main", "lo"); // which is to say why
          throw new Error("there are no netkit devices, and lo is one", { cause: error });
        }
        const link = object.attachProgram("main", "primary0");
        using socket = upNetkit();
        const act = async () => {
          socket.send("anybody?");
          await new Promise((wake) => setTimeout(wake, 1)); // until both ends are up
        };
        return await watch(link, act, () => count(object));
      }),
  },
  packets("netfilter", NF_ACCEPT, "ipv4/local_in/-100", [since("6.4"), built("CONFIG_NETFILTER_BPF_LINK")]),
  packets("sk_lookup", SK_PASS, NAMESPACE),
  packets("flow_dissector", 0, NAMESPACE, [], async () => {
    using _tap = Socket.tap();
    await talk();
  }),
  ofSocket("socket", (object, socket) => attachSocketFilter(main(object), socket)),
  ofSocket("sk_reuseport", (object, socket) => attachReuseport(main(object), socket)),
  ofSocketMap("sk_msg", "message_verdict"),
  ofSocketMap("sk_skb/stream_verdict", "stream_verdict"),
  ofCgroup("sockops", talk),
  ofCgroup("cgroup_skb/egress", talk),
  ofCgroup("cgroup/sock_create", talk),
  ofCgroup("cgroup/connect4", talk),
  ofCgroup("cgroup/connect_unix", talkUnix, since("6.7")),
  ofCgroup("cgroup/setsockopt", () => Socket.bound("udp", 0, true).close()),
  ofCgroup("cgroup/sysctl", () => Deno.readTextFileSync("/proc/sys/kernel/ostype")),
  ofCgroup("cgroup/dev", () => Deno.openSync("/dev/null").close()),
  {
    name: "tools/opensnoop.ts",
    needs: [],
    async attempt() {
      const path = `/detrace-matrix-${Deno.pid}`, poke = () => void openat(path);
      await using tool = await RunningTool.start("opensnoop", ["-p", `${Deno.pid}`]);
      await tool.line(path, poke);
      const { link } = await bpfIds(tool.pid);
      const { status, stderr } = await tool.stop();
      if (status !== 0 || stderr) throw new Error(`it ended with ${status}: ${stderr}`);
      return link.length ? "link" : "ioctl";
    },
  },
  {
    name: "tools/btf.ts",
    needs: [],
    async attempt() {
      const { status, lines, stderr } = await RunningTool.run("btf", ["find", "task_struct"]);
      if (status === 0 && lines.some((line) => /^struct .* task_struct$/.test(line))) return "reads";
      throw new Error(`it ended with ${status}: ${stderr}${lines}`);
    },
  },
];
