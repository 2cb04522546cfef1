/**
 * BTF that the kernel holds by number: of programs and maps, and of itself.
 *
 * @module
 */

import { DetraceError } from "../error.ts";
import { btfBytes, btfModule, fdById, type IdKind, objGetInfo } from "../sys/bpf.ts";
import { type Buffer, Fd } from "../sys/door.ts";
import { SyscallError } from "../sys/errno.ts";
import { kernelVersion } from "../sys/process.ts";
import { Btf } from "./btf.ts";
import { loadKernelBtf, loadProgramBtf } from "./kernel.ts";

function openId(kind: IdKind, id: number): Fd {
  const what = `${kind === "prog" ? "program" : kind === "map" ? "map" : "BTF"} ${id}`;
  try {
    const fd = id > 0xffffffff ? undefined : fdById(kind, id);
    if (fd !== undefined) return new Fd(fd);
  } catch (cause) {
    if (!(cause instanceof SyscallError) || cause.code !== "EPERM") throw cause;
    throw new DetraceError(`cannot open ${what}: this needs the capability CAP_SYS_ADMIN`, {
      cause,
      hint: "run it as root, for example with sudo",
    });
  }
  throw new DetraceError(`there is no ${what}`);
}

/**
 * A BTF object by its id; that of a module on top of the kernel's.
 *
 * @param id As `bpftool btf list` shows it.
 * @throws {DetraceError} if there is none, or without CAP_SYS_ADMIN.
 */
export function loadBtfById(id: number): Btf {
  using fd = openId("btf", id);
  // No kernel before 5.11 holds its own types by number.
  const module = kernelVersion() < 0x050b00 ? undefined : btfModule(fd.fd);
  const base = module === undefined || module === "vmlinux" ? undefined : loadKernelBtf();
  return Btf.parse(btfBytes(fd.fd), { name: `BTF ${id}`, pointerSize: 8, ...base && { base } });
}

/**
 * The types that a program was loaded with.
 *
 * @param id As `bpftool prog list` shows it.
 * @throws {DetraceError} if there is no such program, or it has none.
 */
export function loadBtfOfProgram(id: number): Btf {
  using fd = openId("prog", id);
  return loadProgramBtf(fd);
}

/**
 * The types that a map was made with, and which of them are its key's and its value's.
 *
 * @param id As `bpftool map list` shows it.
 * @throws {DetraceError} if there is no such map, or it has none.
 */
export function loadBtfOfMap(id: number): { btf: Btf; key: number; value: number } {
  using fd = openId("map", id);
  const info: Buffer = new Uint8Array(76); // struct bpf_map_info up to btf_value_type_id
  objGetInfo(fd.fd, info);
  const [btf = 0, key = 0, value = 0] = new Uint32Array(info.buffer, 64);
  if (!btf) throw new DetraceError(`map ${id} was made without BTF`);
  return { btf: loadBtfById(btf), key, value };
}
