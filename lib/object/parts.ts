/**
 * The parts of the loader that only some objects need: externs, and BTF that older kernels do not know.
 *
 * @module
 */

import { contextArguments, nameContexts } from "../btf/arg_ctx.ts";
import { Btf } from "../btf/btf.ts";
import { loadModuleBtfs } from "../btf/kernel.ts";
import { sanitizeBtf } from "../btf/sanitize.ts";
import { Kallsyms } from "../symbols/kallsyms.ts";
import { ARCH, closeFd } from "../sys/door.ts";
import { kernelVersion } from "../sys/process.ts";
import { kconfigMap, linkExtern, resolveExterns } from "./externs.ts";
import { readKernelConfig } from "./kernel_config.ts";
import type { LoaderParts, LoadOptions } from "./object.ts";
import { LOADER, type LoaderFeature, supports } from "./probe.ts";
import type { BpfObjectSpec } from "./spec.ts";
import { openModule } from "./target.ts";

const has = (name: LoaderFeature) => supports(LOADER[name]);

/** Values of externs, from the running kernel. */
export function externs(
  spec: BpfObjectSpec,
  options: LoadOptions,
  kernelBtf: () => Btf,
): ReturnType<NonNullable<LoaderParts["externs"]>> {
  let symbols: Kallsyms | undefined;
  const kallsyms = () => symbols ??= Kallsyms.load();
  const resolved = resolveExterns(spec, {
    kernelBtf,
    modules: () => loadModuleBtfs(kernelBtf()),
    kallsyms,
    kconfig: options.kconfig,
    readKconfig: readKernelConfig,
    kernelVersion,
    hasBpfCookie: () => has("bpfCookie"),
    hasSyscallWrapper: () =>
      kallsyms().lookup(ARCH === "x86" ? "__x64_sys_bpf" : "__arm64_sys_bpf").length > 0,
  });
  // The same descriptor for all of a module: programs have room for a few.
  const fds = new Map<string, number>();
  for (const value of resolved.values.values()) {
    if (value.kind !== "btf" || value.module === undefined) continue;
    const fd = fds.get(value.module) ?? openModule(value.module);
    fds.set(value.module, value.fd = fd);
  }
  const names = [...spec.externs.keys()];
  return {
    link: (name, insn) => linkExtern(resolved.values.get(name), names.indexOf(name), insn),
    kconfig: resolved.kconfig && kconfigMap(resolved.kconfig),
    close: () => {
      for (const fd of fds.values()) closeFd(fd);
    },
  };
}

/** BTF without what the running kernel does not know. */
export function sanitize(btf: Btf): Uint8Array<ArrayBuffer> {
  return sanitizeBtf(btf, {
    func: has("btfFunc"),
    datasec: has("btfDatasec"),
    funcGlobal: has("btfFuncGlobal"),
    float: has("btfFloat"),
    declTag: has("btfDeclTag"),
    typeTag: has("btfTypeTag"),
    enum64: has("btfEnum64"),
    qmarkDatasec: false,
  });
}

/**
 * Types for a kernel that does not know `__arg_ctx` (Linux before 6.8); undefined if this one does, or nothing has the tag.
 * Programs get the ids of their functions in them.
 */
export function argCtx(spec: BpfObjectSpec, btf: Btf): Uint8Array<ArrayBuffer> | undefined {
  if (!contextArguments(btf).size || has("argCtx")) return undefined;
  const programs = [...spec.programs.values()];
  const named = nameContexts(btf, programs.map(({ type }) => type));
  if (!named) return undefined;
  for (const program of programs) program.typeIds = named.functions.get(program.type);
  spec.btf = Btf.parse(named.bytes, { name: `${spec.name}'s BTF`, pointerSize: 8 });
  return named.bytes;
}
