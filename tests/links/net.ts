/**
 * A network of the tests' own, and sockets whose descriptors are known, which Deno's are not.
 *
 * @module
 */

import { attribute, concat, interfaceIndex, netlinkRequest } from "detrace/lib/sys/netlink.ts";
import { Fd } from "detrace/lib/sys/door.ts";
import { open } from "detrace/lib/sys/file.ts";

const CLONE_NEWNET = 0x40000000, RTM_NEWLINK = 16, IFF_UP = 1;
const AF_INET = 2, SOL_SOCKET = 1, SO_REUSEPORT = 15;

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

/** A network interface gets an address of IPv4, in a network of 256. */
export function addAddress(name: string, address: readonly number[]): void {
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
export async function inOwnNetwork(use: () => void | Promise<void>): Promise<void> {
  using before = new Fd(open(NAMESPACE));
  if (libc.unshare(CLONE_NEWNET) !== 0) throw new Error("unshare failed");
  try {
    up("lo");
    await use();
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

/** A few packets of TCP over the loopback interface. */
export async function talk(): Promise<void> {
  using listener = Socket.bound("tcp");
  using client = Socket.connected("tcp", listener.port);
  using server = listener.accept();
  client.send("hello");
  await server.receive();
}
