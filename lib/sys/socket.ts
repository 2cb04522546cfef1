/**
 * Options of sockets that attach programs (include/uapi/asm-generic/socket.h).
 *
 * @module
 */

import { type Buffer, check, extra } from "./door.ts";

const SOL_SOCKET = 1;
/** A filter for what the socket gets: a program's descriptor. */
export const SO_ATTACH_BPF = 50;
/** Takes the filter away. */
export const SO_DETACH_BPF = 27;
/** A choice among sockets of one port: a program's descriptor. */
export const SO_ATTACH_REUSEPORT_EBPF = 52;
/** Takes the choice away (5.3). */
export const SO_DETACH_REUSEPORT_BPF = 68;

let setsockopt:
  | ((fd: number, level: number, option: number, value: Buffer, length: number) => number)
  | undefined;

/**
 * setsockopt(2) at the level of sockets.
 *
 * @param fd The socket.
 * @param option SO_*.
 * @param value An integer.
 * @throws {SyscallError}
 */
export function setSocketOption(fd: number, option: number, value: number): void {
  setsockopt ??=
    extra({ setsockopt: { parameters: ["i32", "i32", "i32", "buffer", "u32"], result: "i32" } }).setsockopt;
  const bytes: Buffer = new Uint8Array(new Int32Array([value]).buffer);
  check(setsockopt(fd, SOL_SOCKET, option, bytes, 4), "setsockopt");
}
