import { assert, assertEquals, assertThrows } from "@std/assert";
import { Assembler, R0, R1, R10, R2, R3, R6, R7, W } from "detrace/lib/asm/assembler.ts";
import { DetraceError } from "detrace/lib/error.ts";
import { attachCgroup } from "detrace/lib/links/cgroup.ts";
import type { Link } from "detrace/lib/links/link.ts";
import { attachSkLookup } from "detrace/lib/links/net_namespace.ts";
import { attachNetfilter } from "detrace/lib/links/netfilter.ts";
import { attachNetkit } from "detrace/lib/links/netkit.ts";
import { attachReuseport, attachSocketFilter, attachSocketMap } from "detrace/lib/links/socket.ts";
import { attachTc } from "detrace/lib/links/tc.ts";
import { attachTcx } from "detrace/lib/links/tcx.ts";
import { attachXdp } from "detrace/lib/links/xdp.ts";
import type { BpfObject } from "detrace/lib/object/object.ts";
import { interfaceIndex, netlinkRequest } from "detrace/lib/sys/netlink.ts";
import { SyscallError } from "detrace/lib/sys/errno.ts";
import { kernelVersion } from "detrace/lib/sys/process.ts";
import { rootTest } from "../root.ts";
import { withCgroup } from "./cgroups.ts";
import { count, counting, load, main } from "./counting.ts";
import { addClsact, inOwnNetwork, makeInterface, NAMESPACE, Socket, talk, upNetkit } from "./net.ts";

const since = (major: number, minor: number) => kernelVersion() >= (major << 16) + (minor << 8);
const XDP_PASS = 2, TC_ACT_UNSPEC = -1, TC_ACT_OK = 0, NF_ACCEPT = 1, SK_PASS = 1, PROCEED = 1;
const BPF_MAP_TYPE_SOCKMAP = 15, BPF_MAP_TYPE_REUSEPORT_SOCKARRAY = 20;
const u32 = (n: number) => new Uint8Array(new Uint32Array([n]).buffer);

/** A program that is attached sees packets; when its link is closed, no more. */
async function countsWhile(link: Link, object: BpfObject): Promise<void> {
  const before = count(object);
  await talk();
  assert(count(object) > before, "it sees packets");
  link.close();
  const after = count(object);
  await talk();
  assertEquals(count(object), after, "it sees none any more");
}

/** A test in a network of its own. */
function networkTest(name: string, fn: () => Promise<void>): void {
  rootTest(name, () => inOwnNetwork(fn));
}

networkTest("an XDP program sees what an interface receives, alone; by name and by number", async () => {
  using object = await load("xdp", counting(XDP_PASS));
  const link = object.attachProgram("main", "lo");
  assertEquals(link.info()?.bytes.getUint32(16, true), interfaceIndex("lo"));
  assertThrows(
    () => attachXdp(main(object), "lo"),
    DetraceError,
    "network interface lo has an XDP program already",
  );
  await countsWhile(link, object);
  await countsWhile(attachXdp(main(object), interfaceIndex("lo"), { mode: "generic" }), object);
  assertThrows(
    () => object.attachProgram("main", "nowhere0"),
    DetraceError,
    "cannot attach program main: there is no network interface nowhere0",
  );
});

networkTest("a program of traffic control sees both directions, however the kernel attaches it", async () => {
  for (const section of ["tcx/ingress", "tcx/egress", "tc/ingress", "tc/egress"]) {
    using object = await load(section, counting(TC_ACT_UNSPEC));
    const link = object.attachProgram("main", "lo");
    assertEquals(link.kind, since(6, 6) ? "link" : "call");
    await countsWhile(link, object);
  }
  using object = await load("tc", counting(TC_ACT_UNSPEC));
  await countsWhile(object.attachProgram("main", "lo"), object);
  await countsWhile(object.attachProgram("main", "lo/egress"), object);
});

networkTest(
  "links of traffic control have an order, or are refused with the Linux that brought them",
  async () => {
    using first = await load("tcx/ingress", counting(TC_ACT_UNSPEC));
    using second = await load("tcx/ingress", counting(TC_ACT_OK));
    if (!since(6, 6)) {
      return void assertThrows(
        () => attachTcx(main(first), "lo", "ingress"),
        DetraceError,
        "this kernel has no links to traffic control (Linux 6.6)",
      );
    }
    using ok = attachTcx(main(second), "lo", "ingress");
    using behind = attachTcx(main(first), "lo", "ingress", { after: ok });
    await talk();
    assertEquals(count(first), 0, "the first one's verdict was the last");
    behind.close();
    for (const before of [ok, main(second), "all"] as const) {
      await countsWhile(attachTcx(main(first), "lo", "ingress", { before }), first);
    }
  },
);

/** Names of the queueing disciplines of the loopback interface. */
function qdiscs(): string[] {
  const RTM_GETQDISC = 38, NLM_F_DUMP = 0x300;
  return netlinkRequest("netlink(RTM_GETQDISC)", RTM_GETQDISC, NLM_F_DUMP, new Uint8Array(20))
    .map((answer) => /clsact|noqueue/.exec(new TextDecoder().decode(answer))?.[0] ?? "other");
}

networkTest("filters of traffic control leave nothing behind, in whichever order they go", async () => {
  using object = await load("tc", counting(TC_ACT_UNSPEC));
  assert(!qdiscs().includes("clsact"));
  await countsWhile(attachTc(main(object), "lo", "ingress"), object);
  await countsWhile(attachTc(main(object), "lo", "egress"), object);
  assert(!qdiscs().includes("clsact"));
  for (const order of [[0, 1, 2], [2, 1, 0], [1, 0, 2]]) {
    const links = (["ingress", "egress", "ingress"] as const).map((way) => attachTc(main(object), "lo", way));
    for (const i of order) {
      assert(qdiscs().includes("clsact"));
      links[i]!.close();
    }
    assert(!qdiscs().includes("clsact"));
  }
  const [program, other] = [main(object), await load("xdp", counting(XDP_PASS))];
  using _ = other;
  assertThrows(() => attachTc(main(other), "lo", "ingress"), SyscallError, "netlink(filter bpf)");
  assert(!qdiscs().includes("clsact"), "a failure leaves nothing");
  assertThrows(
    () => attachTc(program, "nowhere0", "ingress"),
    DetraceError,
    "there is no network interface nowhere0",
  );
  // Somebody else's stays.
  addClsact("lo");
  attachTc(program, "lo", "egress").close();
  assert(qdiscs().includes("clsact"));
});

networkTest("a program of a netkit pair sees packets, or hears that Linux 6.7 brought it", async () => {
  using object = await load("netkit/primary", counting(TC_ACT_UNSPEC));
  try {
    makeInterface("primary0", "netkit");
  } catch (error) {
    assert(error instanceof SyscallError && error.code === "EOPNOTSUPP", String(error));
    return void assertThrows(
      () => attachNetkit(main(object), "lo"),
      DetraceError,
      "this kernel has no netkit devices (Linux 6.7 with CONFIG_NETKIT)",
    );
  }
  assertThrows(
    () => attachNetkit(main(object), "lo"),
    DetraceError,
    "lo is not the primary one of a netkit pair",
  );
  using link = object.attachProgram("main", "primary0");
  using other = await load("netkit/primary", counting(TC_ACT_UNSPEC));
  using _ = attachNetkit(main(other), "primary0", { before: link });
  using socket = upNetkit();
  // It takes the kernel a moment to see that both ends are up.
  for (const end = Date.now() + 20_000; !count(object) && Date.now() < end;) {
    socket.send("anybody?");
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  assert(count(object) > 0 && count(other) > 0);
  link.close();
  const [after, otherAfter] = [count(object), count(other)];
  assert(socket.send("anybody?"));
  assertEquals(count(object), after);
  assert(count(other) > otherAfter);
});

/** Kinds of program for a cgroup, and the Linux that brought them if that is newer than 5.10. */
const CGROUP_SECTIONS: readonly (readonly [section: string, major?: number, minor?: number])[] = [
  ["cgroup_skb/ingress"],
  ["cgroup_skb/egress"],
  ["cgroup/sock"],
  ["cgroup/sock_create"],
  ["cgroup/sock_release"],
  ["cgroup/post_bind4"],
  ["cgroup/post_bind6"],
  ["cgroup/bind4"],
  ["cgroup/bind6"],
  ["cgroup/connect4"],
  ["cgroup/connect6"],
  ["cgroup/connect_unix", 6, 7],
  ["cgroup/sendmsg4"],
  ["cgroup/sendmsg6"],
  ["cgroup/sendmsg_unix", 6, 7],
  ["cgroup/recvmsg4"],
  ["cgroup/recvmsg6"],
  ["cgroup/recvmsg_unix", 6, 7],
  ["cgroup/getpeername4"],
  ["cgroup/getpeername6"],
  ["cgroup/getpeername_unix", 6, 7],
  ["cgroup/getsockname4"],
  ["cgroup/getsockname6"],
  ["cgroup/getsockname_unix", 6, 7],
  ["cgroup/sysctl"],
  ["cgroup/getsockopt"],
  ["cgroup/setsockopt"],
  ["cgroup/dev"],
  ["sockops"],
];

rootTest(
  "every kind of program for a cgroup attaches to one, or its load names the Linux that brought it",
  () =>
    withCgroup(async (path) => {
      for (const [section, major, minor] of CGROUP_SECTIONS) {
        let object;
        try {
          object = await load(section, counting(PROCEED));
        } catch (error) {
          assert(major && !since(major, minor!), `${section}: ${error}`);
          assert(error instanceof DetraceError);
          assert(error.message.includes(`Linux ${major}.${minor}`), error.message);
          continue;
        }
        using _ = object;
        using link = object.attachProgram("main", path);
        assertEquals(
          link.info()?.bytes.getUint32(24, true),
          object.spec.programs.get("main")!.expectedAttachType,
        );
      }
    }),
);

/** Connects from a process in the cgroup. */
async function talkFrom(path: string): Promise<void> {
  using listener = Socket.bound("tcp");
  const script =
    `echo $$ >'${path}/cgroup.procs' && exec 3<>/dev/tcp/127.0.0.1/${listener.port} && echo hello >&3`;
  const { success } = await new Deno.Command("bash", { args: ["-c", script] }).output();
  assert(success);
  using server = listener.accept();
  assertEquals(await server.receive(), "hello\n");
}

rootTest(
  "programs of a cgroup see what its processes do, and nothing of others",
  () =>
    inOwnNetwork(() =>
      withCgroup(async (path) => {
        for (const section of ["cgroup_skb/egress", "cgroup/sock_create", "cgroup/connect4", "sockops"]) {
          using object = await load(section, counting(PROCEED));
          const link = object.attachProgram("main", path);
          await talk();
          assertEquals(count(object), 0);
          await talkFrom(path);
          assert(count(object) > 0, section);
          link.close();
          const after = count(object);
          await talkFrom(path);
          assertEquals(count(object), after);
        }
      })
    ),
);

rootTest(
  "programs of a cgroup have an order, or are refused with the Linux that brought it",
  () =>
    withCgroup(async (path) => {
      using object = await load("cgroup/sock_create", counting(PROCEED));
      const program = main(object), attachType = 2;
      using first = attachCgroup(program, path, { attachType });
      using other = await load("cgroup/sock_create", counting(PROCEED));
      try {
        attachCgroup(main(other), path, { attachType, before: first }).close();
      } catch (error) {
        // Later versions of 6.12 have it, too.
        assert(!since(6, 17) && error instanceof DetraceError, `${error}`);
        assertEquals(
          error.message,
          "this kernel has no order among the programs of a cgroup (Linux 6.17)",
        );
      }
    }),
);

rootTest("what is no cgroup is refused", async () => {
  using object = await load("cgroup/sock_create", counting(PROCEED));
  assertThrows(
    () => object.attachProgram("main", "/proc"),
    DetraceError,
    "cannot attach program main: /proc is not a directory of a cgroup file system of version 2",
  );
  assertThrows(() => object.attachProgram("main", "/detrace/nothing"), DetraceError, "no such file");
});

/** `if (map[0]) bpf_sk_assign(ctx, map[0]); return SK_PASS;` */
function lookup(): Assembler {
  const [MAP_LOOKUP, SK_ASSIGN, SK_RELEASE] = [1, 124, 86];
  const a = new Assembler();
  a.mov(R6, R1).stx(W, R10, -4, 0).loadMap(R1, "sockets").mov(R2, R10).alu("+=", R2, -4).call(MAP_LOOKUP);
  a.jump("==", R0, 0, "out");
  a.mov(R7, R0).mov(R1, R6).mov(R2, R0).mov(R3, 0).call(SK_ASSIGN).mov(R1, R7).call(SK_RELEASE);
  return a.label("out").mov(R0, SK_PASS).exit();
}
const sockets = (type: number, maxEntries = 2) => ({
  sockets: { type, keySize: 4, valueSize: 4, maxEntries },
});

networkTest("sk_lookup brings connections to a socket that listens elsewhere", async () => {
  using object = await load("sk_lookup", lookup(), sockets(BPF_MAP_TYPE_SOCKMAP));
  using listener = Socket.bound("tcp");
  object.maps.get("sockets")!.set(u32(0), u32(listener.fd));
  const port = listener.port === 7 ? 8 : 7;
  assertThrows(() => Socket.connected("tcp", port), Error, "connection refused");
  const link = object.attachProgram("main", NAMESPACE);
  for (const attached of [link, undefined]) {
    using _ = attached ?? attachSkLookup(main(object), NAMESPACE);
    using client = Socket.connected("tcp", port);
    using server = listener.accept();
    client.send("over there");
    assertEquals(await server.receive(), "over there");
  }
  assertThrows(() => Socket.connected("tcp", port), Error, "connection refused");
});

networkTest("a flow dissector attaches to a namespace, one at a time", async () => {
  using object = await load("flow_dissector", new Assembler().mov(R0, 0).exit());
  {
    using _ = object.attachProgram("main", NAMESPACE);
    assertThrows(() => object.attachProgram("main", NAMESPACE), DetraceError);
  }
  using _ = object.attachProgram("main", NAMESPACE);
});

networkTest("a netfilter program sees packets at its hook, or hears that Linux 6.4 brought it", async () => {
  let object;
  try {
    object = await load("netfilter", counting(NF_ACCEPT));
  } catch (error) {
    assert(!since(6, 4) && error instanceof DetraceError);
    return assert(error.message.includes("Linux 6.4"), error.message);
  }
  using _ = object;
  await countsWhile(object.attachProgram("main", "ipv4/local_in/-100"), object);
  await countsWhile(attachNetfilter(main(object), { family: "ipv4", hook: "local_out" }), object);
  assertThrows(
    () => object.attachProgram("main", "ipv5/local_in"),
    DetraceError,
    '"ipv5/local_in" is no place of netfilter',
  );
});

networkTest("a socket filter decides what a socket gets", async () => {
  using object = await load("socket", counting(2));
  using server = Socket.bound("udp");
  using client = Socket.connected("udp", server.port);
  const link = attachSocketFilter(main(object), server.fd);
  client.send("all of it");
  assertEquals(await server.receive(), "", "two bytes of the header are left, no data");
  link.close();
  client.send("all of it");
  assertEquals(await server.receive(), "all of it");
  assertThrows(() => object.attach().attachProgram("main", "x"), DetraceError, "does not attach by itself");
});

networkTest("a program chooses among sockets of one port", async () => {
  // return bpf_sk_select_reuseport(ctx, &sockets, &(u32) { 1 }, 0) ? SK_DROP : SK_PASS
  const SK_SELECT_REUSEPORT = 82;
  const code = new Assembler().stx(W, R10, -4, 1).loadMap(R2, "sockets").mov(R3, R10).alu("+=", R3, -4).mov(
    "r4",
    0,
  )
    .call(SK_SELECT_REUSEPORT).jump("==", R0, 0, "chosen").mov(R0, 0).exit().label("chosen").mov(R0, SK_PASS)
    .exit();
  using object = await load("sk_reuseport", code, sockets(BPF_MAP_TYPE_REUSEPORT_SOCKARRAY));
  using a = Socket.bound("udp", 0, true);
  using b = Socket.bound("udp", a.port, true);
  [a, b].forEach((socket, i) => object.maps.get("sockets")!.set(u32(i), new Uint8Array(u32(socket.fd))));
  using _ = attachReuseport(main(object), a.fd);
  for (let i = 0; i < 20; i++) {
    using client = Socket.connected("udp", a.port);
    client.send(`${i}`);
    assertEquals(await b.receive(), `${i}`);
  }
  assertEquals(a.received(), undefined);
});

networkTest("programs of a map of sockets see what these send and get, until they are detached", async () => {
  for (
    const [section, kind] of [["sk_msg", "message_verdict"], [
      "sk_skb/stream_verdict",
      "stream_verdict",
    ]] as const
  ) {
    using object = await load(section, counting(SK_PASS), sockets(BPF_MAP_TYPE_SOCKMAP));
    const map = object.maps.get("sockets")!;
    using listener = Socket.bound("tcp");
    using client = Socket.connected("tcp", listener.port);
    using server = listener.accept();
    const link = attachSocketMap(main(object), map, kind);
    assertEquals(link.kind, since(6, 10) ? "link" : "call");
    map.set(u32(0), u32((kind === "message_verdict" ? client : server).fd));
    client.send("once");
    assertEquals(await server.receive(), "once");
    assert(count(object) > 0, section);
    link.close();
    map.delete(u32(0));
    const after = count(object);
    client.send("twice");
    assertEquals(await server.receive(), "twice");
    assertEquals(count(object), after);
  }
});
