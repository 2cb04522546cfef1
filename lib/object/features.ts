/**
 * What the running kernel can do, found out by asking it: versions do not tell, because distributions carry features back.
 *
 * Needs the rights to use BPF. Nothing is left in the kernel.
 *
 * @module
 */

import { DetraceError } from "../error.ts";
import { canAttachFentry } from "../links/tracing.ts";
import {
  btfLoad,
  linkCreate,
  mapCreate,
  mapUpdateBatch,
  objGetInfo,
  progLoad,
  type ProgLoadAttr,
} from "../sys/bpf.ts";
import { type Buffer, closeFd } from "../sys/door.ts";
import { SyscallError } from "../sys/errno.ts";
import { kernelRelease, pageSize } from "../sys/process.ts";

// BPF_PROG_TYPE_*, BPF_MAP_TYPE_*, BPF_FUNC_*, BPF_PERF_EVENT: include/uapi/linux/bpf.h
const SOCKET_FILTER = 1, KPROBE = 2, TRACEPOINT = 5;
const HASH = 1, RINGBUF = 27, TASK_STORAGE = 29;
const TASK_STORAGE_GET = 156, GET_CURRENT_TASK_BTF = 158, KTIME_GET_COARSE_NS = 160, GET_ATTACH_COOKIE = 174;
const PERF_EVENT = 41, BPF_F_NO_PREALLOC = 1;
// Codes of instructions; bits 8 to 11 of the first word are the destination, 12 to 15 the source.
const LDDW = 0x18, CALL = 0x85, EXIT = 0x95, MOV_IMM = 0xb7, MOV = 0xbf, PSEUDO_CALL = 1 << 12;
// Records of BTF as words: name, kind << 24 | vlen, size or type, and so on. Types 2: a prototype `void (int x)`; `int x`.
const PROTOTYPE = [0, 13 << 24 | 1, 0, 3, 1], VARIABLE = [3, 14 << 24, 1, 0];

/** One thing that not every kernel can do. */
export interface Feature {
  /** In words, as in "needs ring buffers". */
  readonly name: string;
  /** The first Linux that has it, `5.8`. */
  readonly version: string;
  /** Asks the kernel. Throws a `SyscallError` if it may not be asked. */
  readonly probe: () => boolean;
}

/** Keys of {@link FEATURES}. */
export type FeatureName =
  | "btfFunc"
  | "btfFuncGlobal"
  | "btfDatasec"
  | "fentry"
  | "btfFloat"
  | "btfDeclTag"
  | "btfTypeTag"
  | "btfEnum64"
  | "mapBatch"
  | "ringBuffer"
  | "memcgAccounting"
  | "moduleBtf"
  | "taskStorage"
  | "fdArray"
  | "perfLink"
  | "bpfCookie"
  | "argCtx";

const known = new Map<FeatureName, boolean>();

/**
 * What makes the kernels that programs run on different, oldest first.
 *
 * @example
 * ```ts
 * import { FEATURES } from "detrace/lib/object/features.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(FEATURES.ringBuffer.version, "5.8");
 * ```
 */
export const FEATURES: Readonly<Record<FeatureName, Feature>> = {
  btfFunc: row("functions in BTF", "5.0", () => loadBtf(...PROTOTYPE, 3, 12 << 24, 2)),
  btfDatasec: row("data sections in BTF", "5.2", () => loadBtf(...VARIABLE, 5, 15 << 24 | 1, 4, 2, 0, 4)),
  // On arm64 6.0. Some kernels of any version forbid it.
  fentry: { name: "programs at the entry and exit of functions", version: "5.5", probe: canAttachFentry },
  btfFuncGlobal: row("global functions in BTF", "5.6", () => loadBtf(...PROTOTYPE, 3, 12 << 24 | 1, 2)),
  mapBatch: row("map operations in batches", "5.6", () =>
    within(
      mapCreate({ type: HASH, keySize: 4, valueSize: 4, maxEntries: 1 }),
      (fd) => void mapUpdateBatch(fd, { keys: words(0), count: 0 }),
    )),
  ringBuffer: row(
    "ring buffers",
    "5.8",
    () => mapCreate({ type: RINGBUF, keySize: 0, valueSize: 0, maxEntries: pageSize() }),
  ),
  // The accounting itself does not show, but this helper came with it.
  memcgAccounting: row(
    "BPF memory that is charged to cgroups",
    "5.11",
    () => load(SOCKET_FILTER, [CALL, KTIME_GET_COARSE_NS]),
  ),
  // `kernel_btf` (byte 28 of struct bpf_btf_info) came with it. An older kernel wants zeros beyond what it knows.
  moduleBtf: row(
    "BTF of kernel modules",
    "5.11",
    () => within(loadBtf(), (fd) => void objGetInfo(fd, words(0, 0, 0, 0, 0, 0, 0, 1))),
  ),
  taskStorage: row("task storage in tracing programs", "5.13", useTaskStorage),
  btfFloat: row("floating point in BTF", "5.13", () => loadBtf(3, 16 << 24, 4)),
  fdArray: row(
    "module functions and maps by index",
    "5.14",
    () => load(SOCKET_FILTER, [MOV_IMM, 0], { fdArray: new Int32Array(1) }),
  ),
  // There is no such perf event, but an older kernel does not look for one (EINVAL).
  perfLink: row("links to perf events", "5.15", () =>
    within(
      load(TRACEPOINT, [MOV_IMM, 0]),
      (progFd) => linkCreate({ progFd, targetFd: -1, attachType: PERF_EVENT }),
    ), "EBADF"),
  bpfCookie: row("BPF cookies", "5.15", () => load(TRACEPOINT, [CALL, GET_ATTACH_COOKIE])),
  btfDeclTag: row("declaration tags in BTF", "5.16", () => loadBtf(...VARIABLE, 3, 17 << 24, 2, -1)),
  btfTypeTag: row("type tags in BTF", "5.17", () => loadBtf(3, 18 << 24, 1, 0, 2 << 24, 2)),
  btfEnum64: row("enumerations of 64 bits in BTF", "6.0", () => loadBtf(3, 19 << 24, 8)),
  argCtx: row("context arguments of global functions marked by a tag", "6.8", useArgCtx),
};

/**
 * Whether the running kernel has a feature. It is asked once in the life of the process.
 *
 * @throws {SyscallError} It may not be asked (`EPERM`), or cannot answer (`ENOMEM`, `EMFILE`).
 */
export function has(name: FeatureName): boolean {
  let answer = known.get(name);
  if (answer === undefined) known.set(name, answer = FEATURES[name].probe());
  return answer;
}

/**
 * Insists on a feature.
 *
 * @param name The feature.
 * @param what What needs it: the sentence begins with this.
 * @throws {DetraceError} The running kernel does not have it.
 */
export function require(name: FeatureName, what: string): void {
  if (has(name)) return;
  const { name: feature, version } = FEATURES[name];
  throw new DetraceError(
    `${what} needs ${feature}, which Linux ${version} brought; this is ${kernelRelease()}`,
  );
}

/** A feature that is there if the kernel does this, or refuses it with the error of that name. */
function row(name: string, version: string, make: () => number | void, answer = ""): Feature {
  return { name, version, probe: () => ask(make) === answer };
}

/** What the kernel says to this: empty if it does it (a descriptor that comes back is closed), else an error's name. */
function ask(make: () => number | void): string {
  try {
    const fd = make();
    if (fd !== undefined) closeFd(fd);
    return "";
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    if (/^E(AGAIN|MFILE|NFILE|NOMEM|PERM)$/.test(error.code)) throw error; // says nothing of the feature
    return error.code;
  }
}

/** Does something with a descriptor, and closes it. */
function within<T>(fd: number, use: (fd: number) => T): T {
  try {
    return use(fd);
  } finally {
    closeFd(fd);
  }
}

function words(...list: number[]): Buffer {
  return new Uint8Array(new Int32Array(list).buffer);
}

/** Loads BTF of a signed int as type 1, and of these types. Its strings: "i" at 1, "x" at 3, ".d" at 5, "arg:ctx" at 8. */
function loadBtf(...types: number[]): number {
  const size = 16 + types.length * 4;
  // struct btf_header: magic and version, its size, offset and size of types and of strings
  const header = [0x1eb9f, 24, 0, size, size, 16];
  const strings = [0x78006900, 0x642e00, 0x3a677261, 0x787463];
  return btfLoad(words(...header, 1, 1 << 24, 4, 1 << 24 | 32, ...types, ...strings));
}

/** Loads a program of these instructions, two words each, and an exit. */
function load(type: number, insns: number[], more?: Partial<ProgLoadAttr>): number {
  return progLoad({ type, insns: words(...insns, EXIT, 0), license: "GPL", ...more });
}

/** The map alone came with 5.11, for LSM programs: so a kprobe's program has to use it. */
function useTaskStorage(): number {
  const map = within(loadBtf(), (btfFd) =>
    mapCreate({
      type: TASK_STORAGE,
      keySize: 4,
      valueSize: 4,
      maxEntries: 0,
      flags: BPF_F_NO_PREALLOC,
      btfFd,
      btfKeyTypeId: 1,
      btfValueTypeId: 1,
    }));
  // r0 = bpf_get_current_task_btf(); bpf_task_storage_get(map, r0, 0, 0)
  return within(map, (fd) =>
    load(KPROBE, [
      ...[CALL, GET_CURRENT_TASK_BTF],
      ...[MOV | 0x200, 0],
      ...[LDDW | 0x1100, fd, 0, 0],
      ...[MOV_IMM | 0x300, 0],
      ...[MOV_IMM | 0x400, 0],
      ...[CALL, TASK_STORAGE_GET],
      ...[MOV_IMM, 0],
    ]));
}

/** `int i(void) { return x(ctx); }` and a global `int x(void *x __arg_ctx)`: without the tag, `void *` is refused. */
function useArgCtx(): number {
  const types = [
    ...[0, 13 << 24, 1, 1, 12 << 24 | 1, 2],
    ...[0, 2 << 24, 0, 0, 13 << 24 | 1, 1, 3, 4, 3, 12 << 24 | 1, 5],
    ...[8, 17 << 24, 6, 0],
  ];
  const funcInfo = words(0, 3, 2, 6); // instruction, type
  return within(
    loadBtf(...types),
    (btfFd) =>
      load(SOCKET_FILTER, [CALL | PSEUDO_CALL, 1, EXIT, 0, MOV_IMM, 0], { btfFd, funcInfo, funcInfoSize: 8 }),
  );
}
