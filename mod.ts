/**
 * detrace: BPF tracing in TypeScript, over Deno's FFI alone. This is what a script imports.
 *
 * ```ts ignore
 * import { openObject, RingBuffer } from "https://example.org/detrace/mod.ts";
 *
 * using object = openObject(Deno.readFileSync("my.bpf.o"), "my");
 * (await object.load()).attach();
 * using ring = new RingBuffer(object.maps.get("events")!.fd, object.maps.get("events")!.maxEntries);
 * for await (const record of ring.records()) console.log(record);
 * ```
 *
 * @module
 */

export { DetraceError } from "./lib/error.ts";
export { SyscallError } from "./lib/sys/errno.ts";

// Objects
export { BpfObject, type LoaderParts, type LoadOptions } from "./lib/object/object.ts";
export { ALL_PARTS, openObject } from "./lib/object/open.ts";
export { buildSpec, type Code, type SpecSource } from "./lib/object/build.ts";
export { readObject } from "./lib/object/read.ts";
export { arenaAddress } from "./lib/object/arena.ts";
export { type TypedGlobal, typedGlobal, typedMap } from "./lib/object/typed.ts";
export { Events, RecordView, Skeleton } from "./lib/object/skeleton.ts";
export type {
  BpfObjectSpec,
  ExternSpec,
  FunctionSpec,
  GlobalSpec,
  MapSpec,
  ProgramSpec,
  Reference,
} from "./lib/object/spec.ts";
export { type Feature, type FeatureName, FEATURES, has } from "./lib/object/features.ts";

// Programs and links
export { loadProgram, Program } from "./lib/programs/program.ts";
export {
  type BtfDetails,
  btfs,
  type LinkDetails,
  links,
  type LinkTarget,
  type MapDetails,
  maps,
  type ProgramInfo,
  programs,
} from "./lib/programs/info.ts";
export { RunStatistics, type RunTotals } from "./lib/programs/statistics.ts";
export { VerifierError, type VerifierErrorOptions } from "./lib/programs/verifier_error.ts";
export { verifierAdvice, verifierHint } from "./lib/programs/hints.ts";
export { type HasFd, Link, type LinkKind, type LinkRoute } from "./lib/links/link.ts";
export { attachKprobe, attachKsyscall, type KprobeOptions } from "./lib/links/kprobe.ts";
export { attachKprobeMulti } from "./lib/links/kprobe_multi.ts";
export { attachUprobe } from "./lib/links/uprobe.ts";
export { attachUprobeMulti } from "./lib/links/uprobe_multi.ts";
export { attachUsdt } from "./lib/links/usdt.ts";
export { attachPerfEvents, type PerfEvent } from "./lib/links/perf_event.ts";
export { attachIterator, iteratorLines, iteratorRecords, readIterator } from "./lib/links/iterator.ts";
export { attachCgroup } from "./lib/links/cgroup.ts";
export { attachXdp } from "./lib/links/xdp.ts";
export { attachTc, attachTcAction } from "./lib/links/tc.ts";
export { attachTcx } from "./lib/links/tcx.ts";
export { attachNetkit } from "./lib/links/netkit.ts";
export { attachNetfilter } from "./lib/links/netfilter.ts";
export { attachFlowDissector, attachSkLookup } from "./lib/links/net_namespace.ts";
export { attachReuseport, attachSocketFilter, attachSocketMap } from "./lib/links/socket.ts";
export { attachLwt } from "./lib/links/lwt.ts";
export { attachLirc } from "./lib/links/lirc.ts";
export { attachStructOps } from "./lib/object/struct_ops.ts";
export { attachExtension } from "./lib/links/extension.ts";
export { attachLoaded, canAttachFentry } from "./lib/links/tracing.ts";
export { attachRawTracepoint, attachTracepoint } from "./lib/links/tracepoint.ts";
export { hasTracepoint } from "./lib/links/tracefs.ts";

// Maps and buffers
export { BpfMap, type MapInfo } from "./lib/maps/map.ts";
export { deleteAll, updateAll } from "./lib/maps/batch.ts";
export { TypedMap } from "./lib/maps/typed_map.ts";
export { type Codec, codec } from "./lib/maps/codec.ts";
export { RingBuffer } from "./lib/maps/ring_buffer.ts";
export { UserRingBuffer } from "./lib/maps/user_ring_buffer.ts";
export { PerfBuffer } from "./lib/maps/perf_buffer.ts";
export type { ConsumeOptions } from "./lib/maps/consumer.ts";
export { readStack } from "./lib/maps/stack_traces.ts";

// Types, relocation, files, symbols, instructions
export { Btf, BtfError } from "./lib/btf/btf.ts";
export { type BtfMember, type BtfType, decodeType } from "./lib/btf/decode.ts";
export { BtfBuilder } from "./lib/btf/build.ts";
export { loadKernelBtf } from "./lib/btf/kernel.ts";
export { printAll, printType } from "./lib/btf/print.ts";
export { CoreError, CoreRelocator } from "./lib/core/core.ts";
export { Elf, ElfError } from "./lib/elf/elf.ts";
export { Kallsyms } from "./lib/symbols/kallsyms.ts";
export { ProcessSymbols } from "./lib/symbols/process.ts";
export { Assembler } from "./lib/asm/assembler.ts";
export { disassemble } from "./lib/asm/disassemble.ts";
