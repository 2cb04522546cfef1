/**
 * Programs of single sockets, and of the maps that hold sockets.
 *
 * Most have no links: closing what comes back takes the program away, and so does the end of the socket or the map.
 *
 * @module
 */

import { linkCreate, progAttach, progDetach } from "../sys/bpf.ts";
import { SyscallError } from "../sys/errno.ts";
import {
  setSocketOption,
  SO_ATTACH_BPF,
  SO_ATTACH_REUSEPORT_EBPF,
  SO_DETACH_BPF,
  SO_DETACH_REUSEPORT_BPF,
} from "../sys/socket.ts";
import { type HasFd, Link } from "./link.ts";

/** What a program of a map of sockets does. */
export type SocketMapKind = "stream_parser" | "stream_verdict" | "message_verdict" | "verdict";

const ATTACH_TYPES: Readonly<Record<SocketMapKind, number>> = {
  stream_parser: 4,
  stream_verdict: 5,
  message_verdict: 7,
  verdict: 38,
};

/**
 * Lets a program decide how many bytes of each packet a socket gets: 0 for none (Linux 3.19).
 *
 * @param program A BPF_PROG_TYPE_SOCKET_FILTER program.
 * @param socket The socket's descriptor; it must be open when the link is closed.
 * @throws {SyscallError}
 */
export function attachSocketFilter(program: HasFd, socket: number): Link {
  setSocketOption(socket, SO_ATTACH_BPF, program.fd);
  const cleanup = () => setSocketOption(socket, SO_DETACH_BPF, 0);
  return new Link("call", [], { cleanup, through: "setsockopt" });
}

/**
 * Lets a program choose among the sockets that listen on one port with SO_REUSEPORT (Linux 4.19).
 *
 * @param program A BPF_PROG_TYPE_SK_REUSEPORT or BPF_PROG_TYPE_SOCKET_FILTER program.
 * @param socket One of the sockets; it must be open when the link is closed (5.3 and later: before, it stays).
 * @throws {SyscallError}
 */
export function attachReuseport(program: HasFd, socket: number): Link {
  setSocketOption(socket, SO_ATTACH_REUSEPORT_EBPF, program.fd);
  const cleanup = () => setSocketOption(socket, SO_DETACH_REUSEPORT_BPF, 0);
  return new Link("call", [], { cleanup, through: "setsockopt" });
}

/**
 * Attaches a program to all sockets in a map: `message_verdict` (SK_MSG, Linux 4.17) sees what they send, the others
 * (SK_SKB) what they get: `stream_parser` and `stream_verdict` (4.14), `verdict` alone (5.13).
 *
 * @param program A BPF_PROG_TYPE_SK_MSG or BPF_PROG_TYPE_SK_SKB program.
 * @param map A map of type BPF_MAP_TYPE_SOCKMAP or BPF_MAP_TYPE_SOCKHASH. Before Linux 6.10, which brought a link, the map
 * and the program must be open when what comes back is closed.
 * @param kind What the program does.
 * @throws {SyscallError}
 */
export function attachSocketMap(program: HasFd, map: HasFd, kind: SocketMapKind): Link {
  const progFd = program.fd, targetFd = map.fd, attachType = ATTACH_TYPES[kind];
  try {
    return new Link("link", [linkCreate({ progFd, targetFd, attachType })]);
  } catch (error) {
    if (!(error instanceof SyscallError) || error.code !== "EINVAL") throw error;
  }
  progAttach(progFd, targetFd, attachType);
  const cleanup = () => progDetach(progFd, targetFd, attachType);
  return new Link("call", [], { cleanup, through: "attach" });
}
