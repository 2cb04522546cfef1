/**
 * Files read through libc, so that a tool needs no permission for them: procfs, sysfs, tracefs, ELF files.
 *
 * @module
 */

import {
  ARCH,
  type Buffer,
  check,
  closeFd,
  cstring,
  errno,
  extra,
  libc,
  map,
  type Mapping,
  NR,
} from "./door.ts";
import { SyscallError } from "./errno.ts";

const AT_FDCWD = -100;
const O_CLOEXEC = 0o2000000;
const O_DIRECTORY = ARCH === "x86" ? 0o200000 : 0o40000; // of those used here, the one that differs

const decoder = new TextDecoder();

/** `open` flag: read only. */
export const O_RDONLY = 0;
/** `open` flag: write only. */
export const O_WRONLY = 1;
/** `open` flag: read and write. */
export const O_RDWR = 2;
/** `open` flag: make the file. */
export const O_CREAT = 0o100;
/** `open` flag: empty the file. */
export const O_TRUNC = 0o1000;
/** `open` flag: append to the file. */
export const O_APPEND = 0o2000;
/** `open` flag: do not wait. */
export const O_NONBLOCK = 0o4000;

/**
 * openat(2), close-on-exec.
 *
 * @param path Absolute, or relative to the working directory.
 * @param flags `O_RDONLY` unless told.
 * @param mode Permission bits of a file that is made.
 * @returns A file descriptor, owned by the caller.
 * @throws {SyscallError}
 */
export function open(path: string, flags: number = O_RDONLY, mode = 0o644): number {
  return check(libc().call(NR.openat, AT_FDCWD, cstring(path), flags | O_CLOEXEC, mode, null), "open", path);
}

/**
 * read(2), begun again after a signal.
 *
 * @param fd An open file descriptor.
 * @param into Where the bytes go; its length is the most that is read.
 * @param what What is read, for the error.
 * @returns Bytes read, 0 at the end.
 * @throws {SyscallError}
 */
export function read(fd: number, into: Buffer, what?: string): number {
  for (;;) {
    const n = libc().call(NR.read, fd, into, into.length, 0, null);
    if (n >= 0) return n;
    if (errno() !== 4) throw new SyscallError("read", errno(), what);
  }
}

/**
 * write(2) of all bytes.
 *
 * @throws {SyscallError}
 */
export function write(fd: number, bytes: Buffer, what?: string): void {
  for (let done = 0; done < bytes.length;) {
    const n = libc().call(NR.write, fd, bytes.subarray(done), bytes.length - done, 0, null);
    if (n < 0 && errno() !== 4) throw new SyscallError("write", errno(), what);
    if (n > 0) done += n;
  }
}

/**
 * A whole file. Its size is not believed: files of procfs and sysfs do not know theirs.
 *
 * @param path The file.
 * @param limit The most bytes to take, default 2 GiB - 4 KiB.
 * @throws {SyscallError} If it cannot be opened or read, `EFBIG` above the limit.
 *
 * @example
 * ```ts
 * import { readFile } from "detrace/lib/sys/file.ts";
 * import { assert } from "@std/assert";
 *
 * assert(readFile("/proc/self/stat").length > 10);
 * ```
 */
export function readFile(path: string, limit = 0x7ffff000): Buffer {
  const fd = open(path);
  try {
    let bytes: Buffer = new Uint8Array(Math.min(limit, Math.max(4096, statFd(fd, path).size + 1)));
    for (let length = 0;;) {
      const n = read(fd, bytes.subarray(length), path);
      length += n;
      if (n === 0) return bytes.subarray(0, length);
      if (length < bytes.length) continue;
      if (length >= limit) throw new SyscallError("read", 27, path);
      const more: Buffer = new Uint8Array(Math.min(limit, length * 2));
      more.set(bytes);
      bytes = more;
    }
  } finally {
    closeFd(fd);
  }
}

/** A whole file as text. Errors as {@link readFile}'s. */
export function readText(path: string): string {
  return decoder.decode(readFile(path));
}

/**
 * A whole file mapped into memory, read only. Do not map what an untrusted user may cut short while it is mapped: touching
 * pages that are gone ends the process.
 *
 * @throws {SyscallError} Files of sysfs can be mapped only where the kernel says so (kernel BTF from 6.16 on).
 */
export function mapFile(path: string): Mapping {
  const fd = open(path);
  try {
    return map(fd, statFd(fd, path).size, { what: path });
  } finally {
    closeFd(fd);
  }
}

let pread: ((fd: number, into: Buffer, length: bigint, offset: bigint) => bigint) | undefined;

/**
 * Part of a file, of `/proc/PID/mem` for example.
 *
 * @param path The file.
 * @param offset Bytes from its start; up to 2^64 - 1.
 * @param length The most bytes to read; fewer come back at the end of the file.
 * @throws {SyscallError}
 */
export function readAt(path: string, offset: bigint, length: number): Buffer {
  const fd = open(path);
  try {
    return readFdAt(fd, offset, length, path);
  } finally {
    closeFd(fd);
  }
}

/** The same as {@link readAt} from a file that is open. */
export function readFdAt(fd: number, offset: bigint, length: number, what?: string): Buffer {
  pread ??= extra({ pread: { parameters: ["i32", "buffer", "usize", "i64"], result: "isize" } }).pread;
  const bytes: Buffer = new Uint8Array(length);
  let done = 0;
  while (done < length) {
    const n = Number(
      pread(fd, bytes.subarray(done), BigInt(length - done), BigInt.asIntN(64, offset + BigInt(done))),
    );
    if (n === 0) break;
    if (n > 0) done += n;
    else if (errno() !== 4) throw new SyscallError("pread", errno(), what);
  }
  return bytes.subarray(0, done);
}

/** What statx(2) says of a file. */
export interface Stat {
  /** Device number, as `major * 2^32 + minor`. */
  readonly dev: number;
  /** Inode number. */
  readonly ino: bigint;
  /** Size in bytes. */
  readonly size: number;
  /** Type and permission bits. */
  readonly mode: number;
  /** Last change of the content, ns since 1970. */
  readonly mtime: bigint;
}

function statx(dirfd: number, path: string, what: string): Stat | undefined {
  const buffer: Buffer = new Uint8Array(256); // struct statx, include/uapi/linux/stat.h
  // AT_EMPTY_PATH 0x1000 where the path is empty; STATX_BASIC_STATS 0x7ff
  const result = libc().call(NR.statx, dirfd, cstring(path), path === "" ? 0x1000 : 0, 0x7ff, buffer);
  if (result < 0) {
    if (what === "" && (errno() === 2 || errno() === 20)) return undefined;
    throw new SyscallError("stat", errno(), what || path);
  }
  const view = new DataView(buffer.buffer);
  return {
    dev: view.getUint32(136, true) * 2 ** 32 + view.getUint32(140, true),
    ino: view.getBigUint64(32, true),
    size: Number(view.getBigUint64(40, true)),
    mode: view.getUint16(28, true),
    mtime: view.getBigInt64(112, true) * 1000000000n + BigInt(view.getUint32(120, true)),
  };
}

/** What statx(2) says of a path, links followed. */
export function stat(path: string): Stat {
  return statx(AT_FDCWD, path, path)!;
}

/** What statx(2) says of an open file. */
export function statFd(fd: number, what: string): Stat {
  return statx(fd, "", what || "file descriptor")!;
}

/**
 * Whether a path leads to something.
 *
 * @throws {SyscallError} If that cannot be known, for want of a permission for example.
 */
export function exists(path: string): boolean {
  return statx(AT_FDCWD, path, "") !== undefined;
}

let readlink: ((path: Buffer, into: Buffer, length: bigint) => bigint) | undefined;

/**
 * Where a symbolic link leads.
 *
 * @throws {SyscallError}
 */
export function readLink(path: string): string {
  readlink ??= extra({ readlink: { parameters: ["buffer", "buffer", "usize"], result: "isize" } }).readlink;
  const bytes: Buffer = new Uint8Array(4096);
  const n = check(Number(readlink(cstring(path), bytes, 4096n)), "readlink", path);
  return decoder.decode(bytes.subarray(0, n));
}

/**
 * The names in a directory, without `.` and `..`, in no order.
 *
 * @throws {SyscallError}
 */
export function readDir(path: string): string[] {
  const fd = open(path, O_RDONLY | O_DIRECTORY);
  try {
    const names: string[] = [];
    const bytes: Buffer = new Uint8Array(32768);
    const view = new DataView(bytes.buffer);
    for (;;) {
      const n = check(libc().call(NR.getdents64, fd, bytes, bytes.length, 0, null), "getdents64", path);
      if (n === 0) return names;
      // struct linux_dirent64: u64 inode, s64 offset, u16 record length, u8 type, name
      for (let at = 0; at < n; at += view.getUint16(at + 16, true)) {
        const name = decoder.decode(bytes.subarray(at + 19, bytes.indexOf(0, at + 19)));
        if (name !== "." && name !== "..") names.push(name);
      }
    }
  } finally {
    closeFd(fd);
  }
}

/** Removes a name; with `directory`, an empty directory. @throws {SyscallError} */
export function unlink(path: string, directory = false): void {
  const flags = directory ? 0x200 : 0; // AT_REMOVEDIR
  check(libc().call(NR.unlinkat, AT_FDCWD, cstring(path), flags, 0, null), "unlinkat", path);
}

/** Makes a directory. @throws {SyscallError} With code EEXIST if the name is taken. */
export function mkdir(path: string, mode = 0o700): void {
  check(libc().call(NR.mkdirat, AT_FDCWD, cstring(path), mode, 0, null), "mkdirat", path);
}
