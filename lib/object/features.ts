/**
 * What the running kernel can do, found out by asking it: versions do not tell, because distributions carry features back.
 *
 * Needs the rights to use BPF. Nothing is left in the kernel.
 *
 * @module
 */

import { BTF_KIND_FUNC } from "../btf/btf.ts";
import { loadKernelBtf } from "../btf/kernel.ts";
import { DetraceError } from "../error.ts";
import { canAttachFentry, canRunLsm } from "../links/tracing.ts";
import {
  linkCreate,
  mapCreate,
  type MapCreateAttr,
  mapUpdateBatch,
  objGetInfo,
  progBindMap,
  type ProgLoadAttr,
  tokenCreate,
} from "../sys/bpf.ts";
import { ARCH, type Buffer } from "../sys/door.ts";
import { iteratorInfo, iteratorOptions } from "../sys/link_options.ts";
import { kernelRelease, pageSize } from "../sys/process.ts";
import {
  type Feature,
  load,
  loadBtf,
  LOADER,
  type LoaderFeature,
  loadFunctions,
  RETURN_0,
  row,
  STATIC_FUNCTION,
  supports,
  within,
  words,
} from "./probe.ts";

export type { Feature } from "./probe.ts";

// BPF_PROG_TYPE_*, BPF_MAP_TYPE_*, BPF_FUNC_*, BPF_TRACE_* and the like, BPF_F_*: include/uapi/linux/bpf.h
const SOCKET_FILTER = 1, KPROBE = 2, SCHED_CLS = 3, TRACEPOINT = 5, XDP = 6, CGROUP_SOCK = 9, SK_MSG = 16;
const RAW_TRACEPOINT = 17, TRACING = 26, LSM = 29, SYSCALL = 31, NETFILTER = 32;
const HASH = 1, ARRAY = 2, STRUCT_OPS = 26, RINGBUF = 27, TASK_STORAGE = 29, USER_RINGBUF = 31;
const CGRP_STORAGE = 32, ARENA = 33;
const PROBE_READ_KERNEL = 113, TASK_STORAGE_GET = 156, GET_CURRENT_TASK_BTF = 158, KTIME_GET_COARSE_NS = 160;
const GET_ATTACH_COOKIE = 174, LOOP = 181, RINGBUF_RESERVE_DYNPTR = 198, RINGBUF_DISCARD_DYNPTR = 200;
const CGROUP_INET_SOCK_CREATE = 2, SK_MSG_VERDICT = 7, TRACE_FENTRY = 24, LSM_MAC = 27, TRACE_ITER = 28;
const PERF_EVENT = 41, TRACE_KPROBE_MULTI = 42, TRACE_NETFILTER = 45, TCX_INGRESS = 46;
const TRACE_UPROBE_MULTI = 48, NETKIT_PRIMARY = 54, TRACE_KPROBE_SESSION = 56, TRACE_UPROBE_SESSION = 57;
const BPF_F_NO_PREALLOC = 1, BPF_F_SLEEPABLE = 1 << 4, BPF_F_XDP_HAS_FRAGS = 1 << 5;
const BPF_F_MMAPABLE = 1 << 10, BPF_F_LINK = 1 << 13;
// Codes of instructions, two words each: see probe.ts.
const JUMP = 0x05, ADD_IMM = 0x07, JUMP32_EQUAL = 0x16, SUB_IMM = 0x17, LDDW = 0x18, JUMP_UNEQUAL = 0x55;
const STORE_IMM = 0x7a, CALL = 0x85, EXIT = 0x95, MOV_IMM = 0xb7, MOV = 0xbf, ATOMIC = 0xdb, MAY_GOTO = 0xe5;
const PSEUDO_MAP = 1 << 12, PSEUDO_MAP_VALUE = 2 << 12, PSEUDO_FUNC = 4 << 12, PSEUDO_KFUNC_CALL = 2 << 12;
const R1 = 1 << 8, R2 = 2 << 8, R3 = 3 << 8, R4 = 4 << 8, R10 = 10 << 8;
const FROM_R1 = 1 << 12, FROM_R10 = 10 << 12, AT_MINUS_8 = -8 << 16;

/** Keys of {@link FEATURES}. */
export type FeatureName =
  | LoaderFeature
  | "objectName"
  | "expectedAttachType"
  | "jump32"
  | "globalData"
  | "largePrograms"
  | "boundedLoops"
  | "fentry"
  | "mmapArray"
  | "probeReadKernel"
  | "mapBatch"
  | "link"
  | "lsm"
  | "iterator"
  | "ringBuffer"
  | "progBindMap"
  | "sleepable"
  | "memcgAccounting"
  | "moduleBtf"
  | "atomics"
  | "taskStorage"
  | "kfunc"
  | "fdArray"
  | "syscallProgram"
  | "perfLink"
  | "loop"
  | "kprobeMulti"
  | "xdpFrags"
  | "tracingCookie"
  | "dynptr"
  | "sleepableUprobe"
  | "userRingBuffer"
  | "taskIterator"
  | "cgroupStorage"
  | "openCodedIterator"
  | "netfilter"
  | "structOpsLink"
  | "uprobeMulti"
  | "tcx"
  | "cpuV4"
  | "netkit"
  | "arena"
  | "mayGoto"
  | "token"
  | "kprobeSession"
  | "rawTracepointCookie"
  | "sockmapLink"
  | "uprobeSession"
  | "acquireRelease";

/** The names of functions lie at an address where nothing is (EFAULT). An older kernel does not look. */
const MANY_KPROBES = { answer: "EFAULT", needs: "CONFIG_FPROBE" };

/** A map of one entry. */
const ONE: MapCreateAttr = { type: ARRAY, keySize: 4, valueSize: 4, maxEntries: 1 };

/**
 * What makes the kernels that programs run on different, oldest first. Types of maps and of programs have tables of their own:
 * see map_types.ts and sections.ts.
 *
 * @example
 * ```ts
 * import { FEATURES, has } from "detrace/lib/object/features.ts";
 * import { getuid } from "detrace/lib/sys/process.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(FEATURES.ringBuffer.version, "5.8");
 * if (getuid() === 0) {
 *   for (const name of Object.keys(FEATURES) as (keyof typeof FEATURES)[]) console.log(name, has(name));
 * }
 * ```
 */
export const FEATURES: Readonly<Record<FeatureName, Feature>> = {
  objectName: row("names of maps and programs", "4.15", () => mapCreate({ ...ONE, name: "detrace" })),
  expectedAttachType: row(
    "programs that are loaded for one way of attaching",
    "4.17",
    () => load(CGROUP_SOCK, [MOV_IMM, 1], { expectedAttachType: CGROUP_INET_SOCK_CREATE }),
    { needs: "CONFIG_CGROUP_BPF" },
  ),
  btfFunc: LOADER.btfFunc,
  jump32: row(
    "comparisons of 32 bits (-mcpu=v3)",
    "5.1",
    () => load(SOCKET_FILTER, [...RETURN_0, JUMP32_EQUAL, 0]),
  ),
  btfDatasec: LOADER.btfDatasec,
  globalData: row("global variables", "5.2", () =>
    within(
      mapCreate(ONE),
      (fd) => load(SOCKET_FILTER, [LDDW | R1 | PSEUDO_MAP_VALUE, fd, 0, 0, ...RETURN_0]),
    )),
  largePrograms: row(
    "programs of more than 4096 instructions",
    "5.2",
    () => load(SOCKET_FILTER, Array(4096).fill(RETURN_0).flat()),
  ),
  boundedLoops: row(
    "loops",
    "5.3",
    () => load(SOCKET_FILTER, [MOV_IMM, 10, SUB_IMM, 1, JUMP_UNEQUAL | -2 << 16, 0]),
  ),
  fentry: {
    name: "programs at the entry and exit of functions",
    version: "5.5",
    arm64: "6.0",
    needs: "CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS",
    probe: canAttachFentry,
  },
  mmapArray: row(
    "arrays in memory that programs and processes share",
    "5.5",
    () => mapCreate({ ...ONE, flags: BPF_F_MMAPABLE }),
  ),
  probeReadKernel: row(
    "reading of the kernel's memory apart from a process's",
    "5.5",
    () =>
      load(TRACEPOINT, [
        ...[MOV | R1 | FROM_R10, 0],
        ...[ADD_IMM | R1, -8],
        ...[MOV_IMM | R2, 8],
        ...[MOV_IMM | R3, 0],
        ...[CALL, PROBE_READ_KERNEL],
      ]),
  ),
  btfFuncGlobal: LOADER.btfFuncGlobal,
  mapBatch: row("map operations in batches", "5.6", () =>
    within(
      mapCreate({ ...ONE, type: HASH }),
      (fd) => void mapUpdateBatch(fd, { keys: words(0), count: 0 }),
    )),
  // There is no such program, but an older kernel does not look for one.
  link: row("links", "5.7", () => linkCreate({ progFd: -1, attachType: 0 }), { answer: "EBADF" }),
  lsm: {
    name: "programs at security hooks",
    version: "5.7",
    arm64: "6.0",
    needs: "CONFIG_BPF_LSM and bpf among its security modules (lsm=)",
    probe: canRunLsm,
  },
  iterator: row("iterators", "5.8", useIterator),
  ringBuffer: row("ring buffers", "5.8", () => makeRing(RINGBUF)),
  progBindMap: row(
    "maps that live as long as a program",
    "5.10",
    () =>
      within(
        mapCreate(ONE),
        (map) => within(load(SOCKET_FILTER, RETURN_0), (program) => progBindMap(program, map)),
      ),
  ),
  sleepable: row(
    "programs that may wait",
    "5.10",
    () => loadTraced(LSM, LSM_MAC, "bpf_lsm_bprm_committed_creds", [], { flags: BPF_F_SLEEPABLE }),
    { arm64: "6.0", needs: "CONFIG_BPF_LSM" },
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
  atomics: row(
    "atomic operations with a result",
    "5.12",
    () =>
      load(SOCKET_FILTER, [
        ...[STORE_IMM | R10 | AT_MINUS_8, 0],
        ...[MOV_IMM | R1, 1],
        ...[ATOMIC | R10 | FROM_R1 | AT_MINUS_8, 1], // BPF_ADD | BPF_FETCH
        ...RETURN_0,
      ]),
    { arm64: "5.18" },
  ),
  taskStorage: row("task storage in tracing programs", "5.13", useTaskStorage),
  btfFloat: LOADER.btfFloat,
  // It is a function, but none for programs (EACCES). An older kernel does not look for it (EINVAL).
  kfunc: row(
    "calls of the kernel's functions",
    "5.13",
    () => load(SOCKET_FILTER, [CALL | PSEUDO_KFUNC_CALL, kernelFunction("bpf_fentry_test1")]),
    { answer: "EACCES", arm64: "5.18" },
  ),
  fdArray: row(
    "module functions and maps by index",
    "5.14",
    () => load(SOCKET_FILTER, RETURN_0, { fdArray: new Int32Array(1) }),
  ),
  syscallProgram: row(
    "programs that are run by a system call",
    "5.14",
    () => load(SYSCALL, RETURN_0, { flags: BPF_F_SLEEPABLE }),
  ),
  // There is no such perf event, but an older kernel does not look for one (EINVAL).
  perfLink: row(
    "links to perf events",
    "5.15",
    () => attach(TRACEPOINT, PERF_EVENT, { targetFd: -1 }),
    { answer: "EBADF" },
  ),
  bpfCookie: LOADER.bpfCookie,
  btfDeclTag: LOADER.btfDeclTag,
  btfTypeTag: LOADER.btfTypeTag,
  loop: row("bpf_loop()", "5.17", useLoop),
  kprobeMulti: row("kprobes at many functions", "5.18", () => attachMany(TRACE_KPROBE_MULTI), MANY_KPROBES),
  xdpFrags: row(
    "XDP programs for packets in pieces",
    "5.18",
    () => load(XDP, [MOV_IMM, 2], { flags: BPF_F_XDP_HAS_FRAGS }),
  ),
  tracingCookie: row(
    "cookies of programs at functions and security hooks",
    "5.19",
    () => loadTraced(TRACING, TRACE_FENTRY, "bpf_fentry_test1", [CALL, GET_ATTACH_COOKIE]),
    { arm64: "6.0", needs: "CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS" },
  ),
  dynptr: row("dynptrs", "5.19", useDynptr),
  btfEnum64: LOADER.btfEnum64,
  sleepableUprobe: row(
    "uprobes that may wait",
    "6.0",
    () => load(KPROBE, RETURN_0, { flags: BPF_F_SLEEPABLE }),
  ),
  userRingBuffer: row("user ring buffers", "6.1", () => makeRing(USER_RINGBUF)),
  taskIterator: row("iterators over one task", "6.1", () =>
    within(useIterator(), (progFd) => {
      const options = iteratorOptions(iteratorInfo({ task: { pid: 1 } })!);
      return linkCreate({ progFd, attachType: TRACE_ITER }, options);
    })),
  cgroupStorage: row("cgroup-local storage", "6.2", () => makeStorage(CGRP_STORAGE), {
    needs: "CONFIG_CGROUPS",
  }),
  openCodedIterator: row(
    "iterators in loops, as bpf_for()",
    "6.4",
    () => kernelFunction("bpf_iter_num_new") > 0,
  ),
  netfilter: row(
    "netfilter programs",
    "6.4",
    () => load(NETFILTER, [MOV_IMM, 1], { expectedAttachType: TRACE_NETFILTER }),
    { needs: "CONFIG_NETFILTER_BPF_LINK" },
  ),
  // Type 1 is no table of functions (ENOTSUPP). An older kernel does not look (EINVAL).
  structOpsLink: row(
    "links to struct_ops",
    "6.4",
    () => mapCreate({ ...ONE, type: STRUCT_OPS, valueSize: 8, flags: BPF_F_LINK, btfVmlinuxValueTypeId: 1 }),
    { answer: "ENOTSUPP" },
  ),
  uprobeMulti: row("uprobes at many functions", "6.6", () => attachMany(TRACE_UPROBE_MULTI), {
    answer: "EFAULT",
  }),
  // There is no network interface 0, but an older kernel does not look for one.
  tcx: row("links to traffic control", "6.6", () => attach(SCHED_CLS, TCX_INGRESS), {
    answer: "ENODEV",
    needs: "CONFIG_NET_XGRESS",
  }),
  // r0 = (s8)r0
  cpuV4: row(
    "the instructions of -mcpu=v4",
    "6.6",
    () => load(SOCKET_FILTER, [...RETURN_0, MOV | 8 << 16, 0]),
  ),
  netkit: row("links to netkit devices", "6.7", () => attach(SCHED_CLS, NETKIT_PRIMARY), {
    answer: "ENODEV",
    needs: "CONFIG_NETKIT",
  }),
  argCtx: LOADER.argCtx,
  arena: row(
    "arenas",
    "6.9",
    () => mapCreate({ type: ARENA, keySize: 0, valueSize: 0, maxEntries: 1, flags: BPF_F_MMAPABLE }),
    { arm64: "6.10" },
  ),
  mayGoto: row(
    "loops that the kernel ends",
    "6.9",
    () => load(SOCKET_FILTER, [...RETURN_0, MAY_GOTO | 1 << 16, 0, JUMP | -2 << 16, 0]),
  ),
  token: row("BPF tokens", "6.9", () => tokenCreate(-1), { answer: "EBADF" }),
  kprobeSession: row("sessions of kprobes", "6.10", () => attachMany(TRACE_KPROBE_SESSION), MANY_KPROBES),
  rawTracepointCookie: row(
    "cookies of raw tracepoints",
    "6.10",
    () => load(RAW_TRACEPOINT, [CALL, GET_ATTACH_COOKIE]),
  ),
  // There is no such map.
  sockmapLink: row("links to socket maps", "6.10", () => attach(SK_MSG, SK_MSG_VERDICT, { targetFd: -1 }), {
    answer: "EBADF",
  }),
  uprobeSession: row("sessions of uprobes", "6.13", () => attachMany(TRACE_UPROBE_SESSION), {
    answer: "EFAULT",
  }),
  acquireRelease: row("loads with acquire and stores with release order", "6.15", () =>
    load(SOCKET_FILTER, [
      ...[STORE_IMM | R10 | AT_MINUS_8, 0],
      ...[ATOMIC | FROM_R10 | AT_MINUS_8, 0x100], // BPF_LOAD_ACQ into r0
    ])),
};

/**
 * Whether the running kernel has a feature. It is asked once in the life of the process.
 *
 * @throws {SyscallError} It may not be asked (`EPERM`), or cannot answer (`ENOMEM`, `EMFILE`).
 */
export function has(name: FeatureName): boolean {
  return supports(FEATURES[name]);
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
  const { name: feature, version, arm64, needs } = FEATURES[name];
  const first = ARCH === "arm64" && arm64 || version, condition = needs ? ` (with ${needs})` : "";
  throw new DetraceError(
    `${what} needs ${feature}, which Linux ${first} brought${condition}; this is ${kernelRelease()}`,
  );
}

/** The BTF id of a function of the kernel, 0 if it has none of that name. */
function kernelFunction(name: string): number {
  return loadKernelBtf().find(name, BTF_KIND_FUNC) ?? 0;
}

/** The same for a function of the kernel, where programs may be at functions at all. Some kernels forbid even to load them. */
function loadTraced(
  type: number,
  expectedAttachType: number,
  name: string,
  insns: number[],
  more?: Partial<ProgLoadAttr>,
): number | false {
  const attachBtfId = kernelFunction(name);
  if (!attachBtfId || !canAttachFentry()) return false;
  return load(type, [...insns, ...RETURN_0], { expectedAttachType, attachBtfId, ...more });
}

/** Links a program of a type to what is not there. */
function attach(type: number, attachType: number, more?: { targetFd?: number }, options?: Buffer): number {
  const expectedAttachType = type === KPROBE ? attachType : 0;
  return within(
    load(type, [MOV_IMM, 1], { expectedAttachType }),
    (progFd) => linkCreate({ progFd, attachType, ...more }, options),
  );
}

/** Links a program to one function, whose name is at address 1, as is what else is asked for. */
function attachMany(attachType: number): number {
  const isUprobe = attachType === TRACE_UPROBE_MULTI || attachType === TRACE_UPROBE_SESSION;
  // kprobe_multi: flags, count, names; uprobe_multi: path, offsets, reference counters, cookies, count.
  const options = isUprobe ? words(1, 0, 1, 0, 0, 0, 0, 0, 1) : words(0, 1, 1, 0);
  return attach(KPROBE, attachType, {}, options);
}

/** Loads an iterator over tasks. */
function useIterator(): number {
  const attachBtfId = kernelFunction("bpf_iter_task");
  return load(TRACING, RETURN_0, { expectedAttachType: TRACE_ITER, attachBtfId });
}

function makeRing(type: number): number {
  return mapCreate({ type, keySize: 0, valueSize: 0, maxEntries: pageSize() });
}

function makeStorage(type: number): number {
  return within(loadBtf(), (btfFd) =>
    mapCreate({
      ...{ ...ONE, type, maxEntries: 0, flags: BPF_F_NO_PREALLOC },
      ...{ btfFd, btfKeyTypeId: 1, btfValueTypeId: 1 },
    }));
}

/** The map alone came with 5.11, for LSM programs: so a kprobe's program has to use it. */
function useTaskStorage(): number {
  // r0 = bpf_get_current_task_btf(); bpf_task_storage_get(map, r0, 0, 0)
  return within(makeStorage(TASK_STORAGE), (fd) =>
    load(KPROBE, [
      ...[CALL, GET_CURRENT_TASK_BTF],
      ...[MOV | R2, 0],
      ...[LDDW | R1 | PSEUDO_MAP, fd, 0, 0],
      ...[MOV_IMM | R3, 0],
      ...[MOV_IMM | R4, 0],
      ...[CALL, TASK_STORAGE_GET],
      ...RETURN_0,
    ]));
}

/** bpf_loop(1, callback, 0, 0), with the callback behind it. */
function useLoop(): number {
  const insns = [
    ...[MOV_IMM | R1, 1],
    ...[LDDW | R2 | PSEUDO_FUNC, 5, 0, 0],
    ...[MOV_IMM | R3, 0],
    ...[MOV_IMM | R4, 0],
    ...[CALL, LOOP],
    ...[EXIT, 0],
    ...RETURN_0,
  ];
  return loadFunctions(insns, STATIC_FUNCTION, [0, 3, 7, 3]);
}

/** bpf_ringbuf_reserve_dynptr(map, 8, 0, r10 - 16); bpf_ringbuf_discard_dynptr(r10 - 16, 0) */
function useDynptr(): number {
  return within(makeRing(RINGBUF), (fd) =>
    load(SOCKET_FILTER, [
      ...[LDDW | R1 | PSEUDO_MAP, fd, 0, 0],
      ...[MOV_IMM | R2, 8],
      ...[MOV_IMM | R3, 0],
      ...[MOV | R4 | FROM_R10, 0],
      ...[ADD_IMM | R4, -16],
      ...[CALL, RINGBUF_RESERVE_DYNPTR],
      ...[MOV | R1 | FROM_R10, 0],
      ...[ADD_IMM | R1, -16],
      ...[MOV_IMM | R2, 0],
      ...[CALL, RINGBUF_DISCARD_DYNPTR],
      ...RETURN_0,
    ]));
}
