/**
 * Where the running kernel's BTF is found.
 *
 * @module
 */

import { Elf } from "../elf/elf.ts";
import { DetraceError } from "../error.ts";
import { btfBytes, fdById, objGetInfo } from "../sys/bpf.ts";
import { closeFd } from "../sys/door.ts";
import { SyscallError } from "../sys/errno.ts";
import { exists, mapFile, readAt, readDir, readFile, stat } from "../sys/file.ts";
import { kernelRelease } from "../sys/process.ts";
import { Btf } from "./btf.ts";

const SYSFS = "/sys/kernel/btf/";
const HINT =
  "boot a kernel built with CONFIG_DEBUG_INFO_BTF=y, or give a BTF file for this kernel with --btf FILE";

let known: WeakRef<Btf> | undefined;

/**
 * The running kernel's BTF: from `/sys/kernel/btf/vmlinux`, else from a vmlinux file where distributions put them.
 *
 * @param path Another file instead: raw BTF, or an ELF file with a `.BTF` section.
 * @param base What the types of that file continue, if it has split BTF.
 * @throws {DetraceError} if there is none; {SyscallError} if the file cannot be read; {BtfError} if it is damaged.
 *
 * @example
 * ```ts
 * import { loadKernelBtf } from "detrace/lib/btf/kernel.ts";
 * import { BTF_KIND_STRUCT } from "detrace/lib/btf/btf.ts";
 * import { exists } from "detrace/lib/sys/file.ts";
 * import { assert } from "@std/assert";
 *
 * if (exists("/sys/kernel/btf/vmlinux")) {
 *   const btf = loadKernelBtf();
 *   assert(btf.sizeOf(btf.find("task_struct", BTF_KIND_STRUCT)!) > 1000);
 * }
 * ```
 */
export function loadKernelBtf(path?: string, base?: Btf): Btf {
  if (path !== undefined) {
    // A pipe would be waited for, and a device has no end.
    if ((stat(path).mode & 0o170000) !== 0o100000) {
      throw new DetraceError(`'${path}' is not a regular file`, { hint: HINT });
    }
    const btf = load(path, base);
    if (!btf) throw new DetraceError(`${path} is an ELF file without a .BTF section`, { hint: HINT });
    return btf;
  }
  const kept = known?.deref();
  if (kept) return kept;
  if (exists(SYSFS + "vmlinux")) {
    const btf = Btf.parse(mapOrRead(SYSFS + "vmlinux"), { name: "kernel BTF" });
    known = new WeakRef(btf); // it is asked for again within the same second, if ever
    return btf;
  }
  const release = kernelRelease();
  for (
    const path of [
      `/boot/vmlinux-${release}`,
      `/lib/modules/${release}/vmlinux-${release}`,
      `/lib/modules/${release}/build/vmlinux`,
      `/usr/lib/modules/${release}/kernel/vmlinux`,
      `/usr/lib/debug/boot/vmlinux-${release}`,
      `/usr/lib/debug/boot/vmlinux-${release}.debug`,
      `/usr/lib/debug/lib/modules/${release}/vmlinux`,
    ]
  ) {
    const btf = exists(path) && load(path);
    if (btf) return btf;
  }
  throw new DetraceError(`the running kernel (${release}) has no BTF`, { hint: HINT });
}

/**
 * The types that one loaded module adds to the kernel's.
 *
 * @param name The module's, as `lsmod` shows it.
 * @param vmlinux The running kernel's BTF.
 * @throws {SyscallError} with code ENOENT if it is not loaded, is built in, or has no BTF.
 */
export function loadModuleBtf(name: string, vmlinux: Btf): Btf {
  return Btf.parse(readFile(SYSFS + name), { base: vmlinux, name: `BTF of module ${name}` });
}

/** Names of the loaded modules that have BTF, sorted; none if the kernel does not tell. */
export function moduleNames(): string[] {
  try {
    return readDir(SYSFS).filter((name) => name !== "vmlinux").sort();
  } catch (error) {
    if (error instanceof SyscallError) return [];
    throw error;
  }
}

/**
 * The types that each loaded module adds to the kernel's, by module name.
 *
 * @param vmlinux The running kernel's BTF.
 */
export function loadModuleBtfs(vmlinux: Btf): Map<string, Btf> {
  const all = new Map<string, Btf>();
  for (const name of moduleNames()) {
    try {
      all.set(name, loadModuleBtf(name, vmlinux));
    } catch (error) {
      // It may have been unloaded since the list was read.
      if (!(error instanceof SyscallError)) throw error;
    }
  }
  return all;
}

/** A type of the kernel or of a module. */
export interface KernelType {
  /** Its id. */
  readonly id: number;
  /** The module that has it; undefined for the kernel itself. */
  readonly module?: string;
}

/**
 * Finds a type or function: in the kernel, else in its modules.
 *
 * @param vmlinux The running kernel's BTF.
 * @param kind A `BTF_KIND_` number.
 * @param name Its name, or `MODULE:NAME`.
 * @param prefix What stands before the name itself.
 * @returns Undefined if the kernel has no such type.
 *
 * @example
 * ```ts
 * import { findInKernel, loadKernelBtf } from "detrace/lib/btf/kernel.ts";
 * import { BTF_KIND_FUNC } from "detrace/lib/btf/btf.ts";
 * import { exists } from "detrace/lib/sys/file.ts";
 * import { assertEquals } from "@std/assert";
 *
 * if (exists("/sys/kernel/btf/vmlinux")) {
 *   assertEquals(findInKernel(loadKernelBtf(), BTF_KIND_FUNC, "vfs_open")?.module, undefined);
 * }
 * ```
 */
export function findInKernel(
  vmlinux: Btf,
  kind: number,
  name: string,
  prefix = "",
): KernelType | undefined {
  const [, only, bare] = /^(?:(.*):)?(.*)$/s.exec(name)!;
  if (only === undefined || only === "vmlinux") {
    const id = vmlinux.find(prefix + bare, kind);
    if (id !== undefined) return { id };
  }
  const wanted = new TextEncoder().encode(prefix + bare);
  for (const [module, btf] of loadModuleBtfs(vmlinux)) {
    if (only !== undefined && only !== module) continue;
    // Its own types alone: find() would search the kernel's again for every module.
    for (let id = btf.firstId; id < btf.endId; id++) {
      if (btf.kind(id) === kind && btf.stringIs(btf.nameOffset(id), wanted)) return { id, module };
    }
  }
}

/**
 * The types that a program was loaded with.
 *
 * @param program A loaded program.
 * @throws {DetraceError} It has none.
 */
export function loadProgramBtf(program: { readonly fd: number }): Btf {
  const info = new Uint8Array(132); // struct bpf_prog_info up to btf_id
  objGetInfo(program.fd, info);
  const id = new DataView(info.buffer).getUint32(128, true);
  const fd = id ? fdById("btf", id) : undefined;
  if (fd === undefined) throw new DetraceError("the program was loaded without BTF");
  try {
    return Btf.parse(btfBytes(fd), { name: "the program's BTF", pointerSize: 8 });
  } finally {
    closeFd(fd);
  }
}

/** Only Linux 6.16 and later map BTF in sysfs; the mapping stays for good. */
function mapOrRead(path: string): Uint8Array {
  try {
    return mapFile(path).bytes;
  } catch (error) {
    if (error instanceof SyscallError && error.syscall === "mmap") return readFile(path);
    throw error;
  }
}

/** Raw BTF or that of an ELF file, of which no more is read than needed: a vmlinux has hundreds of megabytes. */
function load(path: string, base?: Btf): Btf | undefined {
  const { size } = stat(path);
  const read = (offset: number, length: number) => readAt(path, BigInt(offset), length);
  let bytes: Uint8Array;
  if (new DataView(read(0, 4).buffer).getUint32(0) === 0x7f454c46) {
    const elf = Elf.parse({ size, read }), section = elf.section(".BTF");
    if (!section) return undefined;
    bytes = elf.data(section);
  } else {
    bytes = readFile(path);
  }
  return Btf.parse(bytes, { name: path, ...base && { base } });
}
