/**
 * Where the running kernel's BTF is found.
 *
 * @module
 */

import { Elf } from "../elf/elf.ts";
import { DetraceError } from "../error.ts";
import { SyscallError } from "../sys/errno.ts";
import { exists, mapFile, readAt, readDir, readFile, stat } from "../sys/file.ts";
import { kernelRelease } from "../sys/process.ts";
import { Btf } from "./btf.ts";

const SYSFS = "/sys/kernel/btf/";
const HINT =
  "boot a kernel built with CONFIG_DEBUG_INFO_BTF=y, or give a BTF file for this kernel with --btf FILE";

/**
 * The running kernel's BTF: from `/sys/kernel/btf/vmlinux`, else from a vmlinux file where distributions put them.
 *
 * @param path Another file instead: raw BTF, or an ELF file with a `.BTF` section.
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
export function loadKernelBtf(path?: string): Btf {
  if (path !== undefined) {
    // A pipe would be waited for, and a device has no end.
    if ((stat(path).mode & 0o170000) !== 0o100000) {
      throw new DetraceError(`'${path}' is not a regular file`, { hint: HINT });
    }
    const btf = load(path);
    if (!btf) throw new DetraceError(`${path} is an ELF file without a .BTF section`, { hint: HINT });
    return btf;
  }
  if (exists(SYSFS + "vmlinux")) return Btf.parse(mapOrRead(SYSFS + "vmlinux"), { name: "kernel BTF" });
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
export function loadModuleBtfs(vmlinux: Btf): Btf[] {
  return moduleNames().flatMap((name) => {
    try {
      return [loadModuleBtf(name, vmlinux)];
    } catch (error) {
      // It may have been unloaded since the list was read.
      if (error instanceof SyscallError) return [];
      throw error;
    }
  });
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
function load(path: string): Btf | undefined {
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
  return Btf.parse(bytes, { name: path });
}
