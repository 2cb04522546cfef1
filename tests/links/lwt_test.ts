import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { DetraceError } from "detrace/lib/error.ts";
import { attachLirc } from "detrace/lib/links/lirc.ts";
import { attachLwt, type LwtHook } from "detrace/lib/links/lwt.ts";
import { attachTcAction } from "detrace/lib/links/tc.ts";
import { readKernelConfig } from "detrace/lib/object/kernel_config.ts";
import { SyscallError } from "detrace/lib/sys/errno.ts";
import { interfaceIndex } from "detrace/lib/sys/netlink.ts";
import { rootTest } from "../root.ts";
import { count, counting, load, main } from "./counting.ts";
import { inOwnNetwork, makeInterface, Socket, talk, up } from "./net.ts";

const BPF_OK = 0, TC_ACT_OK = 0;
const { symbols: libc } = Deno.dlopen("libc.so.6", {
  socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
  sendto: { parameters: ["i32", "buffer", "usize", "i32", "buffer", "u32"], result: "isize" },
  close: { parameters: ["i32"], result: "i32" },
});

const has = (option: string) => new RegExp(`^${option}=[ym]$`, "m").test(readKernelConfig());

/** Sends a datagram to a port of 10.77.1.1. */
function send(): void {
  using socket = Socket.connected("udp", 9, [10, 77, 1, 1]);
  socket.send("hello");
}

/** Lets a packet to fd00:77::2 arrive, which is to come by the segment fd00:77::1. */
function receiveBySegment(): void {
  const AF_PACKET = 17, SOCK_DGRAM = 2, ETH_P_IPV6 = [0x86, 0xdd], ROUTING = 43, UDP = 17;
  const address = (last: number) => [0xfd, 0, 0, 0x77, ...new Array(11).fill(0), last];
  // struct ipv6_sr_hdr: its length in units of 8 bytes, how many segments are left; the last segment comes first.
  const segments = [UDP, 4, 4, 1, 1, 0, 0, 0, ...address(2), ...address(1)], udp = new Array(8).fill(0);
  const ipv6 = [0x60, 0, 0, 0, 0, segments.length + udp.length, ROUTING, 64, ...address(9), ...address(1)];
  const packet = new Uint8Array([...ipv6, ...segments, ...udp]);
  const sockaddrLl = [AF_PACKET, 0, ...ETH_P_IPV6, interfaceIndex("lo"), 0, 0, 0, ...new Array(12).fill(0)];
  const fd = libc.socket(AF_PACKET, SOCK_DGRAM, 0);
  const sent = libc.sendto(
    fd,
    packet,
    BigInt(packet.length),
    0,
    new Uint8Array(sockaddrLl),
    sockaddrLl.length,
  );
  libc.close(fd);
  assertEquals(Number(sent), packet.length);
}

for (const hook of ["in", "out", "xmit"] as const) {
  rootTest(`a program runs on a route, until that is deleted: ${hook}`, () =>
    inOwnNetwork(async () => {
      using object = await load(`lwt_${hook}`, counting(BPF_OK));
      {
        using _link = attachLwt(main(object), hook, "10.77.1.0/24", "lo");
        send();
        assert(count(object) > 0, "it sees packets");
        assertThrows(() => attachLwt(main(object), hook, "10.77.1.0/24", "lo"), DetraceError, "already");
      }
      const after = count(object);
      assertThrows(send, Error, "connection refused"); // no route leads there any more
      assertEquals(count(object), after);
    }));
}

rootTest("a program runs where a segment ends", () =>
  inOwnNetwork(async () => {
    using object = await load("lwt_seg6local", counting(BPF_OK));
    makeInterface("detour0", "veth"); // to the loopback interface there are no such routes of IPv6
    up("detour0");
    const attach = () => attachLwt(main(object), "seg6local", "fd00:77::1", "detour0");
    if (!has("CONFIG_IPV6_SEG6_BPF")) return void assertThrows(attach, SyscallError);
    for (const name of ["all", "lo"]) {
      Deno.writeTextFileSync(`/proc/sys/net/ipv6/conf/${name}/seg6_enabled`, "1");
    }
    const link = attach();
    receiveBySegment();
    assertEquals(count(object), 1);
    link.close();
    receiveBySegment();
    assertEquals(count(object), 1);
  }));

rootTest(
  "a route that is gone already does no harm, and one that cannot be is refused",
  () =>
    inOwnNetwork(async () => {
      using object = await load("lwt_out", counting(BPF_OK));
      const attach = (to: string, device = "lo", hook: LwtHook = "out") =>
        attachLwt(main(object), hook, to, device);
      const first = attach("10.77.1.1"), second = attach("fd00:77::/64");
      for (const link of [first, second]) link.close();
      for (
        const to of ["10.1", "10.0.0.256", "10.0.0.0/33", "fd00:::1", "1:2:3:4:5:6:7:", "::/129", "", "host"]
      ) {
        assertThrows(() => attach(to), DetraceError, `"${to}" is no address and no network`);
      }
      assertThrows(
        () => attach("10.77.1.1", "nowhere0"),
        DetraceError,
        "there is no network interface nowhere0",
      );
    }),
);

rootTest("a program sees packets as the action of a filter", () =>
  inOwnNetwork(async () => {
    using object = await load("action", counting(TC_ACT_OK));
    const attach = () => attachTcAction(main(object), "lo", "ingress");
    if (!has("CONFIG_NET_CLS_MATCHALL") || !has("CONFIG_NET_ACT_BPF")) {
      const { message } = assertThrows(attach, DetraceError);
      return assertStringIncludes(message, "it has no module cls_matchall or act_bpf");
    }
    const link = attach();
    await talk();
    assert(count(object) > 0, "it sees packets");
    link.close();
    const after = count(object);
    await talk();
    assertEquals(count(object), after, "it sees none any more");
  }));

rootTest("an infrared receiver that is not there is refused", () => {
  assertThrows(() => attachLirc({ fd: -1 }, "/dev/lirc99"), SyscallError, "/dev/lirc99");
});
