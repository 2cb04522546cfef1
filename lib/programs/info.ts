/**
 * What the kernel says of the programs, maps, links and BTF objects that are in it, whoever made them.
 *
 * Layouts: struct bpf_prog_info, bpf_map_info, bpf_link_info, bpf_btf_info of include/uapi/linux/bpf.h. What an older kernel
 * does not tell is 0 or empty.
 *
 * @module
 */

import { DetraceError } from "../error.ts";
import { btfModule, fdById, type IdKind, nextId, objGetInfo } from "../sys/bpf.ts";
import { address, type Buffer, closeFd } from "../sys/door.ts";
import { kernelVersion } from "../sys/process.ts";

/** A program. */
export interface ProgramInfo {
  /** The kernel's number for it. */
  readonly id: number;
  /** BPF_PROG_TYPE_*. */
  readonly type: number;
  /** Up to 15 characters, may be empty. */
  readonly name: string;
  /** Hash of its instructions, 16 hexadecimal digits. */
  readonly tag: string;
  /** When it was loaded: ns since boot (CLOCK_BOOTTIME). */
  readonly loadTime: bigint;
  /** The user who loaded it. */
  readonly uid: number;
  /** Whether its license is compatible with the GPL. */
  readonly gplCompatible: boolean;
  /** Ids of the maps that it uses. */
  readonly mapIds: readonly number[];
  /** Id of the BTF that it was loaded with, 0 for none. */
  readonly btfId: number;
  /** Id of the BTF object (the kernel's, a module's, another program's) that it attaches to something of, 0 for none (6.0). */
  readonly attachBtfObjectId: number;
  /** The type in that of what it attaches to (6.0). */
  readonly attachBtfId: number;
  /** Network interface that it was loaded for, 0 for none. */
  readonly ifindex: number;
  /** ns that it has run, while statistics were on. */
  readonly runTimeNs: bigint;
  /** How often it has run, while statistics were on. */
  readonly runCount: bigint;
  /** How often it was not run, because it ran already on that processor (5.12). */
  readonly recursionMisses: bigint;
  /** Instructions that the verifier looked at (5.16). */
  readonly verifiedInsns: number;
  /** Bytes of its BPF instructions as the verifier left them; 0 if they may not be seen. */
  readonly xlatedLength: number;
  /** Bytes of its machine code. */
  readonly jitedLength: number;
}

/** A map. */
export interface MapDetails {
  /** The kernel's number for it. */
  readonly id: number;
  /** BPF_MAP_TYPE_*. */
  readonly type: number;
  /** Up to 15 characters, may be empty. */
  readonly name: string;
  /** Bytes of a key. */
  readonly keySize: number;
  /** Bytes of a value, in a per-CPU map of one processor's. */
  readonly valueSize: number;
  /** Number of entries; bytes for a ring buffer. */
  readonly maxEntries: number;
  /** BPF_F_*. */
  readonly flags: number;
  /** Depends on the type (5.16). */
  readonly extra: bigint;
  /** Network interface that it was made for, 0 for none. */
  readonly ifindex: number;
  /** Id of its BTF, 0 for none. */
  readonly btfId: number;
  /** Type of its keys in that. */
  readonly btfKeyTypeId: number;
  /** Type of its values in that. */
  readonly btfValueTypeId: number;
  /** For struct_ops: type of the kernel's struct. */
  readonly btfVmlinuxValueTypeId: number;
}

/** A BTF object. */
export interface BtfDetails {
  /** The kernel's number for it. */
  readonly id: number;
  /** `vmlinux`, a module's name, or empty for that of programs and maps (5.11). */
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  /** Whether its types are the kernel's own or those of a module (5.11). */
  readonly kernelBtf: boolean;
}

/** A link. */
export interface LinkDetails {
  /** The kernel's number for it. */
  readonly id: number;
  /** BPF_LINK_TYPE_*. */
  readonly type: number;
  /** The program that is attached, 0 for none. */
  readonly programId: number;
  /** What it is attached to. */
  readonly target: LinkTarget;
}

/** What a link attaches a program to. Cookies are those that bpf_get_attach_cookie() gives. */
export type LinkTarget =
  | {
    readonly kind: "raw_tracepoint";
    /** Its name. */
    readonly tracepoint: string;
    /** 6.17. */
    readonly cookie: bigint;
  }
  | {
    readonly kind: "tracing";
    /** BPF_TRACE_FENTRY and so on. */
    readonly attachType: number;
    /** Id of the BTF object of the target; of the program for an extension. */
    readonly targetObjectId: number;
    /** The target's type in that. */
    readonly targetBtfId: number;
    /** 6.17. */
    readonly cookie: bigint;
  }
  | { readonly kind: "cgroup"; readonly cgroupId: bigint; readonly attachType: number }
  | {
    readonly kind: "iter";
    /** What it goes through: `task`, `bpf_map_elem`. */
    readonly target: string;
    /** The map that it goes through, for those that go through one. */
    readonly mapId?: number;
    /** Where in the tree of control groups it begins (6.1). */
    readonly cgroupId?: bigint;
    /** BPF_CGROUP_ITER_* (6.1). */
    readonly order?: number;
    /** The only thread, 0 for all (6.1). */
    readonly tid?: number;
    /** The only process, 0 for all (6.1). */
    readonly pid?: number;
  }
  | { readonly kind: "netns"; readonly inode: number; readonly attachType: number }
  | { readonly kind: "xdp" | "tcx" | "netkit"; readonly ifindex: number; readonly attachType: number }
  | { readonly kind: "struct_ops"; readonly mapId: number }
  | { readonly kind: "tracing_multi" }
  | { readonly kind: "sockmap"; readonly mapId: number; readonly attachType: number }
  | {
    readonly kind: "netfilter";
    /** NFPROTO_IPV4 2, NFPROTO_IPV6 10. */
    readonly family: number;
    /** NF_INET_*. */
    readonly hook: number;
    readonly priority: number;
    readonly flags: number;
  }
  | {
    /** `event` is a perf event that is no probe; `unknown` where the kernel does not tell (before 6.6). */
    readonly kind: "perf_event";
    readonly event: "unknown" | "event";
    /** PERF_TYPE_*. */
    readonly type: number;
    readonly config: bigint;
    readonly cookie: bigint;
  }
  | {
    readonly kind: "perf_event";
    readonly event: "tracepoint";
    /** Its name, without a category. */
    readonly tracepoint: string;
    readonly cookie: bigint;
  }
  | {
    readonly kind: "perf_event";
    readonly event: "kprobe" | "kretprobe";
    /** The function, empty if only its address is known. */
    readonly function: string;
    /** Bytes from its start. */
    readonly offset: number;
    /** 0 if it may not be seen. */
    readonly address: bigint;
    /** How often the program was not run. */
    readonly missed: bigint;
    readonly cookie: bigint;
  }
  | {
    readonly kind: "perf_event";
    readonly event: "uprobe" | "uretprobe";
    /** The file. */
    readonly path: string;
    /** Bytes from its start. */
    readonly offset: number;
    /** Of the reference counter, 0 for none. */
    readonly refCounterOffset: bigint;
    readonly cookie: bigint;
  }
  | {
    readonly kind: "kprobe_multi";
    /** Of the functions, 0 if they may not be seen. Empty where the kernel does not tell (before 6.6). */
    readonly addresses: readonly bigint[];
    /** As many as addresses (6.9). */
    readonly cookies: readonly bigint[];
    /** BPF_F_KPROBE_MULTI_RETURN 1. */
    readonly flags: number;
    /** How often the program was not run. */
    readonly missed: bigint;
  }
  | {
    readonly kind: "uprobe_multi";
    /** The file. Empty where the kernel does not tell (before 6.8). */
    readonly path: string;
    /** Places in the file. */
    readonly offsets: readonly bigint[];
    /** Places of reference counters, 0 for none. */
    readonly refCounterOffsets: readonly bigint[];
    /** As many as offsets. */
    readonly cookies: readonly bigint[];
    /** BPF_F_UPROBE_MULTI_RETURN 1. */
    readonly flags: number;
    /** The only process, 0 for all. */
    readonly pid: number;
  }
  | { readonly kind: "unknown" };

/** Bytes for the longest path. */
const PATH_MAX = 4096;
const BPF_XDP = 37;

/** A struct that the kernel fills in. */
class Info {
  readonly view: DataView<ArrayBuffer>;
  readonly #bytes: Buffer;

  constructor(size: number) {
    this.#bytes = new Uint8Array(size);
    this.view = new DataView(this.#bytes.buffer);
  }

  /** Asks the kernel. */
  fill(fd: number): this {
    objGetInfo(fd, this.#bytes);
    return this;
  }

  u32(at: number): number {
    return this.view.getUint32(at, true);
  }

  u64(at: number): bigint {
    return this.view.getBigUint64(at, true);
  }

  /** Bytes in the struct. */
  bytes(at: number, length: number): Buffer {
    return this.#bytes.subarray(at, at + length);
  }

  /** A string of fixed length in the struct. */
  text(at: number, length: number): string {
    return text(this.bytes(at, length));
  }

  /** Tells the kernel where to write something. */
  point(at: number, memory: ArrayBufferView<ArrayBuffer>): void {
    this.view.setBigUint64(at, address(memory), true);
  }

  /** The same with the number of bytes or elements. */
  room<T extends Buffer | Uint32Array<ArrayBuffer> | BigUint64Array<ArrayBuffer>>(
    at: number,
    lengthAt: number,
    memory: T,
  ): T {
    this.point(at, memory);
    this.view.setUint32(lengthAt, memory.length, true);
    return memory;
  }
}

/** A C string. */
function text(bytes: Buffer): string {
  const end = bytes.indexOf(0);
  return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
}

/**
 * A program.
 *
 * @param fd A program's descriptor.
 * @throws {SyscallError}
 *
 * @example
 * ```ts
 * import { programs } from "detrace/lib/programs/info.ts";
 * import { getuid } from "detrace/lib/sys/process.ts";
 *
 * if (getuid() === 0) {
 *   for (const { id, name, runCount } of programs()) console.log(id, name, runCount);
 * }
 * ```
 */
export function programInfo(fd: number): ProgramInfo {
  const first = new Info(232).fill(fd), info = new Info(232);
  const maps = info.room(56, 52, new Uint32Array(first.u32(52)));
  info.fill(fd);
  return {
    id: info.u32(4),
    type: info.u32(0),
    name: info.text(64, 16),
    tag: info.bytes(8, 8).toHex(),
    loadTime: info.u64(40),
    uid: info.u32(48),
    gplCompatible: (info.u32(84) & 1) !== 0,
    mapIds: [...maps.subarray(0, info.u32(52))],
    btfId: info.u32(128),
    attachBtfObjectId: info.u32(220),
    attachBtfId: info.u32(224),
    ifindex: info.u32(80),
    runTimeNs: info.u64(192),
    runCount: info.u64(200),
    recursionMisses: info.u64(208),
    verifiedInsns: info.u32(216),
    xlatedLength: info.u32(20),
    jitedLength: info.u32(16),
  };
}

/**
 * A program's instructions as the verifier left them, 8 bytes each. Map descriptors and addresses have become ids, or 0
 * where they may not be seen.
 *
 * @param fd A program's descriptor.
 * @throws {DetraceError} If they may not be seen: this needs CAP_BPF, and the sysctl net.core.bpf_jit_harden not to hide them.
 */
export function programInstructions(fd: number): Buffer {
  const length = new Info(232).fill(fd).u32(20), info = new Info(232);
  const insns = info.room(32, 20, new Uint8Array(length));
  info.fill(fd);
  // The kernel takes the address back where it did not write anything.
  if (!length || info.u64(32) === 0n) {
    throw new DetraceError("the kernel does not show the program's instructions");
  }
  return insns;
}

/** A map, by its descriptor. @throws {SyscallError} */
export function mapInfo(fd: number): MapDetails {
  const info = new Info(88).fill(fd);
  return {
    id: info.u32(4),
    type: info.u32(0),
    name: info.text(24, 16),
    keySize: info.u32(8),
    valueSize: info.u32(12),
    maxEntries: info.u32(16),
    flags: info.u32(20),
    extra: info.u64(80),
    ifindex: info.u32(40),
    btfId: info.u32(64),
    btfKeyTypeId: info.u32(68),
    btfValueTypeId: info.u32(72),
    btfVmlinuxValueTypeId: info.u32(44),
  };
}

/** A BTF object, by its descriptor. @throws {SyscallError} */
export function btfInfo(fd: number): BtfDetails {
  const info = new Info(16).fill(fd);
  // Older kernels have neither names nor types of their own among these.
  const name = kernelVersion() < 0x050b00 ? undefined : btfModule(fd);
  return { id: info.u32(12), name: name ?? "", size: info.u32(8), kernelBtf: name !== undefined };
}

/** A link, by its descriptor. @throws {SyscallError} */
export function linkInfo(fd: number): LinkDetails {
  const info = new Info(64).fill(fd), type = info.u32(0);
  return { id: info.u32(4), type, programId: info.u32(8), target: targetOf(fd, type, info) };
}

/** What a link is attached to. `info` is what the kernel says without room for names and lists. */
function targetOf(fd: number, type: number, info: Info): LinkTarget {
  const more = new Info(64);
  switch (type) {
    case 1: { // BPF_LINK_TYPE_RAW_TRACEPOINT
      const name = more.room(16, 24, new Uint8Array(128));
      more.fill(fd);
      return { kind: "raw_tracepoint", tracepoint: text(name), cookie: info.u64(32) };
    }
    case 2: // BPF_LINK_TYPE_TRACING
      return {
        kind: "tracing",
        attachType: info.u32(16),
        targetObjectId: info.u32(20),
        targetBtfId: info.u32(24),
        cookie: info.u64(32),
      };
    case 3: // BPF_LINK_TYPE_CGROUP
      return { kind: "cgroup", cgroupId: info.u64(16), attachType: info.u32(24) };
    case 4: { // BPF_LINK_TYPE_ITER
      const name = more.room(16, 24, new Uint8Array(128));
      more.fill(fd);
      const target = text(name);
      return {
        kind: "iter",
        target,
        ...(/map/.test(target) && target !== "bpf_map" ? { mapId: more.u32(28) } : {}),
        ...(target === "cgroup" ? { cgroupId: more.u64(32), order: more.u32(40) } : {}),
        ...(target.startsWith("task") ? { tid: more.u32(32), pid: more.u32(36) } : {}),
      };
    }
    case 5: // BPF_LINK_TYPE_NETNS
      return { kind: "netns", inode: info.u32(16), attachType: info.u32(20) };
    case 6: // BPF_LINK_TYPE_XDP
      return { kind: "xdp", ifindex: info.u32(16), attachType: BPF_XDP };
    case 7: // BPF_LINK_TYPE_PERF_EVENT
      return perfTarget(fd, info);
    case 8: { // BPF_LINK_TYPE_KPROBE_MULTI
      const count = info.u32(24), cookies = new BigUint64Array(count);
      const addresses = more.room(16, 24, new BigUint64Array(count));
      if (count) {
        more.point(40, cookies);
        more.fill(fd);
      }
      return {
        kind: "kprobe_multi",
        addresses: [...addresses],
        cookies: [...cookies],
        flags: info.u32(28),
        missed: info.u64(32),
      };
    }
    case 9: // BPF_LINK_TYPE_STRUCT_OPS
      return { kind: "struct_ops", mapId: info.u32(16) };
    case 10: // BPF_LINK_TYPE_NETFILTER
      return {
        kind: "netfilter",
        family: info.u32(16),
        hook: info.u32(20),
        priority: info.u32(24) | 0,
        flags: info.u32(28),
      };
    case 11: // BPF_LINK_TYPE_TCX
      return { kind: "tcx", ifindex: info.u32(16), attachType: info.u32(20) };
    case 12: { // BPF_LINK_TYPE_UPROBE_MULTI
      const count = info.u32(52);
      const [offsets, counters, cookies] = [0, 1, 2].map(() => new BigUint64Array(count));
      const path = new Uint8Array(PATH_MAX);
      if (count) {
        more.room(24, 52, offsets!);
        more.point(32, counters!);
        more.point(40, cookies!);
        more.room(16, 48, path);
        more.fill(fd);
      }
      return {
        kind: "uprobe_multi",
        path: text(path),
        offsets: [...offsets!],
        refCounterOffsets: [...counters!],
        cookies: [...cookies!],
        flags: info.u32(56),
        pid: info.u32(60),
      };
    }
    case 13: // BPF_LINK_TYPE_NETKIT
      return { kind: "netkit", ifindex: info.u32(16), attachType: info.u32(20) };
    case 14: // BPF_LINK_TYPE_SOCKMAP
      return { kind: "sockmap", mapId: info.u32(16), attachType: info.u32(20) };
    case 15: // BPF_LINK_TYPE_TRACING_MULTI
      return { kind: "tracing_multi" };
    default:
      return { kind: "unknown" };
  }
}

/** What a link to a perf event is attached to. */
function perfTarget(fd: number, info: Info): LinkTarget {
  const kind = "perf_event", type = info.u32(16); // BPF_PERF_EVENT_*
  if (type < 1 || type > 5) {
    const event = type === 6 ? "event" : "unknown";
    return { kind, event, type: info.u32(32), config: info.u64(24), cookie: info.u64(40) };
  }
  const more = new Info(64), bytes = more.room(24, 32, new Uint8Array(PATH_MAX));
  more.fill(fd);
  const name = text(bytes);
  switch (type) {
    case 5:
      return { kind, event: "tracepoint", tracepoint: name, cookie: info.u64(40) };
    case 3:
    case 4:
      return {
        kind,
        event: type === 4 ? "kretprobe" : "kprobe",
        function: name,
        offset: info.u32(36),
        address: info.u64(40),
        missed: info.u64(48),
        cookie: info.u64(56),
      };
    default:
      return {
        kind,
        event: type === 2 ? "uretprobe" : "uprobe",
        path: name,
        offset: info.u32(36),
        refCounterOffset: info.u64(48),
        cookie: info.u64(40),
      };
  }
}

/** All objects of a kind; those that are gone when they are looked at are left out. */
function* all<T>(kind: IdKind, describe: (fd: number) => T): Generator<T> {
  for (let id = nextId(kind, 0); id !== undefined; id = nextId(kind, id)) {
    const fd = fdById(kind, id);
    if (fd === undefined) continue;
    let info: T;
    try {
      info = describe(fd);
    } finally {
      closeFd(fd);
    }
    yield info;
  }
}

/** All programs in the kernel, by ascending id. Needs CAP_SYS_ADMIN. @throws {SyscallError} */
export function programs(): Generator<ProgramInfo> {
  return all("prog", programInfo);
}

/** All maps in the kernel, by ascending id. Needs CAP_SYS_ADMIN. @throws {SyscallError} */
export function maps(): Generator<MapDetails> {
  return all("map", mapInfo);
}

/** All BTF objects in the kernel, by ascending id. Needs CAP_SYS_ADMIN. @throws {SyscallError} */
export function btfs(): Generator<BtfDetails> {
  return all("btf", btfInfo);
}

/** All links in the kernel, by ascending id (5.8). Needs CAP_SYS_ADMIN. @throws {SyscallError} */
export function links(): Generator<LinkDetails> {
  return all("link", linkInfo);
}
