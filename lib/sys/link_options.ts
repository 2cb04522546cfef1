/**
 * The tail of `bpf_attr.link_create` (include/uapi/linux/bpf.h): what each kind of link has of its own. One function a kind;
 * each gives the bytes from offset 16 on, for {@link linkCreate}.
 *
 * @module
 */

import { address, type Buffer, cstring } from "./door.ts";

function bytes(length: number, fill: (view: DataView<ArrayBuffer>) => void): Buffer {
  const view = new DataView(new ArrayBuffer(length));
  fill(view);
  return new Uint8Array(view.buffer);
}

function pointer(view: DataView, at: number, memory: ArrayBufferView<ArrayBuffer> | undefined): void {
  if (memory) view.setBigUint64(at, address(memory), true);
}

/** fentry, fexit, fmod_ret, LSM, tp_btf (cookie: 5.19); freplace and BPF programs as targets: a BTF id of the target's. */
export function tracingOptions(options: { targetBtfId?: number; cookie?: bigint }): Buffer {
  return bytes(16, (view) => {
    view.setUint32(0, options.targetBtfId ?? 0, true);
    view.setBigUint64(8, options.cookie ?? 0n, true);
  });
}

/** What an iterator walks over: `union bpf_iter_link_info`; undefined for everything. */
export function iteratorInfo(options: {
  /** A map (5.9). */
  mapFd?: number | undefined;
  /** A directory's descriptor or a cgroup's number, and enum bpf_cgroup_iter_order (6.1). */
  cgroup?: { fd?: number; id?: bigint; order: number } | undefined;
  /** A thread or a process (6.1). */
  task?: { tid?: number; pid?: number; pidFd?: number } | undefined;
}): Buffer | undefined {
  const { mapFd, cgroup, task } = options;
  if (mapFd === undefined && !cgroup && !task) return undefined;
  return bytes(16, (view) => {
    view.setUint32(0, mapFd ?? cgroup?.order ?? task?.tid ?? 0, true);
    view.setUint32(4, cgroup?.fd ?? task?.pid ?? 0, true);
    if (cgroup) view.setBigUint64(8, cgroup.id ?? 0n, true);
    else view.setUint32(8, task?.pidFd ?? 0, true);
  });
}

/** BPF_TRACE_ITER: what {@link iteratorInfo} made. */
export function iteratorOptions(info: Buffer): Buffer {
  return bytes(16, (view) => {
    pointer(view, 0, info);
    view.setUint32(8, info.length, true);
  });
}

/** BPF_TRACE_KPROBE_MULTI (5.18). Symbols or addresses, as many cookies as there are of them. */
export function kprobeMultiOptions(options: {
  /** BPF_F_KPROBE_MULTI_RETURN 1. */
  flags: number;
  /** Names of functions. */
  symbols?: readonly string[];
  /** Addresses of functions. */
  addresses?: BigUint64Array<ArrayBuffer>;
  /** A cookie for each. */
  cookies?: BigUint64Array<ArrayBuffer> | undefined;
}): Buffer {
  const { flags, symbols, addresses, cookies } = options;
  return bytes(32, (view) => {
    view.setUint32(0, flags, true);
    view.setUint32(4, symbols?.length ?? addresses?.length ?? 0, true);
    if (symbols) pointer(view, 8, new BigUint64Array(symbols.map((name) => address(cstring(name)))));
    pointer(view, 16, addresses);
    pointer(view, 24, cookies);
  });
}

/** BPF_TRACE_UPROBE_MULTI (6.6). */
export function uprobeMultiOptions(options: {
  /** The file. */
  path: string;
  /** Places in the file. */
  offsets: BigUint64Array<ArrayBuffer>;
  /** Places of reference counters in the file, one for each offset. */
  refCounterOffsets?: BigUint64Array<ArrayBuffer> | undefined;
  /** A cookie for each offset. */
  cookies?: BigUint64Array<ArrayBuffer> | undefined;
  /** BPF_F_UPROBE_MULTI_RETURN 1. */
  flags: number;
  /** Only in this process; 0 for all. */
  pid?: number | undefined;
}): Buffer {
  return bytes(48, (view) => {
    pointer(view, 0, cstring(options.path));
    pointer(view, 8, options.offsets);
    pointer(view, 16, options.refCounterOffsets);
    pointer(view, 24, options.cookies);
    view.setUint32(32, options.offsets.length, true);
    view.setUint32(36, options.flags, true);
    view.setUint32(40, options.pid ?? 0, true);
  });
}

/** BPF_NETFILTER (6.4). */
export function netfilterOptions(options: {
  /** NFPROTO_IPV4 2, NFPROTO_IPV6 10. */
  family: number;
  /** NF_INET_*. */
  hook: number;
  /** Lower runs first. */
  priority: number;
  /** BPF_F_NETFILTER_IP_DEFRAG 1. */
  flags?: number;
}): Buffer {
  return bytes(16, (view) => {
    view.setUint32(0, options.family, true);
    view.setUint32(4, options.hook, true);
    view.setInt32(8, options.priority, true);
    view.setUint32(12, options.flags ?? 0, true);
  });
}

/** TCX (6.6), netkit (6.7), cgroup (6.17): a place among the programs that are there. */
export function orderOptions(options: { relative?: number; expectedRevision?: bigint }): Buffer {
  return bytes(16, (view) => {
    view.setUint32(0, options.relative ?? 0, true);
    view.setBigUint64(8, options.expectedRevision ?? 0n, true);
  });
}
