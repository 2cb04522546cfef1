/**
 * What a program is loaded for, where that is fixed at loading: the BTF id of a tracepoint, a function, a hook.
 *
 * @module
 */

import { type Btf, BTF_KIND_FUNC, BTF_KIND_TYPEDEF } from "../btf/btf.ts";
import { findInKernel } from "../btf/kernel.ts";
import { DetraceError } from "../error.ts";
import { programFunction } from "../links/extension.ts";
import { btfModule, fdById, nextId } from "../sys/bpf.ts";
import { closeFd } from "../sys/door.ts";
import { readText } from "../sys/file.ts";
import { kernelVersion } from "../sys/process.ts";
import type { LoadTarget } from "./object.ts";
import type { ProgramSpec } from "./spec.ts";

const BPF_PROG_TYPE_EXT = 28;
// What stands before a target's name in BTF, by BPF_TRACE_RAW_TP, BPF_LSM_MAC, BPF_TRACE_ITER, BPF_LSM_CGROUP. The others
// are for functions.
const PREFIXES: Readonly<Record<number, string>> = {
  23: "btf_trace_",
  27: "bpf_lsm_",
  28: "bpf_iter_",
  43: "bpf_lsm_",
};
const BPF_TRACE_RAW_TP = 23, BPF_TRACE_ITER = 28;

/** The Linux that brought an iterator; those that are not here came with 5.8, the first. */
const ITERATORS: Readonly<Record<string, string>> = {
  tcp: "5.9",
  udp: "5.9",
  bpf_prog: "5.9",
  bpf_map_elem: "5.9",
  bpf_sk_storage_map: "5.9",
  sockmap: "5.10",
  task_vma: "5.12",
  unix: "5.15",
  bpf_link: "5.19",
  ksym: "6.0",
  cgroup: "6.1",
  kmem_cache: "6.13",
  dmabuf: "6.16",
};

/**
 * Finds a program's target: in the types of the running kernel and its modules, or in those of the program that it
 * extends or traces ({@link ProgramSpec.attachTo}).
 *
 * @param program The program.
 * @param kernelBtf The running kernel's types; asked only if they are needed.
 * @throws {DetraceError} There is no such thing; the message says what, and which Linux brought it.
 */
export function target(program: ProgramSpec, kernelBtf: () => Btf): LoadTarget {
  const { attachTo, expectedAttachType } = program;
  if (attachTo) {
    const attachBtfId = programFunction(attachTo, attachTo.function ?? program.target);
    return { attachProgFd: attachTo.fd, attachBtfId };
  }
  if (program.type === BPF_PROG_TYPE_EXT) {
    throw new DetraceError("which program it extends is not set", {
      hint: "set attachTo of its spec to a loaded program",
    });
  }
  if (!program.target) throw new DetraceError("its section does not say what it is for");
  const kind = expectedAttachType === BPF_TRACE_RAW_TP ? BTF_KIND_TYPEDEF : BTF_KIND_FUNC;
  const prefix = PREFIXES[expectedAttachType] ?? "";
  const found = findInKernel(kernelBtf(), kind, program.target, prefix);
  if (!found) throw missing(program, prefix, kernelBtf());
  if (found.module === undefined) return { attachBtfId: found.id };
  const attachBtfObjFd = openModule(found.module);
  return { attachBtfId: found.id, attachBtfObjFd, close: () => closeFd(attachBtfObjFd) };
}

/**
 * A descriptor of a module's types, as `attach_btf_obj_fd` takes it.
 *
 * @param name The module's.
 * @throws {DetraceError} It is no longer loaded.
 */
export function openModule(name: string): number {
  for (let id = nextId("btf", 0); id !== undefined; id = nextId("btf", id)) {
    const fd = fdById("btf", id);
    if (fd === undefined) continue;
    if (btfModule(fd) === name) return fd;
    closeFd(fd);
  }
  throw new DetraceError(`module ${name} was unloaded just now`);
}

/** The sentence for what the kernel does not have. */
function missing({ target, expectedAttachType }: ProgramSpec, prefix: string, kernel: Btf): DetraceError {
  if (expectedAttachType === BPF_TRACE_RAW_TP) {
    return new DetraceError(`this kernel has no tracepoint ${target}`);
  }
  if (expectedAttachType === BPF_TRACE_ITER) {
    const known = Object.hasOwn(ITERATORS, target) ? ` (Linux ${ITERATORS[target]})` : "";
    return new DetraceError(`this kernel has no iterator ${target}${known}`, {
      hint: "BPF iterators came with Linux 5.8, task and bpf_map first",
    });
  }
  if (prefix) {
    return kernel.find("bpf_lsm_file_open", BTF_KIND_FUNC) === undefined
      ? new DetraceError("this kernel has no BPF security hooks (Linux 5.7 with CONFIG_BPF_LSM)")
      : new DetraceError(`this kernel has no security hook ${target}`);
  }
  const [, module, name = ""] = /^(?:(.*):)?(.*)$/s.exec(target)!;
  const symbol = RegExp.escape(module === undefined ? name : `${name}\t[${module}]`);
  const [, behind] = new RegExp(` [tTwW] ${symbol}([\t\n])`).exec(readText("/proc/kallsyms")) ?? [];
  if (!behind) return new DetraceError(`this kernel has no function ${target}`);
  const ofModule = module !== undefined || behind === "\t";
  return new DetraceError(
    ofModule && kernelVersion() < 0x050b00
      ? `this kernel has no types of the functions of modules, as ${target} is one (Linux 5.11)`
      : `the kernel's types do not describe function ${target}`,
    { hint: "attach a kprobe to it instead" },
  );
}
