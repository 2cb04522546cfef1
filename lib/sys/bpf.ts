/**
 * bpf(2): one function and one typed attribute for each command. It knows the layout of `union bpf_attr`
 * (include/uapi/linux/bpf.h), and nothing of what a map or a program means.
 *
 * Every function throws a {@link SyscallError} that names the command. File descriptors that come back belong to the caller.
 *
 * @module
 */

import { address, type Buffer, cstring, errno, libc, NR, release } from "./door.ts";
import { SyscallError } from "./errno.ts";
import { kernelVersion, raiseMemlock } from "./process.ts";

/** A command of bpf(2), and its name without `BPF_`. */
type Command = readonly [command: number, name: string];
const MAP_CREATE: Command = [0, "MAP_CREATE"];
const MAP_LOOKUP_ELEM: Command = [1, "MAP_LOOKUP_ELEM"];
const MAP_UPDATE_ELEM: Command = [2, "MAP_UPDATE_ELEM"];
const MAP_DELETE_ELEM: Command = [3, "MAP_DELETE_ELEM"];
const MAP_GET_NEXT_KEY: Command = [4, "MAP_GET_NEXT_KEY"];
const PROG_LOAD: Command = [5, "PROG_LOAD"];
const OBJ_PIN: Command = [6, "OBJ_PIN"];
const OBJ_GET: Command = [7, "OBJ_GET"];
const PROG_ATTACH: Command = [8, "PROG_ATTACH"];
const PROG_DETACH: Command = [9, "PROG_DETACH"];
const PROG_TEST_RUN: Command = [10, "PROG_TEST_RUN"];
const PROG_GET_NEXT_ID: Command = [11, "PROG_GET_NEXT_ID"];
const MAP_GET_NEXT_ID: Command = [12, "MAP_GET_NEXT_ID"];
const PROG_GET_FD_BY_ID: Command = [13, "PROG_GET_FD_BY_ID"];
const MAP_GET_FD_BY_ID: Command = [14, "MAP_GET_FD_BY_ID"];
const OBJ_GET_INFO_BY_FD: Command = [15, "OBJ_GET_INFO_BY_FD"];
const RAW_TRACEPOINT_OPEN: Command = [17, "RAW_TRACEPOINT_OPEN"];
const BTF_LOAD: Command = [18, "BTF_LOAD"];
const BTF_GET_FD_BY_ID: Command = [19, "BTF_GET_FD_BY_ID"];
const MAP_LOOKUP_AND_DELETE_ELEM: Command = [21, "MAP_LOOKUP_AND_DELETE_ELEM"];
const MAP_FREEZE: Command = [22, "MAP_FREEZE"];
const BTF_GET_NEXT_ID: Command = [23, "BTF_GET_NEXT_ID"];
const MAP_LOOKUP_BATCH: Command = [24, "MAP_LOOKUP_BATCH"];
const MAP_LOOKUP_AND_DELETE_BATCH: Command = [25, "MAP_LOOKUP_AND_DELETE_BATCH"];
const MAP_UPDATE_BATCH: Command = [26, "MAP_UPDATE_BATCH"];
const MAP_DELETE_BATCH: Command = [27, "MAP_DELETE_BATCH"];
const LINK_CREATE: Command = [28, "LINK_CREATE"];
const LINK_UPDATE: Command = [29, "LINK_UPDATE"];
const LINK_GET_FD_BY_ID: Command = [30, "LINK_GET_FD_BY_ID"];
const LINK_GET_NEXT_ID: Command = [31, "LINK_GET_NEXT_ID"];
const ENABLE_STATS: Command = [32, "ENABLE_STATS"];
const ITER_CREATE: Command = [33, "ITER_CREATE"];
const LINK_DETACH: Command = [34, "LINK_DETACH"];
const PROG_BIND_MAP: Command = [35, "PROG_BIND_MAP"];
const TOKEN_CREATE: Command = [36, "TOKEN_CREATE"];

// One attribute for all calls: the longest that any command here uses. The kernel asks that unused bytes are zero, and
// refuses a length beyond its own unless they are.
const attr: Buffer = new Uint8Array(168);
const view = new DataView(attr.buffer);
const EPERM = 1, ENOENT = 2, EAGAIN = 11;
const LE = true; // x86-64 and arm64 Linux are little-endian

function u32(offset: number, value: number | undefined): void {
  if (value) view.setUint32(offset, value, LE);
}
function u64(offset: number, value: bigint | undefined): void {
  if (value) view.setBigUint64(offset, value, LE);
}
function pointer(offset: number, bytes: ArrayBufferView<ArrayBuffer> | undefined): void {
  if (bytes) view.setBigUint64(offset, address(bytes), LE);
}
/** A name as the kernel takes it: 15 letters, digits, `_` or `.` and a NUL. */
function name(offset: number, text: string | undefined): void {
  if (!text) return;
  for (let i = 0; i < 15 && i < text.length; i++) {
    const c = text.charCodeAt(i);
    attr[offset + i] = /[A-Za-z0-9_.]/.test(text[i]!) ? c : 95;
  }
}

/** Makes the call and clears the attribute: the result, or minus the error number. */
function raw([command]: Command, size: number): number {
  const result = libc().call(NR.bpf, command, attr, size, 0, null);
  const error = result < 0 ? errno() : 0;
  release();
  return error ? -error : result;
}

let memlockRaised = false;

function call([command, title]: Command, size: number, what?: string): number {
  let result = libc().call(NR.bpf, command, attr, size, 0, null);
  if (result < 0 && errno() === EPERM && !memlockRaised && kernelVersion() < 0x050b00) {
    // Before 5.11 the memory of maps and programs counts against RLIMIT_MEMLOCK, which is 64 KiB as a rule.
    memlockRaised = true;
    raiseMemlock();
    result = libc().call(NR.bpf, command, attr, size, 0, null);
  }
  // A program is verified for long, and given up when a signal comes.
  for (let tries = 0; result < 0 && errno() === EAGAIN && tries < 10; tries++) {
    result = libc().call(NR.bpf, command, attr, size, 0, null);
  }
  if (result < 0) result = -errno();
  release();
  attr.fill(0);
  if (result < 0) throw new SyscallError(`bpf(BPF_${title})`, -result, what);
  return result;
}

/** For commands whose "no" is an answer: true, or false if the kernel said one of these error numbers. */
function ask(command: Command, size: number, no: number): boolean {
  const result = raw(command, size);
  attr.fill(0);
  if (result >= 0) return true;
  if (result === -no) return false;
  throw new SyscallError(`bpf(BPF_${command[1]})`, -result);
}

/** `bpf_attr` of BPF_MAP_CREATE. Sizes in bytes. */
export interface MapCreateAttr {
  /** BPF_MAP_TYPE_*. */
  type: number;
  /** Bytes of a key. */
  keySize: number;
  /** Bytes of a value. */
  valueSize: number;
  /** Number of entries, bytes for a ring buffer. */
  maxEntries: number;
  /** BPF_F_*. */
  flags?: number;
  /** Up to 15 characters. */
  name?: string;
  /** Map that shows the shape of a map-in-map's values. */
  innerMapFd?: number;
  /** NUMA node, with BPF_F_NUMA_NODE. */
  numaNode?: number;
  /** BTF that the type ids are of. */
  btfFd?: number;
  /** Type of a key. */
  btfKeyTypeId?: number;
  /** Type of a value. */
  btfValueTypeId?: number;
  /** Type of the kernel's struct for struct_ops. */
  btfVmlinuxValueTypeId?: number;
  /** Meaning depends on the type (bloom filter hashes, arena address). */
  mapExtra?: bigint;
}

/** BPF_MAP_CREATE. @returns The map's file descriptor. */
export function mapCreate(a: MapCreateAttr): number {
  u32(0, a.type), u32(4, a.keySize), u32(8, a.valueSize), u32(12, a.maxEntries), u32(16, a.flags);
  u32(20, a.innerMapFd), u32(24, a.numaNode), name(28, a.name);
  u32(48, a.btfFd), u32(52, a.btfKeyTypeId), u32(56, a.btfValueTypeId), u32(60, a.btfVmlinuxValueTypeId);
  u64(64, a.mapExtra);
  // Older kernels know a shorter attribute and accept zeros beyond it.
  return call(MAP_CREATE, 72, a.name);
}

function element(fd: number, key: Buffer | undefined, value: Buffer | undefined, flags = 0): void {
  u32(0, fd), pointer(8, key), pointer(16, value), u64(24, BigInt(flags));
}

/** BPF_MAP_LOOKUP_ELEM into `value`. @returns Whether the key was there. */
export function mapLookup(fd: number, key: Buffer, value: Buffer, flags = 0): boolean {
  element(fd, key, value, flags);
  return ask(MAP_LOOKUP_ELEM, 32, ENOENT);
}

/** BPF_MAP_LOOKUP_AND_DELETE_ELEM into `value`. @returns Whether there was one. */
export function mapLookupAndDelete(fd: number, key: Buffer | undefined, value: Buffer, flags = 0): boolean {
  element(fd, key, value, flags);
  return ask(MAP_LOOKUP_AND_DELETE_ELEM, 32, ENOENT);
}

/** BPF_MAP_UPDATE_ELEM; flags BPF_ANY 0, BPF_NOEXIST 1, BPF_EXIST 2. */
export function mapUpdate(fd: number, key: Buffer | undefined, value: Buffer, flags = 0): void {
  element(fd, key, value, flags);
  call(MAP_UPDATE_ELEM, 32);
}

/** BPF_MAP_DELETE_ELEM. @returns Whether the key was there. */
export function mapDelete(fd: number, key: Buffer): boolean {
  element(fd, key, undefined);
  return ask(MAP_DELETE_ELEM, 32, ENOENT);
}

/** BPF_MAP_GET_NEXT_KEY into `next`; without a key, the first. @returns Whether there was one. */
export function mapGetNextKey(fd: number, key: Buffer | undefined, next: Buffer): boolean {
  element(fd, key, next);
  return ask(MAP_GET_NEXT_KEY, 32, ENOENT);
}

/** `bpf_attr.batch`: several elements with one call. */
export interface MapBatchAttr {
  /** Where to go on; none at the start. */
  inBatch?: Buffer;
  /** Where the next call goes on, written by the kernel: as long as a key, at least 4 bytes. */
  outBatch?: Buffer;
  /** Keys, one after another. */
  keys: Buffer;
  /** Values, one after another (of a per-CPU map for each possible processor). */
  values?: Buffer;
  /** How many elements there is room for, or how many are given. */
  count: number;
}

function batch(command: Command, fd: number, a: MapBatchAttr): { count: number; done: boolean } {
  pointer(0, a.inBatch), pointer(8, a.outBatch), pointer(16, a.keys), pointer(24, a.values);
  u32(32, a.count), u32(36, fd);
  const result = raw(command, 56);
  const count = view.getUint32(32, LE);
  attr.fill(0);
  if (result < 0 && result !== -ENOENT) throw new SyscallError(`bpf(BPF_${command[1]})`, -result);
  return { count, done: result < 0 };
}

/** BPF_MAP_LOOKUP_BATCH (5.6). @returns How many came, and whether those were the last. */
export function mapLookupBatch(fd: number, a: MapBatchAttr): { count: number; done: boolean } {
  return batch(MAP_LOOKUP_BATCH, fd, a);
}

/** BPF_MAP_LOOKUP_AND_DELETE_BATCH (5.6). @returns As {@link mapLookupBatch}. */
export function mapLookupAndDeleteBatch(fd: number, a: MapBatchAttr): { count: number; done: boolean } {
  return batch(MAP_LOOKUP_AND_DELETE_BATCH, fd, a);
}

/** BPF_MAP_UPDATE_BATCH (5.6). @returns How many were written. */
export function mapUpdateBatch(fd: number, a: MapBatchAttr): number {
  return batch(MAP_UPDATE_BATCH, fd, a).count;
}

/** BPF_MAP_DELETE_BATCH (5.6). @returns How many were deleted. */
export function mapDeleteBatch(fd: number, a: MapBatchAttr): number {
  return batch(MAP_DELETE_BATCH, fd, a).count;
}

/** BPF_MAP_FREEZE: no more writes from user space. */
export function mapFreeze(fd: number): void {
  u32(0, fd);
  call(MAP_FREEZE, 4);
}

/** `bpf_attr` of BPF_PROG_LOAD. */
export interface ProgLoadAttr {
  /** BPF_PROG_TYPE_*. */
  type: number;
  /** Instructions, 8 bytes each. */
  insns: Buffer;
  /** License as the program declares it. */
  license: string;
  /** Up to 15 characters. */
  name?: string;
  /** 0 none, 1 the failing path, 2 all, 4 statistics. */
  logLevel?: number;
  /** Where the verifier writes. */
  log?: Buffer;
  /** LINUX_VERSION_CODE, asked for by kprobes before 5.0. */
  kernelVersion?: number;
  /** BPF_F_*. */
  flags?: number;
  /** Network interface for offloaded programs. */
  ifindex?: number;
  /** BPF_TRACE_FENTRY and so on. */
  expectedAttachType?: number;
  /** BTF of the object. */
  btfFd?: number;
  /** Bytes of a func_info record. */
  funcInfoSize?: number;
  /** struct bpf_func_info records. */
  funcInfo?: Buffer;
  /** Bytes of a line_info record. */
  lineInfoSize?: number;
  /** struct bpf_line_info records. */
  lineInfo?: Buffer;
  /** BTF id of what a tracing program attaches to. */
  attachBtfId?: number;
  /** Program that this one extends or traces; or with `attachBtfObjFd` unset, none. */
  attachProgFd?: number;
  /** BTF object (module) of `attachBtfId`. */
  attachBtfObjFd?: number;
  /** Maps and BTF objects that instructions index (5.14). */
  fdArray?: Int32Array<ArrayBuffer>;
}

/** BPF_PROG_LOAD. @returns The program's file descriptor. */
export function progLoad(a: ProgLoadAttr): number {
  u32(0, a.type), u32(4, a.insns.length / 8), pointer(8, a.insns), pointer(16, cstring(a.license));
  u32(24, a.logLevel), u32(28, a.log?.length), pointer(32, a.log), u32(40, a.kernelVersion), u32(44, a.flags);
  name(48, a.name), u32(64, a.ifindex), u32(68, a.expectedAttachType), u32(72, a.btfFd);
  if (a.funcInfo?.length) {
    u32(76, a.funcInfoSize), pointer(80, a.funcInfo), u32(88, a.funcInfo.length / a.funcInfoSize!);
  }
  if (a.lineInfo?.length) {
    u32(92, a.lineInfoSize), pointer(96, a.lineInfo), u32(104, a.lineInfo.length / a.lineInfoSize!);
  }
  u32(108, a.attachBtfId), u32(112, a.attachProgFd ?? a.attachBtfObjFd), pointer(120, a.fdArray);
  return call(PROG_LOAD, 144, a.name);
}

/** BPF_BTF_LOAD. @returns A file descriptor of the BTF. */
export function btfLoad(btf: Buffer, log?: Buffer): number {
  pointer(0, btf), pointer(8, log), u32(16, btf.length), u32(20, log?.length), u32(24, log ? 1 : 0);
  return call(BTF_LOAD, 28);
}

/** BPF_OBJ_PIN to a path of a bpf file system. */
export function objPin(fd: number, path: string): void {
  pointer(0, cstring(path)), u32(8, fd);
  call(OBJ_PIN, 16, path);
}

/** BPF_OBJ_GET from a path; `flags`: BPF_F_RDONLY 8, BPF_F_WRONLY 16. @returns A file descriptor. */
export function objGet(path: string, flags = 0): number {
  pointer(0, cstring(path)), u32(12, flags);
  return call(OBJ_GET, 16, path);
}

/** `bpf_attr.test` of BPF_PROG_TEST_RUN. */
export interface ProgTestRunAttr {
  /** Packet. */
  dataIn?: Buffer;
  /** Room for the packet that comes out. */
  dataOut?: Buffer;
  /** Context. */
  ctxIn?: Buffer;
  /** Room for the context that comes out. */
  ctxOut?: Buffer;
  /** How often to run. */
  repeat?: number;
  /** BPF_F_TEST_RUN_ON_CPU 1. */
  flags?: number;
  /** Processor, with that flag. */
  cpu?: number;
}

/** What a run without an event came to. */
export interface ProgTestRunResult {
  /** What the program returned. */
  retval: number;
  /** Mean duration in ns. */
  duration: number;
  /** Bytes of the packet that came out. */
  dataLength: number;
  /** Bytes of the context that came out. */
  ctxLength: number;
}

/** BPF_PROG_TEST_RUN. With code ENOSPC if the packet or context that comes out does not fit. @throws {SyscallError} */
export function progTestRun(fd: number, a: ProgTestRunAttr = {}): ProgTestRunResult {
  u32(0, fd),
    u32(8, a.dataIn?.length),
    u32(12, a.dataOut?.length),
    pointer(16, a.dataIn),
    pointer(24, a.dataOut);
  u32(32, a.repeat),
    u32(40, a.ctxIn?.length),
    u32(44, a.ctxOut?.length),
    pointer(48, a.ctxIn),
    pointer(56, a.ctxOut);
  u32(64, a.flags), u32(68, a.cpu);
  const result = raw(PROG_TEST_RUN, 80);
  const [retval, dataLength, duration, ctxLength] = [4, 12, 36, 44].map((at) => view.getUint32(at, LE));
  attr.fill(0);
  if (result < 0) throw new SyscallError("bpf(BPF_PROG_TEST_RUN)", -result);
  return { retval: retval!, duration: duration!, dataLength: dataLength!, ctxLength: ctxLength! };
}

/** The kinds of kernel object that have ids. */
export type IdKind = "prog" | "map" | "btf" | "link";
const NEXT_ID: Record<IdKind, Command> = {
  prog: PROG_GET_NEXT_ID,
  map: MAP_GET_NEXT_ID,
  btf: BTF_GET_NEXT_ID,
  link: LINK_GET_NEXT_ID,
};
const FD_BY_ID: Record<IdKind, Command> = {
  prog: PROG_GET_FD_BY_ID,
  map: MAP_GET_FD_BY_ID,
  btf: BTF_GET_FD_BY_ID,
  link: LINK_GET_FD_BY_ID,
};

/** BPF_*_GET_NEXT_ID. @returns The next id above `after`, undefined if that was the last. */
export function nextId(kind: IdKind, after: number): number | undefined {
  u32(0, after);
  const result = raw(NEXT_ID[kind], 12);
  const id = view.getUint32(4, LE);
  attr.fill(0);
  if (result >= 0) return id;
  if (result === -ENOENT) return undefined;
  throw new SyscallError(`bpf(BPF_${NEXT_ID[kind][1]})`, -result);
}

/** BPF_*_GET_FD_BY_ID. @returns A file descriptor, undefined if the object is gone. */
export function fdById(kind: IdKind, id: number): number | undefined {
  u32(0, id);
  const result = raw(FD_BY_ID[kind], 12);
  attr.fill(0);
  if (result >= 0) return result;
  if (result === -ENOENT) return undefined;
  throw new SyscallError(`bpf(BPF_${FD_BY_ID[kind][1]})`, -result);
}

/** BPF_OBJ_GET_INFO_BY_FD into `info` (struct bpf_prog_info, ...). @returns Bytes that the kernel wrote. */
export function objGetInfo(fd: number, info: Buffer): number {
  u32(0, fd), u32(4, info.length), pointer(8, info);
  const result = raw(OBJ_GET_INFO_BY_FD, 16);
  const length = view.getUint32(4, LE);
  attr.fill(0);
  if (result < 0) throw new SyscallError("bpf(BPF_OBJ_GET_INFO_BY_FD)", -result);
  return length;
}

/** The types of a BTF object, as they were loaded. */
export function btfBytes(fd: number): Buffer {
  const info: Buffer = new Uint8Array(16), words = new DataView(info.buffer); // struct bpf_btf_info, its first part
  objGetInfo(fd, info);
  const bytes: Buffer = new Uint8Array(words.getUint32(8, LE));
  words.setBigUint64(0, address(bytes), LE);
  objGetInfo(fd, info);
  return bytes;
}

/** The module whose types a BTF object holds, `vmlinux` for the kernel; undefined for a program's. Needs Linux 5.11. */
export function btfModule(fd: number): string | undefined {
  const info: Buffer = new Uint8Array(32), words = new DataView(info.buffer); // struct bpf_btf_info
  const text: Buffer = new Uint8Array(64); // MODULE_NAME_LEN is 56
  words.setBigUint64(16, address(text), LE), words.setUint32(24, text.length, LE);
  objGetInfo(fd, info);
  if (!words.getUint32(28, LE)) return undefined; // kernel_btf
  return new TextDecoder().decode(text.subarray(0, text.indexOf(0)));
}

/** BPF_RAW_TRACEPOINT_OPEN; the name is undefined for tp_btf, fentry and LSM. @returns A link's file descriptor. */
export function rawTracepointOpen(progFd: number, tracepoint?: string, cookie?: bigint): number {
  pointer(0, tracepoint === undefined ? undefined : cstring(tracepoint)), u32(8, progFd), u64(16, cookie);
  return call(RAW_TRACEPOINT_OPEN, cookie ? 24 : 16, tracepoint);
}

/** `bpf_attr.link_create`, as far as all kinds of link share it. */
export interface LinkCreateAttr {
  /** Program, or map for struct_ops. */
  progFd: number;
  /** What to attach to: descriptor or interface index. */
  targetFd?: number;
  /** BPF_PERF_EVENT 41 and so on. */
  attachType: number;
  /** BPF_F_*. */
  flags?: number;
  /** A cookie for a perf event (5.15). */
  cookie?: bigint | undefined;
}

/**
 * BPF_LINK_CREATE (5.7; perf events 5.15).
 *
 * @param a What all kinds share.
 * @param more What its kind has of its own: see link_options.ts.
 * @returns The link's file descriptor.
 */
export function linkCreate(a: LinkCreateAttr, more?: Buffer): number {
  u32(0, a.progFd), u32(4, a.targetFd), u32(8, a.attachType), u32(12, a.flags), u64(16, a.cookie);
  if (more) attr.set(more, 16);
  return call(LINK_CREATE, more ? 64 : 48);
}

/** BPF_LINK_UPDATE: another program on the same link. */
export function linkUpdate(fd: number, progFd: number, oldProgFd?: number): void {
  u32(0, fd), u32(4, progFd);
  if (oldProgFd !== undefined) u32(8, 4), u32(12, oldProgFd);
  call(LINK_UPDATE, 16);
}

/** BPF_LINK_DETACH (5.9; not all kinds of link). */
export function linkDetach(fd: number): void {
  u32(0, fd);
  call(LINK_DETACH, 4);
}

/** BPF_ITER_CREATE (5.8). @returns A file descriptor to read from. */
export function iterCreate(linkFd: number, flags = 0): number {
  u32(0, linkFd), u32(4, flags);
  return call(ITER_CREATE, 8);
}

/** BPF_ENABLE_STATS (5.8): run time and count of programs, for as long as the descriptor is open. */
export function enableStats(): number {
  return call(ENABLE_STATS, 4);
}

/** BPF_PROG_ATTACH to a map of sockets or a cgroup, which has no link: it stays until {@link progDetach}. */
export function progAttach(progFd: number, targetFd: number, attachType: number): void {
  u32(0, targetFd), u32(4, progFd), u32(8, attachType);
  call(PROG_ATTACH, 20);
}

/** BPF_PROG_DETACH. */
export function progDetach(progFd: number, targetFd: number, attachType: number): void {
  u32(0, targetFd), u32(4, progFd), u32(8, attachType);
  call(PROG_DETACH, 20);
}

/** BPF_PROG_BIND_MAP (5.10): the map lives as long as the program. */
export function progBindMap(progFd: number, mapFd: number): void {
  u32(0, progFd), u32(4, mapFd);
  call(PROG_BIND_MAP, 12);
}

/** BPF_TOKEN_CREATE (6.9) from a bpf file system that delegates. @returns A file descriptor. */
export function tokenCreate(bpffsFd: number): number {
  u32(4, bpffsFd);
  return call(TOKEN_CREATE, 8);
}
