/**
 * A network of the tests' own, and sockets whose descriptors are known, which Deno's are not.
 *
 * @module
 */

import { attribute, concat, interfaceIndex, netlinkRequest } from "detrace/lib/sys/netlink.ts";
import { Fd } from "detrace/lib/sys/door.ts";
import { open } from "detrace/lib/sys/file.ts";

const CLONE_NEWNET = 0x40000000, RTM_NEWLINK = 16, IFF_UP = 1;
const AF_INET = 2, AF_PACKET = 17, SOL_SOCKET = 1, SO_REUSEPORT = 15, SOL_PACKET = 263, PACKET_FANOUT = 18;
const IPPROTO_TCP = 6, TCP_CONGESTION = 13;

const { symbols: libc } = Deno.dlopen("libc.so.6", {
  unshare: { parameters: ["i32"], result: "i32" },
  setns: { parameters: ["i32", "i32"], result: "i32" },
  socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
  bind: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  listen: { parameters: ["i32", "i32"], result: "i32" },
  connect: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  accept: { parameters: ["i32", "pointer", "pointer"], result: "i32" },
  getsockname: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
  setsockopt: { parameters: ["i32", "i32", "i32", "buffer", "u32"], result: "i32" },
  send: { parameters: ["i32", "buffer", "usize", "i32"], result: "isize" },
  recv: { parameters: ["i32", "buffer", "usize", "i32"], result: "isize" },
});

/** A network interface is switched on. */
export function up(name: string): void {
  const ifinfomsg = new Uint8Array(new Uint32Array([0, interfaceIndex(name), IFF_UP, IFF_UP]).buffer);
  netlinkRequest("netlink(RTM_NEWLINK)", RTM_NEWLINK, 0, ifinfomsg);
}

/** Makes a network interface of a kind. */
export function makeInterface(name: string, kind: string): void {
  const text = (value: string) => new TextEncoder().encode(`${value}\0`);
  const [IFLA_IFNAME, IFLA_LINKINFO, IFLA_INFO_KIND, CREATE_NEW] = [3, 18, 1, 0x600];
  netlinkRequest(
    "netlink(RTM_NEWLINK)",
    RTM_NEWLINK,
    CREATE_NEW,
    concat(
      new Uint8Array(16),
      attribute(IFLA_IFNAME, text(name)),
      attribute(IFLA_LINKINFO, attribute(IFLA_INFO_KIND, text(kind))),
    ),
  );
}

/** A network interface gets the queueing discipline "clsact", as `tc qdisc add dev NAME clsact` gives it. */
export function addClsact(name: string): void {
  const [RTM_NEWQDISC, CREATE_NEW, TCA_KIND, CLSACT, HANDLE] = [36, 0x600, 1, 0xfffffff1, 0xffff0000];
  const tcmsg = new Uint8Array(Uint32Array.of(0, interfaceIndex(name), HANDLE, CLSACT, 0).buffer);
  const body = concat(tcmsg, attribute(TCA_KIND, new TextEncoder().encode("clsact\0")));
  netlinkRequest("netlink(RTM_NEWQDISC)", RTM_NEWQDISC, CREATE_NEW, body);
}

/** A network interface gets an address of IPv4, in a network of 256. */
function addAddress(name: string, address: readonly number[]): void {
  const [RTM_NEWADDR, IFA_LOCAL, CREATE_NEW] = [20, 2, 0x600];
  const ifaddrmsg = new Uint8Array(8);
  ifaddrmsg.set([AF_INET, 24]);
  new DataView(ifaddrmsg.buffer).setUint32(4, interfaceIndex(name), true);
  const body = concat(ifaddrmsg, attribute(IFA_LOCAL, new Uint8Array(address)));
  netlinkRequest("netlink(RTM_NEWADDR)", RTM_NEWADDR, CREATE_NEW, body);
}

/** The network namespace of this thread, which need not be that of the process. */
export const NAMESPACE = "/proc/thread-self/ns/net";

/**
 * Moves this thread into a network namespace of its own, with nothing but a loopback interface: what is left there
 * attached goes with it. Nobody else's traffic passes.
 */
export async function inOwnNetwork<T>(use: () => T | Promise<T>): Promise<T> {
  using before = new Fd(open(NAMESPACE));
  if (libc.unshare(CLONE_NEWNET) !== 0) throw new Error("unshare failed");
  try {
    up("lo");
    return await use();
  } finally {
    libc.setns(before.fd, CLONE_NEWNET);
  }
}

/** `struct sockaddr_in`, of 127.0.0.1 if no other address is given. */
function sockaddr(port: number, address: readonly number[] = [127, 0, 0, 1]): Uint8Array<ArrayBuffer> {
  return new Uint8Array([AF_INET, 0, port >> 8, port & 255, ...address, ...new Array(8).fill(0)]);
}

/** A socket of TCP or UDP over IPv4. */
export class Socket extends Fd {
  /** Takes a descriptor over. */
  constructor(fd: number) {
    if (fd < 0) throw new Error("no socket");
    super(fd);
  }

  /** Makes one that is bound to a port of 127.0.0.1, to any if none is given; several may share it if all say so. */
  static bound(type: "tcp" | "udp", port = 0, shared = false): Socket {
    const socket = new Socket(libc.socket(AF_INET, type === "tcp" ? 1 : 2, 0));
    if (shared) libc.setsockopt(socket.fd, SOL_SOCKET, SO_REUSEPORT, new Uint8Array([1, 0, 0, 0]), 4);
    if (libc.bind(socket.fd, sockaddr(port), 16) !== 0) throw new Error("bind failed");
    if (type === "tcp" && libc.listen(socket.fd, 5) !== 0) throw new Error("listen failed");
    return socket;
  }

  /** Makes one that is connected to a port, of 127.0.0.1 if no address is given. @throws If nobody listens. */
  static connected(type: "tcp" | "udp", port: number, address?: readonly number[]): Socket {
    const socket = new Socket(libc.socket(AF_INET, type === "tcp" ? 1 : 2, 0));
    if (libc.connect(socket.fd, sockaddr(port, address), 16) === 0) return socket;
    socket.close();
    throw new Error("connection refused");
  }

  /** Makes one that gets a copy of all packets, by way of a choice among one socket that takes each packet apart. */
  static tap(): Socket {
    const SOCK_DGRAM = 2, ETH_P_ALL = 0x0300; // in network byte order
    const socket = new Socket(libc.socket(AF_PACKET, SOCK_DGRAM, ETH_P_ALL));
    if (libc.setsockopt(socket.fd, SOL_PACKET, PACKET_FANOUT, new Uint8Array(4), 4) !== 0) {
      throw new Error("no fanout");
    }
    return socket;
  }

  /** Chooses who controls its congestion. */
  controlledBy(name: string): this {
    const bytes = new TextEncoder().encode(name);
    if (libc.setsockopt(this.fd, IPPROTO_TCP, TCP_CONGESTION, bytes, bytes.length) === 0) return this;
    throw new Error(`no congestion control ${name}`);
  }

  /** The next connection. */
  accept(): Socket {
    return new Socket(libc.accept(this.fd, null, null));
  }

  /** The port that it is bound to. */
  get port(): number {
    const address = new Uint8Array(16);
    libc.getsockname(this.fd, address, new Uint8Array([16, 0, 0, 0]));
    return address[2]! << 8 | address[3]!;
  }

  /** Sends bytes; says whether the kernel took them. */
  send(text: string): boolean {
    const bytes = new TextEncoder().encode(text);
    return Number(libc.send(this.fd, bytes, BigInt(bytes.length), 0x4000)) === bytes.length; // MSG_NOSIGNAL
  }

  /** What has come; undefined if nothing has. */
  received(): string | undefined {
    const bytes = new Uint8Array(1000);
    const n = Number(libc.recv(this.fd, bytes, 1000n, 0x40)); // MSG_DONTWAIT
    return n < 0 ? undefined : new TextDecoder().decode(bytes.subarray(0, n));
  }

  /** Waits until something has come. */
  async receive(): Promise<string> {
    for (const end = Date.now() + 20_000; Date.now() < end;) {
      const text = this.received();
      if (text !== undefined) return text;
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    throw new Error("nothing has come");
  }
}

/** The pair of netkit devices `primary0` and `nk0` is switched on. @returns A socket whose packets go through it. */
export function upNetkit(): Socket {
  up("primary0");
  up("nk0"); // the other end: the kernel's name for it
  addAddress("primary0", [10, 77, 0, 1]);
  return Socket.connected("udp", 9, [10, 77, 0, 2]);
}

/** A few packets of TCP over the loopback interface. `control`: of congestion, if not the usual one. */
export async function talk(control?: string): Promise<void> {
  using listener = Socket.bound("tcp");
  using client = Socket.connected("tcp", listener.port);
  if (control !== undefined) client.controlledBy(control);
  using server = listener.accept();
  client.send("hello");
  await server.receive();
}
