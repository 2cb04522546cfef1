/**
 * Spec → kernel: maps made, globals filled in, programs relocated and verified, and all of it closed again.
 *
 * @module
 */

import type { Btf } from "../btf/btf.ts";
import type { CorePoison, CoreRelocator } from "../core/core.ts";
import { DetraceError } from "../error.ts";
import type { AttachRequest, AttachWay, Link } from "../links/link.ts";
import { fieldOffset } from "../links/tracefs.ts";
import { BpfMap } from "../maps/map.ts";
import { loadProgram, Program } from "../programs/program.ts";
import type { VerifierAdviser } from "../programs/verifier_error.ts";
import { btfLoad, mapCreate, type MapCreateAttr, type ProgLoadAttr } from "../sys/bpf.ts";
import { closeFd, type Mapping } from "../sys/door.ts";
import { SyscallError } from "../sys/errno.ts";
import { kernelVersion, pageSize, possibleCpus } from "../sys/process.ts";
import type { BpfObjectSpec, FunctionSpec, MapSpec, ProgramSpec } from "./spec.ts";
import type { StructOps } from "./struct_ops.ts";

const BPF_PSEUDO_MAP_FD = 1, BPF_PSEUDO_MAP_VALUE = 2, BPF_PSEUDO_FUNC = 4, BPF_PSEUDO_CALL = 1;
const POISONED_MAP = 2001000000;
const BPF_MAP_TYPE_HASH_OF_MAPS = 13, BPF_MAP_TYPE_PERF_EVENT_ARRAY = 4, BPF_MAP_TYPE_RINGBUF = 27;
const BPF_MAP_TYPE_USER_RINGBUF = 31, BPF_MAP_TYPE_ARENA = 33;
const BPF_F_RDONLY_PROG = 1 << 7, BPF_F_MMAPABLE = 1 << 10;
// Types whose keys and values are not described to the kernel by BTF (they hold descriptors or nothing).
const WITHOUT_BTF = new Set([3, 4, 7, 8, 12, 13, 14, 15, 16, 17, 18, 25, 27, 31, 33]);

/** BPF_PROG_TYPE_* that are loaded for something: TRACING, STRUCT_OPS, EXT, LSM. */
export const TARGETED: ReadonlySet<number> = new Set([26, 27, 28, 29]);

/** How an object is loaded. */
export interface LoadOptions {
  /** A BTF file to relocate against, instead of the running kernel's. */
  btf?: string | undefined;
  /** Text of a kernel configuration for `.kconfig` externs, instead of the running kernel's. */
  kconfig?: string | undefined;
  /** Directory of a bpf file system for maps that are pinned by name, `/sys/fs/bpf` if not given. */
  pinRoot?: string | undefined;
}

/** What only some objects need, kept apart so that a tool does not carry it for nothing. See parts.ts. */
export interface LoaderParts {
  /** Finds the values of `.kconfig` and `.ksyms` externs. */
  externs?: (
    spec: BpfObjectSpec,
    options: LoadOptions,
    kernelBtf: () => Btf,
  ) => {
    /** Binds an instruction to an extern. */
    readonly link: (name: string, insn: ReferringInsn) => void;
    /** The map of `.kconfig`'s values, undefined if there are none. */
    readonly kconfig: MapSpec | undefined;
    /** Lets go of modules, once all programs are loaded. */
    readonly close: () => void;
  };
  /** Makes BTF fit for a kernel that did not take it. */
  sanitize?: (btf: Btf) => Uint8Array<ArrayBuffer>;
  /** Describes contexts to a kernel that does not know `__arg_ctx`: types to load in place of the object's. */
  argCtx?: (spec: BpfObjectSpec, btf: Btf) => Uint8Array<ArrayBuffer> | undefined;
  /** Finds and makes pinned maps. */
  pinning?: {
    readonly check: (map: MapSpec, found: BpfMap) => void;
    readonly find: (map: MapSpec, options: LoadOptions) => BpfMap | undefined;
    readonly pin: (map: MapSpec, made: BpfMap, options: LoadOptions) => (() => void) | undefined;
  };
  /** Maps an arena into this process, and gives a `fresh` one its first content. */
  arena?: (map: MapSpec, made: BpfMap, fresh: boolean) => Mapping;
  /** Says why a kernel does not take a map; undefined where the kernel's own words are all that is known. */
  mapError?: (map: MapSpec, cause: SyscallError) => string | undefined;
  /** Prepares and attaches struct_ops. */
  structOps?: {
    readonly prepare: (map: MapSpec, spec: BpfObjectSpec, own: Btf, kernel: Btf) => StructOps;
    readonly attach: (map: BpfMap, value: Uint8Array<ArrayBuffer>) => Link;
  };
  /** Knows what to do about what the verifier says. */
  advise?: VerifierAdviser;
  /** Knows which Linux brought the programs that the oldest kernels do not load. */
  newerThan?: (version: number, program: ProgramSpec) => string | undefined;
  /** Ways to attach, by their names in {@link ProgramSpec.attach}. */
  ways?: Readonly<Record<string, AttachWay>>;
  /** Finds what a program is loaded for where that is fixed at loading: fentry, LSM, iterators and so on. */
  target?: (program: ProgramSpec, kernelBtf: () => Btf) => LoadTarget;
}

/** What a program is loaded for: the part of `bpf_attr` that says it. */
export type LoadTarget = Pick<ProgLoadAttr, "attachBtfId" | "attachProgFd" | "attachBtfObjFd"> & {
  /** Closes `attachBtfObjFd` when the program is loaded. */
  readonly close?: () => void;
};

/** An instruction that refers to something whose number is known now. */
export interface ReferringInsn {
  /** It calls; else it loads an address or a value of 64 bits. */
  readonly call: boolean;
  /** Sets its source register's field, BPF_PSEUDO_*, and its constant: of a load in two halves. */
  readonly set: (pseudo: number, low: number, high?: number) => void;
  /** Makes it load the address of a byte of a map's value. */
  readonly data: (map: string, offset: number) => void;
  /** Says in which module a called function is: a descriptor of its BTF. */
  readonly module: (fd: number) => void;
}

/** How a program is attached, beyond what its section says. */
export interface AttachOptions {
  /** What `bpf_get_attach_cookie()` gives (5.15 or later, see the way). */
  cookie?: bigint | undefined;
  /** Only in this process, for the ways that can. */
  pid?: number | undefined;
}

/**
 * A BPF object in this process: first a spec that can still be changed, after {@link load} maps and programs in the kernel.
 * It owns them: closing it (or leaving the `using` scope) detaches and closes all.
 */
export class BpfObject implements Disposable {
  /** What is loaded. Change it before {@link load}. */
  readonly spec: BpfObjectSpec;
  /** Loaded maps by name. */
  readonly maps: Map<string, BpfMap> = new Map();
  /** Loaded programs by name. */
  readonly programs: Map<string, Program> = new Map();
  /** Links made by {@link attach}. */
  readonly links: Link[] = [];
  readonly #parts: LoaderParts;
  readonly #mappings = new Map<string, Mapping>();
  readonly #views = new Map<string, DataView<ArrayBuffer>>();
  readonly #tables: Map<string, StructOps> = new Map();
  #begun = false;
  #loaded = false;
  #closed = false;

  /**
   * Wraps a spec. Nothing is asked of the kernel yet. `parts`: what the object needs of the loader beyond the common;
   * generated skeletons bring just that, `openObject()` of open.ts everything.
   */
  constructor(spec: BpfObjectSpec, parts: LoaderParts = {}) {
    this.spec = spec;
    this.#parts = parts;
  }

  /**
   * The bytes of a global data section: before {@link load} the initial values, to be changed at will; afterwards the
   * kernel's own memory, shared with the running programs (`.rodata` can no longer be changed then). Of an arena: before
   * {@link load} the initial values of the variables in it, afterwards all of it.
   *
   * @param section `.rodata`, `.data`, `.bss` or a custom one, or the name of an arena.
   */
  data(section: string): DataView<ArrayBuffer> {
    let view = this.#views.get(section);
    if (!view) {
      const bytes = this.spec.maps.get(section)?.data;
      if (!bytes) throw new DetraceError(`${this.spec.name} has no section ${section}`);
      this.#views.set(section, view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength));
    }
    return view;
  }

  /** Whether {@link load} has been done. */
  get loaded(): boolean {
    return this.#loaded;
  }

  /**
   * Makes the maps, and loads the programs whose `autoload` is on. If anything fails, nothing is left behind.
   *
   * @throws {DetraceError} What failed and why: `VerifierError` for a program that the kernel refuses, `CoreError` for a
   * relocation that cannot be done.
   */
  async load(options: LoadOptions = {}): Promise<this> {
    if (this.#begun) throw new DetraceError(`${this.spec.name} is loaded already`);
    this.#begun = true;
    const loader = new Loader(
      this.spec,
      this.#parts,
      options,
      this.maps,
      this.programs,
      this.#tables,
      this.#mappings,
    );
    try {
      await loader.load();
      if (this.#closed) throw new DetraceError(`${this.spec.name} was closed while it was loaded`);
      this.#loaded = true;
      for (const map of this.spec.maps.values()) this.#share(map);
    } catch (error) {
      loader.undo();
      this.close();
      throw error;
    } finally {
      loader.close();
    }
    return this;
  }

  /** From now on a section's view shows the kernel's memory; a read-only section keeps showing the frozen values. */
  #share(map: MapSpec): void {
    let mapping = this.#mappings.get(map.name); // an arena's, made before the programs
    if (!mapping) {
      if (!map.data || map.flags & BPF_F_RDONLY_PROG || !(map.flags & BPF_F_MMAPABLE)) return;
      this.#mappings.set(map.name, mapping = this.maps.get(map.name)!.mmap({ write: true }));
    }
    const { buffer, byteOffset, length } = mapping.bytes;
    this.#views.set(map.name, new DataView(buffer, byteOffset, map.valueSize || length));
  }

  /**
   * Keeps a program only if the kernel has what it attaches to; else it will not be loaded. Called before {@link load}.
   *
   * @param name A program whose way of attaching can tell.
   * @returns Whether the kernel has it.
   * @throws {DetraceError} If that cannot be known.
   */
  keepIfPresent(name: string): boolean {
    const spec = this.spec.programs.get(name);
    if (!spec) throw new DetraceError(`${this.spec.name} has no program ${name}`);
    const { present } = this.#way(spec);
    if (!present) throw new DetraceError(`whether the target of program ${name} is there cannot be known`);
    return spec.autoload = present(this.#request(spec));
  }

  #way(spec: ProgramSpec): AttachWay {
    const way = this.#parts.ways?.[spec.attach];
    if (way) return way;
    throw new DetraceError(
      spec.attach
        ? `${this.spec.name} is opened without what attaches ${spec.attach} programs`
        : `program ${spec.name} is of a kind that does not attach by itself`,
    );
  }

  #request(spec: ProgramSpec, target = spec.target, options: AttachOptions = {}): AttachRequest {
    return { way: spec.attach, target, attachType: spec.expectedAttachType, maps: this.maps, ...options };
  }

  /**
   * Where a field lies in the record that a tracepoint's programs get. For choosing between programs before {@link load}.
   *
   * @param tracepoint Category and name, `syscalls/sys_enter_openat`.
   * @param field The field's name in the tracepoint's `format` file.
   * @returns Bytes from the start; undefined if the kernel has no such tracepoint or field.
   */
  fieldOffset(tracepoint: string, field: string): number | undefined {
    return fieldOffset(tracepoint, field);
  }

  /**
   * Attaches every loaded program whose section says where.
   *
   * @throws {DetraceError} Names the program; what was attached so far is detached.
   */
  attach(): this {
    const before = this.links.length;
    try {
      for (const spec of this.spec.programs.values()) {
        if (!this.programs.has(spec.name) || !spec.attach) continue;
        if (spec.target || this.#way(spec).targetless) this.attachProgram(spec.name);
      }
      for (const [name, table] of this.#tables) {
        const value = table.value((program) => this.programs.get(program)?.fd);
        this.links.push(this.#parts.structOps!.attach(this.maps.get(name)!, value));
      }
    } catch (error) {
      for (const link of this.links.splice(before)) link.close();
      throw error;
    }
    return this;
  }

  /**
   * Attaches one program.
   *
   * @param name The program.
   * @param target Where to, if not where its section says: `syscalls/sys_exit_openat`.
   * @param options How, beyond what its section says.
   * @returns The link, which the object closes with the rest.
   * @throws {DetraceError}
   */
  attachProgram(name: string, target?: string, options?: AttachOptions): Link {
    const program = this.programs.get(name), spec = this.spec.programs.get(name);
    if (!program || !spec) throw new DetraceError(`${this.spec.name}: program ${name} is not loaded`);
    const way = this.#way(spec);
    try {
      const request = this.#request(spec, target, options);
      if (!request.target && !way.targetless) throw new DetraceError("its section does not say where to");
      const link = way.attach(program, request);
      this.links.push(link);
      return link;
    } catch (cause) {
      throw cannot("attach", name, cause);
    }
  }

  /** Detaches all links and closes programs and maps. */
  close(): void {
    this.#closed = true;
    for (const link of this.links.splice(0)) link.close();
    this.#views.clear();
    for (const mapping of this.#mappings.values()) mapping.close();
    this.#mappings.clear();
    for (const program of this.programs.values()) program.close();
    for (const map of this.maps.values()) map.close();
    this.programs.clear();
    this.maps.clear();
  }

  /** The same as {@link close}. */
  [Symbol.dispose](): void {
    this.close();
  }
}

/** One loading: what it opens beyond maps and programs is closed with it. */
class Loader {
  #btfFd = -1;
  #kernelBtf: Btf | undefined;
  #kernel!: () => Btf;
  #running!: () => Btf;
  #relocator: CoreRelocator | undefined;
  #externs: ReturnType<NonNullable<LoaderParts["externs"]>> | undefined;
  readonly #poisons = new Map<string, readonly CorePoison[]>();
  readonly #relocated = new Map<string, Uint8Array<ArrayBuffer>>();
  readonly #undo: (() => void)[] = [];

  constructor(
    private readonly spec: BpfObjectSpec,
    private readonly parts: LoaderParts,
    private readonly options: LoadOptions,
    private readonly maps: Map<string, BpfMap>,
    private readonly programs: Map<string, Program>,
    private readonly tables: Map<string, StructOps>,
    private readonly mappings: Map<string, Mapping>,
  ) {}

  async load(): Promise<void> {
    const { spec } = this;
    const btf = spec.btfIsOptional ? undefined : spec.btfBytes;
    if (btf?.[0] === 0xeb) {
      throw new DetraceError(`${spec.name} is compiled for big-endian machines`);
    }
    const wanted = [...spec.programs.values()].filter((p) => p.autoload);
    const relocations = this.#reachable(wanted).flatMap((f) => f.coreRelocations);
    if (relocations.length || spec.externs.size || wanted.some((p) => TARGETED.has(p.type))) {
      await this.#readKernelBtf();
    }
    if (spec.externs.size) await this.#resolveExterns();
    if (btf) await this.#loadBtf(btf);
    for (const map of spec.maps.values()) if (map.structOps) await this.#prepareStructOps(map);
    for (const map of spec.maps.values()) this.#createMap(map);
    if (relocations.length) {
      const { CoreRelocator, loadModuleBtfs } = await import("./relocation.ts");
      this.#relocator = new CoreRelocator(await this.#types(), {
        vmlinux: this.#kernel(),
        modules: () => this.options.btf ? [] : [...loadModuleBtfs(this.#kernel()).values()],
      });
      this.#relocator.prepare(relocations);
    }
    for (const program of wanted) this.programs.set(program.name, await this.#loadProgram(program));
    this.#fillProgramArrays();
  }

  close(): void {
    if (this.#btfFd >= 0) closeFd(this.#btfFd);
    this.#externs?.close();
  }

  /** Takes back what others would see of a loading that failed. */
  undo(): void {
    for (const undo of this.#undo) undo();
  }

  async #prepareStructOps(map: MapSpec): Promise<void> {
    const { prepare } = this.#part("structOps", "attaches struct_ops");
    if (!this.#kernel) await this.#readKernelBtf();
    const table = prepare(map, this.spec, await this.#types(), this.#kernel());
    map.valueSize = table.valueSize;
    this.tables.set(map.name, table);
  }

  /** Makes ready for {@link #kernel}, which reads the kernel's BTF when it is first asked for. */
  async #readKernelBtf(): Promise<void> {
    const { loadKernelBtf } = await import("./relocation.ts");
    this.#kernel = () => this.#kernelBtf ??= loadKernelBtf(this.options.btf);
    // What a program is loaded for has its number in the kernel's own BTF, whatever the program is relocated against.
    this.#running = () => this.options.btf ? loadKernelBtf() : this.#kernel();
  }

  /** The object's own types. */
  async #types(): Promise<Btf> {
    if (this.spec.btf) return this.spec.btf;
    const { Btf } = await import("./relocation.ts");
    return this.spec.btf = Btf.parse(this.spec.btfBytes!, {
      name: `${this.spec.name}'s BTF`,
      pointerSize: 8,
    });
  }

  async #loadBtf(bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    try {
      this.#btfFd = btfLoad(this.parts.argCtx?.(this.spec, await this.#types()) ?? bytes);
    } catch (error) {
      if (error instanceof SyscallError && error.code === "EPERM") throw needPrivilege(error);
      if (!(error instanceof SyscallError) || (error.code !== "EINVAL" && error.code !== "E2BIG")) {
        throw error;
      }
      // An older kernel, which may not know all of it. Asked only now, since most take it as it is.
      if (!this.parts.sanitize) throw error;
      this.#btfFd = btfLoad(this.parts.sanitize(await this.#types()));
    }
  }

  #createMap(map: MapSpec): void {
    if (this.maps.has(map.name)) return; // made already, as a value of another
    adjust(map);
    const pinning = isPinned(map) && this.#part("pinning", "pins maps");
    if (map.reuse) this.parts.pinning?.check(map, map.reuse);
    const found = map.reuse?.duplicate() ?? (pinning ? pinning.find(map, this.options) : undefined);
    const made = found ?? this.#makeMap(map);
    this.maps.set(map.name, made);
    if (map.type === BPF_MAP_TYPE_ARENA) {
      this.mappings.set(map.name, this.#part("arena", "maps arenas")(map, made, !found));
    }
    if (found) return;
    if (map.data && !this.mappings.has(map.name)) {
      made.set(word(0), map.data);
      if (map.flags & BPF_F_RDONLY_PROG) made.freeze();
    }
    for (const [slot, name] of map.inner && map.values || []) {
      this.#createMap(this.spec.maps.get(name)!);
      made.set(word(slot), word(this.maps.get(name)!.fd));
    }
    if (!pinning) return;
    const undo = pinning.pin(map, made, this.options);
    if (undo) this.#undo.push(undo);
    else {
      // Another object was quicker.
      this.mappings.get(map.name)?.close();
      made.close();
      this.maps.delete(map.name);
      this.#createMap(map);
    }
  }

  #makeMap(map: MapSpec): BpfMap {
    const inner = map.inner && this.#makeMap(map.inner);
    try {
      return new BpfMap(this.#createMapFd(map, inner?.fd ?? -1), infoOf(map));
    } finally {
      inner?.close();
    }
  }

  /** What the object was opened with, for what not all objects need. */
  #part<K extends keyof LoaderParts>(key: K, does: string): NonNullable<LoaderParts[K]> {
    const part = this.parts[key];
    if (part) return part;
    throw new DetraceError(`${this.spec.name} is opened without what ${does}`);
  }

  #createMapFd(map: MapSpec, innerMapFd: number): number {
    const attr: MapCreateAttr = {
      ...infoOf(map),
      name: map.name.startsWith(".")
        ? `${this.spec.name.slice(0, Math.max(0, 15 - map.name.length))}${map.name}`
        : map.name,
      mapExtra: map.extra,
      numaNode: map.numaNode,
    };
    if (innerMapFd >= 0) attr.innerMapFd = innerMapFd;
    const table = this.tables.get(map.name);
    if (table) Object.assign(attr, { btfFd: this.#btfFd, btfVmlinuxValueTypeId: table.valueTypeId });
    if (this.#btfFd >= 0 && !WITHOUT_BTF.has(map.type) && (map.keyTypeId || map.valueTypeId)) {
      const typed = {
        ...attr,
        btfFd: this.#btfFd,
        btfKeyTypeId: map.keyTypeId,
        btfValueTypeId: map.valueTypeId,
      };
      try {
        return mapCreate(typed);
      } catch (error) {
        // A kernel that does not take these types: the map works without them.
        if (!(error instanceof SyscallError)) throw error;
      }
    }
    try {
      return mapCreate(attr);
    } catch (cause) {
      if (!(cause instanceof SyscallError)) throw cause;
      throw new DetraceError(
        `cannot make map ${map.name}: ${this.parts.mapError?.(map, cause) ?? cause.message}`,
        {
          cause,
        },
      );
    }
  }

  async #resolveExterns(): Promise<void> {
    const find = this.#part("externs", "finds externs");
    if (this.spec.btfBytes) await this.#types(); // a skeleton's are not parsed yet
    const { kconfig } = this.#externs = find(this.spec, this.options, () => this.#kernel());
    if (kconfig) this.spec.maps.set(kconfig.name, kconfig);
  }

  /** The programs and every subprogram that they call, directly or not. */
  #reachable(programs: readonly ProgramSpec[]): FunctionSpec[] {
    const all = new Set<FunctionSpec>(programs);
    for (const fn of all) for (const callee of this.#callees(fn)) all.add(callee);
    return [...all];
  }

  #callees(fn: FunctionSpec): FunctionSpec[] {
    return fn.references.filter((r) => r.kind === "call" || r.kind === "function").map((r) => {
      const callee = this.spec.functions.get(r.symbol) ?? this.spec.programs.get(r.symbol);
      if (!callee) {
        throw new DetraceError(`${this.spec.name}: ${fn.name} calls ${r.symbol}, which does not exist`);
      }
      return callee;
    });
  }

  /** A function's instructions with CO-RE relocations done. Once for all programs that contain it. */
  #relocate(fn: FunctionSpec): Uint8Array<ArrayBuffer> {
    let insns = this.#relocated.get(fn.name);
    if (!insns) {
      insns = fn.insns.slice();
      if (fn.coreRelocations.length) {
        this.#poisons.set(fn.name, this.#relocator!.relocate(insns, fn.coreRelocations, fn.name));
      }
      this.#relocated.set(fn.name, insns);
    }
    return insns;
  }

  /** A program with its subprograms behind it, calls and references resolved. */
  #link(
    program: ProgramSpec,
  ): { insns: Uint8Array<ArrayBuffer>; at: Map<FunctionSpec, number>; modules: number[] } {
    const modules = [0]; // index 0 is the kernel
    const at = new Map<FunctionSpec, number>();
    let length = 0;
    const order = new Set<FunctionSpec>([program]);
    for (const fn of order) {
      at.set(fn, length);
      length += fn.insns.length / 8;
      for (const callee of this.#callees(fn)) order.add(callee);
    }
    const insns = new Uint8Array(length * 8);
    const view = new DataView(insns.buffer);
    for (const [fn, start] of at) {
      insns.set(this.#relocate(fn), start * 8);
      for (const reference of fn.references) {
        const { kind, symbol } = reference, insn = start + reference.insn, offset = insn * 8;
        const set = (pseudo: number, low: number, high?: number) => {
          insns[offset + 1] = insns[offset + 1]! & 15 | pseudo << 4;
          view.setInt32(offset + 4, low, true);
          if (high !== undefined) view.setInt32(offset + 12, high, true);
        };
        const data = (map: string, at: number) => set(BPF_PSEUDO_MAP_VALUE, this.maps.get(map)!.fd, at);
        switch (kind) {
          case "map":
          case "data": {
            const map = this.maps.get(symbol);
            if (!map) {
              view.setInt32(offset + 4, POISONED_MAP + [...this.spec.maps.keys()].indexOf(symbol), true);
            } else if (kind === "map") set(BPF_PSEUDO_MAP_FD, map.fd, 0);
            else data(symbol, reference.offset ?? 0);
            break;
          }
          case "call":
          case "function": {
            const callee = this.spec.functions.get(symbol) ?? this.spec.programs.get(symbol)!;
            const distance = at.get(callee)! - insn - 1;
            if (kind === "call") set(BPF_PSEUDO_CALL, distance);
            else set(BPF_PSEUDO_FUNC, distance, 0);
            break;
          }
          case "kfunc":
          case "extern": {
            const module = (fd: number) => {
              if (!modules.includes(fd)) modules.push(fd);
              view.setInt16(offset + 2, modules.indexOf(fd), true);
            };
            this.#externs!.link(symbol, { call: kind === "kfunc", set, data, module });
          }
        }
      }
    }
    return { insns, at, modules };
  }

  async #loadProgram(program: ProgramSpec): Promise<Program> {
    const { spec } = this;
    const { insns, at, modules } = this.#link(program);
    const target = TARGETED.has(program.type) ? this.#target(program) : undefined;
    const attr: ProgLoadAttr = {
      ...target,
      type: program.type,
      insns,
      license: spec.license,
      name: program.name,
      flags: program.flags,
      expectedAttachType: program.expectedAttachType,
      kernelVersion: spec.version,
    };
    if (modules.length > 1) attr.fdArray = new Int32Array(modules);
    if (this.#btfFd >= 0) {
      // struct bpf_func_info and struct bpf_line_info: instruction offsets count from the program's start.
      const fns = [...at];
      if (fns.every(([fn]) => fn.typeId)) {
        attr.btfFd = this.#btfFd;
        attr.funcInfoSize = 8;
        attr.funcInfo = words(
          fns.map(([{ typeId }, start]) => [start, program.typeIds?.get(typeId) ?? typeId]),
        );
        attr.lineInfoSize = 16;
        attr.lineInfo = lineInfo(at);
      }
    }
    try {
      return await loadProgram(attr, async () => {
        const types = this.spec.btfBytes && await this.#types();
        return {
          line: (insn) => types && lineOf(types, at, insn),
          poisons: () => this.#reasons(at),
          since: this.parts.newerThan?.(kernelVersion(), program),
          advise: this.parts.advise,
        };
      });
    } finally {
      target?.close?.();
    }
  }

  #target(program: ProgramSpec): LoadTarget {
    if (program.attachBtfId !== undefined) return { attachBtfId: program.attachBtfId };
    const find = this.#part("target", "finds targets of programs");
    try {
      return find(program, this.#running);
    } catch (cause) {
      throw cannot("load", program.name, cause);
    }
  }

  #reasons(at: Map<FunctionSpec, number>): Map<number, string> {
    const reasons = new Map<number, string>();
    for (const [fn, start] of at) {
      for (const poison of this.#poisons.get(fn.name) ?? []) reasons.set(start + poison.insn, poison.reason);
    }
    return reasons;
  }

  #fillProgramArrays(): void {
    for (const map of this.spec.maps.values()) {
      if (map.inner || !map.values?.size || map.type === BPF_MAP_TYPE_HASH_OF_MAPS) continue;
      for (const [slot, name] of map.values) {
        const program = this.programs.get(name);
        if (!program) continue;
        this.maps.get(map.name)!.set(word(slot), word(program.fd));
      }
    }
  }
}

function word(value: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(new Uint32Array([value]).buffer);
}

function words(rows: readonly (readonly number[])[]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(new Uint32Array(rows.flat()).buffer);
}

/** The source line of an instruction of a linked program. */
function lineOf(
  btf: Btf,
  at: Map<FunctionSpec, number>,
  insn: number,
): { file: string; line: number; text: string } | undefined {
  for (const [fn, start] of at) {
    if (insn < start || insn >= start + fn.insns.length / 8) continue;
    let i = fn.lines.length - 4;
    while (i > 0 && start + fn.lines[i]! > insn) i -= 4;
    return i < 0 ? undefined : {
      file: btf.string(fn.lines[i + 1]!),
      line: fn.lines[i + 3]! >>> 10,
      text: btf.string(fn.lines[i + 2]!).trim(),
    };
  }
}

/** The line records of a linked program: those of its functions, with instructions counted from the program's start. */
function lineInfo(at: Map<FunctionSpec, number>): Uint8Array<ArrayBuffer> {
  let length = 0;
  for (const fn of at.keys()) length += fn.lines.length;
  const all = new Uint32Array(length);
  let to = 0;
  for (const [fn, start] of at) {
    all.set(fn.lines, to);
    for (const end = to + fn.lines.length; to < end; to += 4) all[to]! += start;
  }
  return new Uint8Array(all.buffer);
}

/** Fills in what depends on the machine. */
function adjust(map: MapSpec): void {
  if (map.inner) adjust(map.inner);
  if (map.type === BPF_MAP_TYPE_PERF_EVENT_ARRAY) {
    map.keySize ||= 4;
    map.valueSize ||= 4;
    map.maxEntries ||= possibleCpus();
  } else if (
    (map.type === BPF_MAP_TYPE_RINGBUF || map.type === BPF_MAP_TYPE_USER_RINGBUF) && map.maxEntries
  ) {
    // The kernel takes powers of two of at least a page, whose size is not the same everywhere.
    map.maxEntries = 2 ** Math.ceil(Math.log2(Math.max(map.maxEntries, pageSize())));
  }
}

function isPinned(map: MapSpec): boolean {
  return map.pinByName || map.pinPath !== undefined;
}

function infoOf(
  map: MapSpec,
): { name: string; type: number; keySize: number; valueSize: number; maxEntries: number; flags: number } {
  const { name, type, keySize, valueSize, maxEntries, flags } = map;
  return { name, type, keySize, valueSize, maxEntries, flags };
}

/** An error with what was tried before its sentence; others than the toolkit's own as they are. */
function cannot(verb: string, program: string, cause: unknown): unknown {
  if (!(cause instanceof DetraceError)) return cause;
  const { message, hint } = cause;
  const options = { cause, ...hint !== undefined && { hint } };
  return new DetraceError(`cannot ${verb} program ${program}: ${message}`, options);
}

/** What EPERM from bpf(2) means, for the person at the keyboard. */
function needPrivilege(cause: SyscallError): DetraceError {
  return new DetraceError("cannot use BPF: this needs the capabilities CAP_BPF and CAP_PERFMON", {
    cause,
    hint: "run it as root, for example with sudo",
  });
}
