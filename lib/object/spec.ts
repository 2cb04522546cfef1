/**
 * What an object file says, as plain data: programs, maps, globals, externs and their types. No descriptor, no kernel.
 *
 * Both front ends (the ELF reader, and programs built in TypeScript) make a spec; the loader takes it from there.
 *
 * @module
 */

import type { Btf } from "../btf/btf.ts";
import type { CoreRelocation } from "../core/core.ts";
import type { BpfMap } from "../maps/map.ts";

/** A place in a function's instructions that names something whose address is known only at load time. */
export interface Reference {
  /** Instruction index in the function. */
  readonly insn: number;
  /**
   * - `map`: the descriptor of a map;
   * - `data`: the address of a byte in a global data map;
   * - `call`: a call of a subprogram; `function`: the address of one;
   * - `extern`: the value or address of a `.kconfig` or `.ksyms` variable; `kfunc`: a call of a kernel function.
   */
  readonly kind: "map" | "data" | "call" | "function" | "extern" | "kfunc";
  /** Name of the map, function or extern. */
  readonly symbol: string;
  /** For `data`: bytes from the start of the map's value. */
  readonly offset?: number;
}

/** A function: a program's entry or a subprogram. */
export interface FunctionSpec {
  /** The symbol's name. */
  readonly name: string;
  /** Instructions, 8 bytes each, as the compiler left them. */
  readonly insns: Uint8Array<ArrayBuffer>;
  /** Symbolic references. */
  readonly references: readonly Reference[];
  /** CO-RE relocations; offsets in bytes from the function's start. */
  readonly coreRelocations: readonly CoreRelocation[];
  /** BTF id of the function's type, 0 for none. */
  readonly typeId: number;
  /**
   * Source lines, ascending, four words each (struct bpf_line_info, include/uapi/linux/bpf.h): instruction index in the
   * function, offsets of the file's name and of the line's text in the BTF strings, `line << 10 | column`.
   */
  readonly lines: Uint32Array<ArrayBuffer>;
}

/** A program: a function that the kernel calls. */
export interface ProgramSpec extends FunctionSpec {
  /** BPF_PROG_TYPE_*. */
  type: number;
  /** BPF_TRACE_* and so on, 0 for none. */
  expectedAttachType: number;
  /** BPF_F_*. */
  flags: number;
  /** How it attaches, the section's first word in its full form: `tracepoint`, `raw_tp`, `tp_btf`; empty: not by itself. */
  attach: string;
  /** What it attaches to, the rest of the section's name: `syscalls/sys_enter_openat`. */
  target: string;
  /** Whether `load()` loads it; off for sections that begin with `?`. */
  autoload: boolean;
  /** BTF id in the kernel of what it is loaded for, where that is known without the section's name (struct_ops). */
  attachBtfId?: number;
  /**
   * A loaded program that this one extends (freplace) or traces (fentry, fexit), in place of the kernel: `fd` is its
   * descriptor, `function` one of its functions if not {@link target}. Set it before loading.
   */
  attachTo?: { readonly fd: number; readonly function?: string };
  /** BTF ids to load functions with, by their own: for kernels that do not know `__arg_ctx`. Set when it is loaded. */
  typeIds?: ReadonlyMap<number, number> | undefined;
}

/** A map to be made. Sizes in bytes. */
export interface MapSpec {
  /** Name in the object; a global data map has its section's name. */
  readonly name: string;
  /** BPF_MAP_TYPE_*. */
  type: number;
  /** Bytes of a key. */
  keySize: number;
  /** Bytes of a value. */
  valueSize: number;
  /** Number of entries; bytes for a ring buffer; 0 for a per-CPU type: as many as processors. */
  maxEntries: number;
  /** BPF_F_*. */
  flags: number;
  /** BTF id of the key's type, 0 for none. */
  keyTypeId: number;
  /** BTF id of the value's type, 0 for none. */
  valueTypeId: number;
  /** Pin by name below the bpf file system: shared with every object that has a map of that name. */
  pinByName: boolean;
  /** A path in a bpf file system to pin it at, instead of by name. */
  pinPath?: string;
  /** A map to use in place of a new one. Stays open, whatever happens to the object. */
  reuse?: BpfMap;
  /** NUMA node, with BPF_F_NUMA_NODE. */
  numaNode: number;
  /** What the map type makes of it. */
  extra: bigint;
  /** Shape of the inner maps of a map-in-map. */
  inner?: MapSpec;
  /** What stands in the slots of a map-in-map or a program array: names of maps or programs. */
  values?: Map<number, string>;
  /** Value of a global data map; the variables in an arena, which lie at its start. */
  data?: Uint8Array<ArrayBuffer>;
  /** For BPF_MAP_TYPE_STRUCT_OPS: what the kernel is to be given. */
  structOps?: StructOpsSpec;
}

/** A table of functions for the kernel, as a variable in `.struct_ops` or `.struct_ops.link`. */
export interface StructOpsSpec {
  /** BTF id of the variable's type, a struct called as the kernel's. */
  readonly typeId: number;
  /** The variable's value, without the functions. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Programs by the offset in bytes of the member that they are the value of. */
  readonly programs: Map<number, string>;
}

/** A global variable. */
export interface GlobalSpec {
  /** Its name. */
  readonly name: string;
  /** The global data map (section), or the arena, that it lies in. */
  readonly map: string;
  /** Bytes from the start of that. */
  readonly offset: number;
  /** Bytes. */
  readonly size: number;
  /** BTF id of its type. */
  readonly typeId: number;
}

/** Something outside the object: a kernel configuration value, a kernel symbol or a kernel function. */
export interface ExternSpec {
  /** Its name. */
  readonly name: string;
  /** The section it is declared in. */
  readonly section: ".kconfig" | ".ksyms";
  /** Reads as zero where it is missing. */
  readonly weak: boolean;
  /** BTF id of its type: a FUNC for functions, else the variable's type. */
  readonly typeId: number;
  /** A function. */
  readonly isFunction: boolean;
  /** For `.kconfig`: offset of its value in the map. */
  offset?: number;
}

/** An object: everything that a file says, before any kernel has seen it. */
export interface BpfObjectSpec {
  /** The object's name, for names of maps and for messages. */
  readonly name: string;
  /** License; the kernel keeps some helpers for `GPL`. */
  license: string;
  /** LINUX_VERSION_CODE that old kprobes need, 0 for none. */
  version: number;
  /** Types; undefined if the object has none, or nobody has parsed {@link btfBytes} yet. */
  btf: Btf | undefined;
  /** Types as they are loaded: sizes and offsets of data sections filled in. */
  readonly btfBytes: Uint8Array<ArrayBuffer> | undefined;
  /**
   * The kernel does not need the types for anything in the object, so they are not loaded: a tool starts sooner, and
   * `bpftool` shows its maps and programs without names of types and source lines.
   */
  btfIsOptional?: boolean;
  /** Programs by name. */
  readonly programs: Map<string, ProgramSpec>;
  /** Subprograms by name. */
  readonly functions: Map<string, FunctionSpec>;
  /** Maps by name. */
  readonly maps: Map<string, MapSpec>;
  /** Global variables by name. */
  readonly globals: Map<string, GlobalSpec>;
  /** Externs by name. */
  readonly externs: Map<string, ExternSpec>;
}
