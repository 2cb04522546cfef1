/**
 * Lightweight tunnels: programs that see, change or wrap the packets that take a route.
 *
 * Routes are no links. They stay when a process is killed, until somebody deletes them (`ip route del`).
 *
 * @module
 */

import { DetraceError } from "../error.ts";
import { type Buffer, cstring } from "../sys/door.ts";
import { SyscallError } from "../sys/errno.ts";
import { attribute, concat, interfaceIndex, netlinkRequest } from "../sys/netlink.ts";
import { type HasFd, Link } from "./link.ts";

// include/uapi/linux/rtnetlink.h, lwtunnel.h, seg6_local.h
const RTM_NEWROUTE = 24, RTM_DELROUTE = 25, NLM_F_EXCL = 0x200, NLM_F_CREATE = 0x400;
const RTA_DST = 1, RTA_OIF = 4, RTA_ENCAP_TYPE = 21, RTA_ENCAP = 22;
const RT_TABLE_MAIN = 254, RTPROT_STATIC = 4, RT_SCOPE_LINK = 253, RTN_UNICAST = 1;
const LWTUNNEL_ENCAP_BPF = 6, LWTUNNEL_ENCAP_SEG6_LOCAL = 7, LWT_BPF_PROG_FD = 1, LWT_BPF_PROG_NAME = 2;
const SEG6_LOCAL_ACTION = 1, SEG6_LOCAL_BPF = 8, SEG6_LOCAL_ACTION_END_BPF = 15;
const AF_INET = 2, AF_INET6 = 10;

/**
 * Where on a route the program runs: `in` packets that arrive, `out` those of this machine, `xmit` what is about to be sent,
 * which it may wrap; `seg6local` packets with a segment routing header that arrive at the segment (IPv6).
 */
export type LwtHook = "in" | "out" | "xmit" | "seg6local";

const HOOKS: Readonly<Record<LwtHook, number>> = { in: 1, out: 2, xmit: 3, seg6local: SEG6_LOCAL_BPF };

/**
 * Makes a route with a program on it, as `ip route add TO encap bpf HOOK ... dev DEVICE` does (Linux 4.10; seg6local 4.18).
 *
 * @param program A program of type BPF_PROG_TYPE_LWT_IN, LWT_OUT, LWT_XMIT or LWT_SEG6LOCAL, as the hook says.
 * @param hook Where on the route it runs.
 * @param to Whose packets take the route: an address of IPv4 or IPv6, or a network, `10.1.0.0/16`.
 * @param device The network interface that the route leads to: its name or number.
 * @returns What deletes the route when it is closed.
 * @throws {DetraceError} There is no such interface, or such a route is there already; {@link SyscallError} if the kernel
 * refuses: `EOPNOTSUPP` without CONFIG_LWTUNNEL_BPF, for seg6local CONFIG_IPV6_SEG6_BPF.
 */
export function attachLwt(program: HasFd, hook: LwtHook, to: string, device: string | number): Link {
  const { family, bytes, prefix } = parseNetwork(to);
  const scope = family === AF_INET ? RT_SCOPE_LINK : 0;
  const rtmsg = [family, prefix, 0, 0, RT_TABLE_MAIN, RTPROT_STATIC, scope, RTN_UNICAST, 0, 0, 0, 0];
  const route = concat(
    new Uint8Array(rtmsg),
    attribute(RTA_DST, bytes),
    attribute(RTA_OIF, interfaceIndex(device)),
  );
  const what = attribute(
    HOOKS[hook],
    concat(attribute(LWT_BPF_PROG_FD, program.fd), attribute(LWT_BPF_PROG_NAME, cstring("detrace"))),
  );
  const isSegment = hook === "seg6local";
  const type = new Uint8Array([isSegment ? LWTUNNEL_ENCAP_SEG6_LOCAL : LWTUNNEL_ENCAP_BPF, 0]);
  const encap = isSegment ? concat(attribute(SEG6_LOCAL_ACTION, SEG6_LOCAL_ACTION_END_BPF), what) : what;
  const body = concat(route, attribute(RTA_ENCAP_TYPE, type), attribute(RTA_ENCAP, encap));
  try {
    netlinkRequest("netlink(RTM_NEWROUTE)", RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, body);
  } catch (cause) {
    if (!(cause instanceof SyscallError) || cause.code !== "EEXIST") throw cause;
    throw new DetraceError(`there is a route to ${to} already`, { cause });
  }
  return new Link("call", [], { cleanup: () => remove(route) });
}

function remove(route: Buffer): void {
  try {
    netlinkRequest("netlink(RTM_DELROUTE)", RTM_DELROUTE, 0, route);
  } catch (error) {
    // Somebody else has deleted it, or the interface is gone.
    if (!(error instanceof SyscallError) || !/^(ESRCH|ENODEV)$/.test(error.code)) throw error;
  }
}

/** Takes an address and the length of its prefix apart. */
function parseNetwork(text: string): { family: number; bytes: Buffer; prefix: number } {
  const [, v4, v6, length] = /^(?:(\d+(?:\.\d+){3})|([\da-f:]+))(?:\/(\d{1,3}))?$/i.exec(text) ?? [];
  const bytes = v4 ? v4.split(".").map(Number) : v6 ? parseV6(v6) : [], bits = v4 ? 32 : 128;
  const prefix = Number(length ?? bits);
  if (bytes.length * 8 !== bits || bytes.some((byte) => byte > 255) || prefix > bits) {
    throw new DetraceError(`"${text}" is no address and no network`, {
      hint: "as in 10.1.0.0/16 or fd00::1",
    });
  }
  return { family: v4 ? AF_INET : AF_INET6, bytes: new Uint8Array(bytes), prefix };
}

/** The bytes of an address of IPv6, none if it is not one. */
function parseV6(text: string): number[] {
  const url = `http://[${text}]`;
  if (!URL.canParse(url)) return [];
  const words = (part: string) => part ? part.split(":").map((word) => parseInt(word, 16)) : [];
  const [front = [], back = []] = new URL(url).hostname.slice(1, -1).split("::").map(words);
  const all = [...front, ...Array<number>(8 - front.length - back.length).fill(0), ...back];
  return all.flatMap((word) => [word >> 8, word & 255]);
}
