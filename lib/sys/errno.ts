/**
 * Error numbers of Linux by name, and the error that every failed system call becomes.
 *
 * @module
 */

import { DetraceError } from "../error.ts";

// include/uapi/asm-generic/errno-base.h and errno.h: the same numbers on x86-64 and arm64. Only what the interfaces
// used here can return has a text; the rest is known by name.
const NAMES =
  ("0 EPERM ENOENT ESRCH EINTR EIO ENXIO E2BIG ENOEXEC EBADF ECHILD EAGAIN ENOMEM EACCES EFAULT ENOTBLK " +
    "EBUSY EEXIST EXDEV ENODEV ENOTDIR EISDIR EINVAL ENFILE EMFILE ENOTTY ETXTBSY EFBIG ENOSPC ESPIPE EROFS EMLINK EPIPE " +
    "EDOM ERANGE EDEADLK ENAMETOOLONG ENOLCK ENOSYS ENOTEMPTY ELOOP").split(" ");
const MORE: Record<number, string> = {
  61: "ENODATA",
  75: "EOVERFLOW",
  84: "EILSEQ",
  92: "ENOPROTOOPT",
  95: "EOPNOTSUPP",
  99: "EADDRNOTAVAIL",
  105: "ENOBUFS",
  110: "ETIMEDOUT",
  116: "ESTALE",
  524: "ENOTSUPP",
};
const TEXTS: Record<string, string> = {
  EPERM: "operation not permitted",
  ENOENT: "no such file or entry",
  ESRCH: "no such process",
  E2BIG: "too large",
  EBADF: "bad file descriptor",
  EAGAIN: "try again",
  ENOMEM: "out of memory",
  EACCES: "permission denied",
  EFAULT: "bad address",
  EBUSY: "busy",
  EEXIST: "exists already",
  ENODEV: "no such device",
  ENOTDIR: "not a directory",
  EISDIR: "is a directory",
  EINVAL: "invalid argument",
  EMFILE: "too many open files (raise ulimit -n)",
  ENFILE: "too many open files in the system",
  ENOSPC: "no space left",
  ENOSYS: "not known to this kernel",
  ELOOP: "too many levels of links",
  EOPNOTSUPP: "not supported",
  ENOTSUPP: "not supported",
};

/**
 * The symbolic name of an error number.
 *
 * @param errno A positive error number.
 * @returns Its name, or `E<number>` for one that is not in the list.
 *
 * @example
 * ```ts
 * import { errnoName } from "detrace/lib/sys/errno.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(errnoName(2), "ENOENT");
 * ```
 */
export function errnoName(errno: number): string {
  return (errno > 0 ? NAMES[errno] : undefined) ?? MORE[errno] ?? `E${errno}`;
}

/** A system call that failed: which one, on what, and the kernel's error number. */
export class SyscallError extends DetraceError {
  /** Always `SyscallError`. */
  override readonly name: string = "SyscallError";
  /** The call's name, for bpf(2) with its command: `bpf(BPF_MAP_CREATE)`. */
  readonly syscall: string;
  /** The error number, positive. */
  readonly errno: number;
  /** The error number's name, `ENOENT`. */
  readonly code: string;

  /**
   * Words the failure.
   *
   * @param syscall The call's name.
   * @param errno The positive error number.
   * @param subject What the call was about, a path for example.
   */
  constructor(syscall: string, errno: number, subject?: string) {
    const code = errnoName(errno);
    const text = TEXTS[code];
    super(`${syscall}${subject ? ` ${subject}` : ""}: ${text ? `${text} (${code})` : code}`);
    this.syscall = syscall;
    this.errno = errno;
    this.code = code;
  }
}
