/**
 * struct_ops (Linux 5.6): a kernel's table of functions, filled with programs. The kernel takes it as the value of a map.
 *
 * @module
 */

import { type Btf, BTF_KIND_FUNC_PROTO, BTF_KIND_PTR, BTF_KIND_STRUCT, essentialName } from "../btf/btf.ts";
import { DetraceError } from "../error.ts";
import { Link } from "../links/link.ts";
import type { BpfMap } from "../maps/map.ts";
import { linkCreate } from "../sys/bpf.ts";
import { SyscallError } from "../sys/errno.ts";
import type { BpfObjectSpec, MapSpec, ProgramSpec } from "./spec.ts";

const BPF_STRUCT_OPS = 44, BPF_F_LINK = 1 << 13;
const KEY: Uint8Array<ArrayBuffer> = new Uint8Array(4);

/** A table whose place in the kernel is known. */
export interface StructOps {
  /** Bytes of the map's value. */
  readonly valueSize: number;
  /** BTF id of the value's type in the kernel: `struct bpf_struct_ops_NAME`. */
  readonly valueTypeId: number;
  /** Makes the value, when the programs are loaded: `fd` gives a program's descriptor, undefined if it is not loaded. */
  readonly value: (fd: (program: string) => number | undefined) => Uint8Array<ArrayBuffer>;
}

/**
 * Finds a table's type in the kernel, and says of each of its programs which function it is.
 *
 * @param map A map with `structOps`.
 * @param spec The object; its programs get their types.
 * @param own The object's types.
 * @param kernel The kernel's.
 * @throws {DetraceError} The kernel has no such table, or not such a member.
 */
export function prepareStructOps(map: MapSpec, spec: BpfObjectSpec, own: Btf, kernel: Btf): StructOps {
  const { typeId, bytes, programs } = map.structOps!;
  const local = own.skip(typeId), name = essentialName(own.name(local));
  const refuse = (what: string): never => {
    throw new DetraceError(`map ${map.name}: ${what}`);
  };
  const type = kernel.find(name, BTF_KIND_STRUCT);
  const valueTypeId = kernel.find(`bpf_struct_ops_${name}`, BTF_KIND_STRUCT);
  if (type === undefined || valueTypeId === undefined) {
    return refuse(`this kernel does not take a struct ${name} from programs`);
  }
  const data = member(kernel, valueTypeId, "data");
  if (data === undefined) {
    return refuse(`struct bpf_struct_ops_${name} is of a kind that the loader does not know`);
  }
  const base = kernel.memberBitOffset(valueTypeId, data) / 8;
  const value = new Uint8Array(kernel.sizeOf(valueTypeId));
  const slots: [offset: number, program: string][] = [];
  for (let i = 0; i < own.vlen(local); i++) {
    const label = own.memberName(local, i), theirs = member(kernel, type, label);
    const from = own.memberBitOffset(local, i) / 8, size = own.sizeOf(own.memberType(local, i));
    const part = bytes.subarray(from, from + size), program = programs.get(from);
    if (theirs === undefined) {
      if (program === undefined && part.every((byte) => byte === 0)) continue; // nothing is lost
      return refuse(`this kernel's struct ${name} has no member ${label}`);
    }
    const to = base + kernel.memberBitOffset(type, theirs) / 8;
    if (isFunction(own, own.memberType(local, i))) {
      if (program === undefined) continue;
      const target = spec.programs.get(program)!;
      setType(target, type, theirs, map.name);
      slots.push([to, program]);
    } else if (
      own.memberBitfieldSize(local, i) || kernel.memberBitfieldSize(type, theirs) ||
      kernel.sizeOf(kernel.memberType(type, theirs)) !== size
    ) {
      return refuse(`member ${label} has another size in this kernel's struct ${name}`);
    } else value.set(part, to);
  }
  return {
    valueSize: value.length,
    valueTypeId,
    value: (fd) => {
      const view = new DataView(value.buffer);
      for (const [offset, program] of slots) view.setBigUint64(offset, BigInt(fd(program) ?? 0), true);
      return value;
    },
  };
}

/** The index of a struct's member. */
function member(btf: Btf, id: number, name: string): number | undefined {
  for (let i = 0; i < btf.vlen(id); i++) if (btf.memberName(id, i) === name) return i;
}

function isFunction(btf: Btf, typeId: number): boolean {
  const id = btf.skip(typeId);
  return btf.kind(id) === BTF_KIND_PTR && btf.kind(btf.skip(btf.sizeOrType(id))) === BTF_KIND_FUNC_PROTO;
}

/** A program of a table is loaded for a member of the kernel's struct. */
function setType(program: ProgramSpec, attachBtfId: number, member: number, map: string): void {
  if (program.attachBtfId !== undefined && program.expectedAttachType !== member) {
    throw new DetraceError(`map ${map}: program ${program.name} is two different functions`);
  }
  program.attachBtfId = attachBtfId;
  program.expectedAttachType = member;
}

/**
 * Gives a table to the kernel.
 *
 * @param map The loaded map.
 * @param value What {@link StructOps.value} made.
 * @returns A link: with BPF_F_LINK (6.4) one of the kernel's, else closing it takes the table away.
 * @throws {SyscallError}
 */
export function attachStructOps(map: BpfMap, value: Uint8Array<ArrayBuffer>): Link {
  map.set(KEY, value);
  if (!(map.flags & BPF_F_LINK)) return new Link("table", [], { cleanup: () => void map.delete(KEY) });
  try {
    return new Link("link", [linkCreate({ progFd: map.fd, attachType: BPF_STRUCT_OPS })]);
  } catch (cause) {
    if (!(cause instanceof SyscallError) || cause.code !== "EINVAL") throw cause;
    throw new DetraceError(`map ${map.name}: this kernel has no links to struct_ops (Linux 6.4)`, {
      cause,
      hint: 'put the variable into SEC(".struct_ops")',
    });
  }
}

/** What the loader needs of this file. */
export const structOps: { prepare: typeof prepareStructOps; attach: typeof attachStructOps } = {
  prepare: prepareStructOps,
  attach: attachStructOps,
};
