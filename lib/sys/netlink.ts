/**
 * rtnetlink(7): requests to the kernel's network configuration, and the numbers of network interfaces.
 *
 * Layouts: include/uapi/linux/netlink.h, include/uapi/linux/rtnetlink.h.
 *
 * @module
 */

import { DetraceError } from "../error.ts";
import { type Buffer, check, closeFd, cstring, libc, NR } from "./door.ts";
import { SyscallError } from "./errno.ts";
import { read, write } from "./file.ts";

const AF_NETLINK = 16, SOCK_RAW = 3, SOCK_CLOEXEC = 0o2000000, NETLINK_ROUTE = 0;
const NLM_F_REQUEST = 1, NLM_F_ACK = 4, NLM_F_DUMP = 0x300;
const RTM_GETLINK = 18, IFLA_IFNAME = 3;
const NLMSG_ERROR = 2, NLMSG_DONE = 3;
const HEADER = 16; // struct nlmsghdr: u32 length, u16 type, u16 flags, u32 sequence number, u32 port

/** An attribute of a message: `struct rtattr` and its value, padded to a multiple of four bytes. */
export function attribute(type: number, value: Buffer | number): Buffer {
  const bytes = typeof value === "number" ? new Uint8Array(new Uint32Array([value]).buffer) : value;
  const all: Buffer = new Uint8Array(bytes.length + 7 & ~3);
  new Uint16Array(all.buffer, 0, 2).set([bytes.length + 4, type]);
  all.set(bytes, 4);
  return all;
}

/** Pieces one after another. */
export function concat(...pieces: Buffer[]): Buffer {
  const all: Buffer = new Uint8Array(pieces.reduce((length, piece) => length + piece.length, 0));
  let at = 0;
  for (const piece of pieces) all.set(piece, at), at += piece.length;
  return all;
}

/**
 * Makes one request and waits for the answer, which the kernel gives at once.
 *
 * @param name The request's name, for the error.
 * @param type RTM_*.
 * @param flags NLM_F_*, beyond those that every request has.
 * @param body What follows the header.
 * @returns The bodies of the messages that came back: with NLM_F_ECHO what was made, with NLM_F_DUMP what there is.
 * @throws {SyscallError}
 */
export function netlinkRequest(name: string, type: number, flags: number, body: Buffer): Buffer[] {
  const socket = libc().control(NR.socket, AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE, null);
  const fd = check(socket, "socket", "netlink");
  try {
    const message: Buffer = new Uint8Array(HEADER + body.length);
    const header = new DataView(message.buffer);
    header.setUint32(0, message.length, true);
    header.setUint16(4, type, true);
    header.setUint16(6, NLM_F_REQUEST | NLM_F_ACK | flags, true);
    message.set(body, HEADER);
    write(fd, message, "netlink");
    return answers(fd, name, (flags & NLM_F_DUMP) === NLM_F_DUMP);
  } finally {
    closeFd(fd);
  }
}

function answers(fd: number, name: string, dump: boolean): Buffer[] {
  const bodies: Buffer[] = [];
  const buffer: Buffer = new Uint8Array(1 << 16), view = new DataView(buffer.buffer);
  for (;;) {
    const n = read(fd, buffer, "netlink");
    if (n === 0) return bodies;
    for (let at = 0; at + HEADER <= n;) {
      const length = Math.max(HEADER, view.getUint32(at, true)), type = view.getUint16(at + 4, true);
      if (type === NLMSG_ERROR || type === NLMSG_DONE) {
        const error = -view.getInt32(at + HEADER, true);
        if (error > 0) throw new SyscallError(name, error);
        if (!dump || type === NLMSG_DONE) return bodies;
      } else bodies.push(buffer.slice(at + HEADER, at + length));
      at += length + 3 & ~3;
    }
  }
}

/**
 * The number of a network interface in this thread's network namespace.
 *
 * @param name As `ip link` shows it; a number passes through.
 * @throws {DetraceError} There is none of that name.
 */
export function interfaceIndex(name: string | number): number {
  if (typeof name === "number") return name;
  try {
    const ifinfomsg: Buffer = new Uint8Array(16);
    const body = concat(ifinfomsg, attribute(IFLA_IFNAME, cstring(name)));
    const [answer] = netlinkRequest("netlink(RTM_GETLINK)", RTM_GETLINK, 0, body);
    return new DataView(answer!.buffer).getInt32(4, true);
  } catch (cause) {
    if (!(cause instanceof SyscallError) || cause.syscall !== "netlink(RTM_GETLINK)") throw cause;
    throw new DetraceError(`there is no network interface ${name}`, { cause });
  }
}
