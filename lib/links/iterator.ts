/**
 * Iterators (Linux 5.8): programs that walk over all tasks, maps, sockets and so on, and print or pack what they see.
 *
 * A program is attached to an iterator once. Each reading walks anew.
 *
 * @module
 */

import { BTF_KIND_FUNC } from "../btf/btf.ts";
import { findInKernel, loadKernelBtf } from "../btf/kernel.ts";
import { DetraceError } from "../error.ts";
import type { Codec } from "../maps/codec.ts";
import { iterCreate, linkCreate } from "../sys/bpf.ts";
import { type Buffer, closeFd } from "../sys/door.ts";
import { SyscallError } from "../sys/errno.ts";
import { read } from "../sys/file.ts";
import { iteratorInfo, iteratorOptions } from "../sys/link_options.ts";
import { type AttachWay, type HasFd, Link } from "./link.ts";

const BPF_TRACE_ITER = 28;
const CHUNK = 1 << 16;

/** A walk over cgroups: of the first alone, down (a cgroup before those in it, or after them), or up. */
export type CgroupOrder = "self" | "descendants" | "descendantsLast" | "ancestors";

/** Enum bpf_cgroup_iter_order. */
const ORDERS: Readonly<Record<CgroupOrder, number>> = {
  self: 1,
  descendants: 2,
  descendantsLast: 3,
  ancestors: 4,
};

/** What an iterator walks over, where that is not everything. */
export interface IteratorOptions {
  /** For `bpf_map_elem` (5.9), `bpf_sk_storage_map` (5.9) and `sockmap` (5.10): the map. */
  map?: HasFd;
  /** For `cgroup` (6.1): where to begin, by descriptor of a directory or by number, else at the root; and which way. */
  cgroup?: { fd?: number; id?: bigint; order: CgroupOrder };
  /** For `task`, `task_file` and `task_vma` (6.1): one thread, or all threads of one process. */
  task?: { tid: number } | { pid: number } | { pidFd: number };
}

/**
 * Attaches a program to the iterator that it was loaded for.
 *
 * @param program A BPF_PROG_TYPE_TRACING program of `SEC("iter/NAME")`.
 * @param options What to walk over.
 * @returns A link for {@link readIterator}, {@link iteratorLines} and {@link iteratorRecords}; pinned, it is a file that
 * prints what the program prints.
 * @throws {DetraceError} The kernel's iterator does not know the option; {@link SyscallError} if the kernel refuses.
 *
 * @example
 * ```ts
 * import { Assembler, R0 } from "detrace/lib/asm/assembler.ts";
 * import { attachIterator, readIterator } from "detrace/lib/links/iterator.ts";
 * import { buildSpec } from "detrace/lib/object/build.ts";
 * import { BpfObject } from "detrace/lib/object/object.ts";
 * import { ALL_PARTS } from "detrace/lib/object/open.ts";
 * import { getuid } from "detrace/lib/sys/process.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const code = new Assembler().mov(R0, 0).exit();
 * const spec = buildSpec({ name: "example", programs: { maps: { section: "iter/bpf_map", code } } });
 * if (getuid() === 0) {
 *   using object = await new BpfObject(spec, ALL_PARTS).load();
 *   using link = attachIterator(object.programs.get("maps")!);
 *   assertEquals(readIterator(link).length, 0); // this program writes nothing
 * }
 * ```
 */
export function attachIterator(program: HasFd, options: IteratorOptions = {}): Link {
  const { map, cgroup, task } = options;
  const info = iteratorInfo({
    mapFd: map?.fd,
    cgroup: cgroup && { ...cgroup, order: ORDERS[cgroup.order] },
    task,
  });
  const link = new Link("link", [create(program, info)]);
  if (task && !hasTask(link)) {
    link.close();
    throw oneTask();
  }
  return link;
}

function create(program: HasFd, info: Buffer | undefined): number {
  try {
    const tail = info && iteratorOptions(info);
    return linkCreate({ progFd: program.fd, attachType: BPF_TRACE_ITER }, tail);
  } catch (cause) {
    if (!(cause instanceof SyscallError)) throw cause;
    if (cause.code === "E2BIG") throw oneTask(cause);
    if (cause.code !== "EBADF" || info) throw cause;
    throw new DetraceError("this iterator walks over one map, and no map was given", { cause });
  }
}

/** Whether a link keeps to a task, by tid and pid of struct bpf_link_info. Before 6.1 kernels did not look at a tid. */
function hasTask(link: Link): boolean {
  const { bytes } = link.info()!;
  return bytes.getUint32(32, true) !== 0 || bytes.getUint32(36, true) !== 0;
}

function oneTask(cause?: SyscallError): DetraceError {
  return new DetraceError("this kernel's iterators walk over all tasks, not over one (Linux 6.1)", { cause });
}

/** One walk: what the program writes, in pieces as they come. The memory of a piece is used again for the next. */
function* walk(link: HasFd): Generator<Buffer> {
  const iterator = iterCreate(link.fd);
  try {
    const buffer: Buffer = new Uint8Array(CHUNK);
    for (;;) {
      let n;
      try {
        n = read(iterator, buffer, "a BPF iterator");
      } catch (error) {
        // After a million things about which the program wrote nothing the kernel wants to be asked again.
        if (error instanceof SyscallError && error.code === "EAGAIN") continue;
        throw error;
      }
      if (n === 0) return;
      yield buffer.subarray(0, n);
    }
  } finally {
    closeFd(iterator);
  }
}

/**
 * Walks once, and gives all that the program wrote.
 *
 * @param link What {@link attachIterator} gave.
 * @throws {SyscallError} Also if the program wrote more about one thing than the kernel's buffer holds (32 KiB): E2BIG.
 */
export function readIterator(link: HasFd): Buffer {
  const pieces: Buffer[] = [];
  for (const piece of walk(link)) pieces.push(piece.slice());
  const all: Buffer = new Uint8Array(pieces.reduce((length, piece) => length + piece.length, 0));
  let at = 0;
  for (const piece of pieces) all.set(piece, at), at += piece.length;
  return all;
}

/**
 * Walks once, and gives the lines of text that the program wrote, without their ends, as they come.
 *
 * @param link What {@link attachIterator} gave.
 * @throws {SyscallError} As {@link readIterator}.
 */
export function* iteratorLines(link: HasFd): Generator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  for (const piece of walk(link)) {
    const lines = (rest + decoder.decode(piece, { stream: true })).split("\n");
    rest = lines.pop()!;
    yield* lines;
  }
  rest += decoder.decode();
  if (rest) yield rest;
}

/**
 * Walks once, and gives the records that the program wrote, as they come.
 *
 * @param link What {@link attachIterator} gave.
 * @param codec The type of a record; the program writes nothing else.
 * @throws {DetraceError} The output ends within a record; {@link SyscallError} as {@link readIterator}.
 */
export function* iteratorRecords<T>(link: HasFd, codec: Codec<T>): Generator<T> {
  const { size } = codec;
  let rest: Buffer = new Uint8Array();
  for (const piece of walk(link)) {
    const bytes: Buffer = new Uint8Array(rest.length + piece.length);
    bytes.set(rest);
    bytes.set(piece, rest.length);
    let at = 0;
    for (; at + size <= bytes.length; at += size) yield codec.decode(bytes, at);
    rest = bytes.subarray(at);
  }
  if (rest.length) {
    throw new DetraceError(`the iterator's output ends with ${rest.length} of a record's ${size} bytes`);
  }
}

/** `SEC("iter/NAME")`. For a walk over a map's entries the target is the name of a map of the same object. */
export const iterator: AttachWay = {
  attach(program, { target, maps }) {
    const map = maps.get(target);
    return attachIterator(program, map ? { map } : {});
  },
  present: ({ target }) => findInKernel(loadKernelBtf(), BTF_KIND_FUNC, target, "bpf_iter_") !== undefined,
  targetless: true,
};
