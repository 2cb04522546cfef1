/**
 * The door: the only file that opens libc. Everything that detrace asks of the kernel goes through these few bindings.
 *
 * libc's `syscall()` is bound once for each shape of arguments, because a binding costs 0.1 to 0.3 ms and a call with
 * 32-bit numbers and buffers a few nanoseconds. Nothing is opened before the first call, so `--help` needs no permission.
 *
 * @module
 */

import { DetraceError } from "../error.ts";
import { SyscallError } from "./errno.ts";

// Deno compiles a stub for each binding, 0.6 ms each, which makes a call cost 10 ns instead of 500. Most programs make few
// calls; a parameter of a struct type, which stubs cannot pass, keeps Deno from compiling them. It is passed behind the
// others and nobody looks at it.
const UNUSED = { struct: ["u8"] } as const;
const NOTHING = new Uint8Array(1);
/** After how many calls a stub pays. */
const MANY = 1000;

/** What is bound at the first call. */
const SYMBOLS = {
  // long syscall(long number, int, void *, unsigned, unsigned, void *): bpf, openat, read, write, statx, getdents64, ...
  call: {
    name: "syscall",
    parameters: ["i32", "i32", "buffer", "u32", "u32", "buffer", UNUSED],
    result: "i32",
  },
  // long syscall(long number, int, int, int, void *): close, ioctl, epoll_create1, epoll_ctl, eventfd2, ...
  control: { name: "syscall", parameters: ["i32", "i32", "i32", "i32", "buffer", UNUSED], result: "i32" },
  // long syscall(long number, void *, int, int, int, unsigned long): perf_event_open, uname
  front: {
    name: "syscall",
    parameters: ["i32", "buffer", "i32", "i32", "i32", "u32", UNUSED],
    result: "i32",
  },
  // void *mmap(void *address, size_t length, int prot, int flags, int fd, off_t offset)
  mmap: { parameters: ["usize", "usize", "i32", "i32", "i32", "i64", UNUSED], result: "pointer" },
  // int munmap(void *address, size_t length)
  munmap: { parameters: ["pointer", "usize", UNUSED], result: "i32" },
  // int *__errno_location(void)
  errno: { name: "__errno_location", parameters: [UNUSED], result: "pointer" },
} as const;

/** `call` with a stub. */
const FAST = {
  call: { name: "syscall", parameters: ["i32", "i32", "buffer", "u32", "u32", "buffer"], result: "i32" },
} as const;

/** What waits, on threads of its own; bound at the first wait. */
const WAITS = {
  // int epoll_wait(int epfd, struct epoll_event *events, int maxevents, int timeout), on a thread of its own
  wait: { name: "epoll_wait", parameters: ["i32", "buffer", "i32", "i32"], result: "i32", nonblocking: true },
  // int usleep(useconds_t), on a thread of its own
  sleep: { name: "usleep", parameters: ["u32"], result: "i32", nonblocking: true },
} as const;

/** libc, as far as it is bound for every tool. Numbers are 32 bits wide unless they are `bigint`. */
export interface Libc {
  /** syscall(2) with a number, an integer, a buffer, two unsigned integers and a buffer. */
  call: (
    nr: number,
    a: number,
    buffer: Buffer | null,
    b: number,
    c: number,
    more: Buffer | null,
  ) => number;
  /** syscall(2) with a number, three integers and a buffer. */
  readonly control: (nr: number, a: number, b: number, c: number, buffer: Buffer | null) => number;
  /** syscall(2) with a number, a buffer, three integers and an unsigned one. */
  readonly front: (nr: number, buffer: Buffer, a: number, b: number, c: number, d: number) => number;
  /** mmap(2). */
  readonly mmap: (
    address: bigint,
    length: bigint,
    prot: number,
    flags: number,
    fd: number,
    offset: bigint,
  ) => Deno.PointerValue;
  /** munmap(2). */
  readonly munmap: (address: Deno.PointerObject, length: bigint) => number;
}

/** Calls that take their time, made on threads of their own. */
export interface Waits {
  /** epoll_wait(2). */
  readonly wait: (epoll: number, events: Buffer, most: number, timeout: number) => Promise<number>;
  /** usleep(3): µs. */
  readonly sleep: (us: number) => Promise<number>;
}

/** A buffer that a system call reads or writes. */
export type Buffer = Uint8Array<ArrayBuffer>;

/** The system calls that are made by number. */
export type SyscallName =
  | "read"
  | "write"
  | "close"
  | "pread64"
  | "ioctl"
  | "fcntl"
  | "ftruncate"
  | "uname"
  | "geteuid"
  | "sched_setaffinity"
  | "sched_getaffinity"
  | "gettid"
  | "clock_gettime"
  | "getdents64"
  | "socket"
  | "epoll_ctl"
  | "openat"
  | "mkdirat"
  | "unlinkat"
  | "readlinkat"
  | "eventfd2"
  | "epoll_create1"
  | "perf_event_open"
  | "prlimit64"
  | "bpf"
  | "statx";

// Numbers of x86-64 (arch/x86/entry/syscalls/syscall_64.tbl) and arm64 (include/uapi/asm-generic/unistd.h).
const X86_64: Record<SyscallName, number> = {
  read: 0,
  write: 1,
  close: 3,
  pread64: 17,
  ioctl: 16,
  fcntl: 72,
  ftruncate: 77,
  uname: 63,
  geteuid: 107,
  sched_setaffinity: 203,
  sched_getaffinity: 204,
  gettid: 186,
  clock_gettime: 228,
  getdents64: 217,
  socket: 41,
  epoll_ctl: 233,
  openat: 257,
  mkdirat: 258,
  unlinkat: 263,
  readlinkat: 267,
  eventfd2: 290,
  epoll_create1: 291,
  perf_event_open: 298,
  prlimit64: 302,
  bpf: 321,
  statx: 332,
};
const ARM64: Record<SyscallName, number> = {
  read: 63,
  write: 64,
  close: 57,
  pread64: 67,
  ioctl: 29,
  fcntl: 25,
  ftruncate: 46,
  uname: 160,
  geteuid: 175,
  sched_setaffinity: 122,
  sched_getaffinity: 123,
  gettid: 178,
  clock_gettime: 113,
  getdents64: 61,
  socket: 198,
  epoll_ctl: 21,
  openat: 56,
  mkdirat: 34,
  unlinkat: 35,
  readlinkat: 78,
  eventfd2: 19,
  epoll_create1: 20,
  perf_event_open: 241,
  prlimit64: 261,
  bpf: 280,
  statx: 291,
};

/** The processor architecture that this process runs on, as the kernel's source calls it. */
export const ARCH: "x86" | "arm64" = Deno.build.arch === "x86_64" ? "x86" : "arm64";

/** System call numbers of this architecture. */
export const NR: Readonly<Record<SyscallName, number>> = ARCH === "x86" ? X86_64 : ARM64;

let library: Libc | undefined;
let errnoView: Int32Array;

/**
 * libc's bindings, opened at the first call. errno is read with {@link errno} on the line after a call.
 *
 * @throws {DetraceError} Without `--allow-ffi`, or where the C library is not glibc.
 */
export function libc(): Libc {
  return library ??= openLibc();
}

function openLibc(): Libc {
  try {
    const { symbols } = Deno.dlopen("libc.so.6", SYMBOLS);
    let calls = 0;
    errnoView = new Int32Array(Deno.UnsafePointerView.getArrayBuffer(symbols.errno(NOTHING)!, 4));
    return {
      call: (nr, a, buffer, b, c, more) => {
        if (++calls === MANY) libc().call = extra(FAST).call;
        return symbols.call(nr, a, buffer, b, c, more, NOTHING);
      },
      control: (nr, a, b, c, buffer) => symbols.control(nr, a, b, c, buffer, NOTHING),
      front: (nr, buffer, a, b, c, d) => symbols.front(nr, buffer, a, b, c, d, NOTHING),
      mmap: (address, length, prot, flags, fd, offset) =>
        symbols.mmap(address, length, prot, flags, fd, offset, NOTHING),
      munmap: (address, length) => symbols.munmap(address, length, NOTHING),
    };
  } catch (cause) {
    if (cause instanceof Deno.errors.NotCapable) {
      throw new DetraceError("Deno may not call the kernel", { cause, hint: "run it with --allow-ffi" });
    }
    throw new DetraceError("cannot open the C library libc.so.6", {
      cause,
      hint: "detrace needs Linux with glibc",
    });
  }
}

let waiting: Waits | undefined;

/** The calls that wait. @throws {DetraceError} As {@link libc}. */
export function waits(): Waits {
  return waiting ??= extra(WAITS);
}

/** The error number of the last call of this thread. */
export function errno(): number {
  return errnoView[0]!;
}

/**
 * Passes a call's result on, or throws what went wrong.
 *
 * @param result What the call returned; below zero is a failure.
 * @param syscall The call's name for the error.
 * @param subject What the call was about, for the error.
 * @throws {SyscallError}
 */
export function check(result: number, syscall: string, subject?: string): number {
  if (result < 0) throw new SyscallError(syscall, errnoView[0]!, subject);
  return result;
}

let held: ArrayBufferView[] = [];

/**
 * The address of a buffer, to be written into another buffer (`bpf_attr.insns`). V8 does not see that reference, so the
 * buffer is held until {@link release}.
 *
 * @param bytes Off-heap memory after this call: its address stays.
 */
export function address(bytes: ArrayBufferView<ArrayBuffer>): bigint {
  void bytes.buffer; // a small typed array lives in V8's moving heap until its buffer is asked for
  held.push(bytes);
  return Deno.UnsafePointer.value(Deno.UnsafePointer.of(bytes));
}

/** Lets go of the buffers whose addresses were taken, after the call that used them. */
export function release(): void {
  held = [];
}

const encoder = new TextEncoder();

/** A string as C has it: UTF-8 with a NUL at its end. */
export function cstring(text: string): Buffer {
  return encoder.encode(text + "\0");
}

/** Pages of a file or of kernel memory in this process. */
export class Mapping {
  /** The pages. After {@link close} this and every other view of them has length 0. */
  readonly bytes: Buffer;
  readonly #pointer: Deno.PointerObject;
  readonly #length: number;
  #open = true;

  /** Internal: made by {@link map}. */
  constructor(pointer: Deno.PointerObject, length: number, size: number) {
    this.#pointer = pointer;
    this.#length = length;
    this.bytes = new Uint8Array(Deno.UnsafePointerView.getArrayBuffer(pointer, size));
  }

  /** Unmaps the pages. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.bytes.buffer.transfer(0); // detaches all views, which else could still reach memory that is gone
    libc().munmap(this.#pointer, BigInt(this.#length));
  }

  /** The same as {@link close}. */
  [Symbol.dispose](): void {
    this.close();
  }
}

/** `mmap` protection: pages may be read. */
export const PROT_READ = 1;
/** `mmap` protection: pages may be written. */
export const PROT_WRITE = 2;

/**
 * mmap(2) of a file descriptor.
 *
 * @param fd What to map.
 * @param size Bytes from the offset on; pages are mapped whole.
 * @param options `prot` (default read only), `shared` (default false), `offset` in bytes, `address` where the pages must
 * lie (default anywhere), `what` for the error.
 * @throws {SyscallError} With code EEXIST if something lies at the address already.
 */
export function map(
  fd: number,
  size: number,
  options: { prot?: number; shared?: boolean; offset?: number; address?: bigint; what?: string } = {},
): Mapping {
  const { prot = PROT_READ, shared = false, offset = 0, address = 0n } = options;
  const flags = (shared ? 1 : 2) | (address ? 0x100000 : 0); // MAP_SHARED, MAP_PRIVATE, MAP_FIXED_NOREPLACE
  const pointer = libc().mmap(address, BigInt(size), prot, flags, fd, BigInt(offset));
  // MAP_FAILED is the address -1.
  if (pointer === null || Deno.UnsafePointer.value(pointer) === 0xffffffffffffffffn) {
    throw new SyscallError("mmap", errno(), options.what);
  }
  return new Mapping(pointer, size, size);
}

/** Another descriptor of the same open file, close-on-exec. @throws {SyscallError} */
export function duplicateFd(fd: number): number {
  return check(libc().control(NR.fcntl, fd, 1030, 0, null), "fcntl"); // F_DUPFD_CLOEXEC
}

/** Closes a file descriptor; one that is closed already is no error. */
export function closeFd(fd: number): void {
  libc().control(NR.close, fd, 0, 0, null);
}

/** A file descriptor that its owner closes, or the end of a `using` scope. */
export class Fd {
  #fd: number;

  /** Takes over an open file descriptor. */
  constructor(fd: number) {
    this.#fd = fd;
  }

  /** The descriptor's number, -1 once it is closed. */
  get fd(): number {
    return this.#fd;
  }

  /** Closes it. */
  close(): void {
    if (this.#fd >= 0) closeFd(this.#fd);
    this.#fd = -1;
  }

  /** The same as {@link close}. */
  [Symbol.dispose](): void {
    this.close();
  }
}

/**
 * Bindings for calls that are needed seldom, opened when they are.
 *
 * @param symbols As for `Deno.dlopen`.
 */
export function extra<const S extends Deno.ForeignLibraryInterface>(
  symbols: S,
): Deno.DynamicLibrary<S>["symbols"] {
  libc();
  return Deno.dlopen("libc.so.6", symbols).symbols;
}
