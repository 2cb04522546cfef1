/**
 * ELF → {@link BpfObjectSpec}: the front end for objects that clang made.
 *
 * Sections and relocations are those of LLVM's BPF target (Documentation/bpf/llvm_reloc.rst); maps, globals and externs are
 * described by the object's BTF as libbpf's `bpf_helpers.h` lays it down.
 *
 * @module
 */

import { DetraceError } from "../error.ts";
import {
  Btf,
  BTF_KIND_ARRAY,
  BTF_KIND_DATASEC,
  BTF_KIND_ENUM,
  BTF_KIND_ENUM64,
  BTF_KIND_FUNC,
  BTF_KIND_PTR,
  BTF_KIND_STRUCT,
} from "../btf/btf.ts";
import { type BtfExt, parseBtfExt } from "../btf/ext.ts";
import { fixupDatasecs } from "../btf/fixup.ts";
import { Elf, type ElfSection, type ElfSymbol } from "../elf/elf.ts";
import { MAP } from "./unpack.ts";
import { parseSection } from "./sections.ts";
import type { BpfObjectSpec, FunctionSpec, MapSpec, Reference } from "./spec.ts";

const SHT_PROGBITS = 1, SHT_NOBITS = 8, SHT_REL = 9;
const SHF_EXECINSTR = 4;
const STT_FUNC = 2, STB_WEAK = 2;
const EM_BPF = 247;
const R_BPF_64_64 = 1, R_BPF_64_32 = 10;
const BPF_MAP_TYPE_ARRAY = 2, BPF_MAP_TYPE_ARENA = 33;
/** Where clang puts variables of address space 1 (`__arena`). */
const ARENA_SECTION = ".addr_space.1";
const BPF_F_RDONLY_PROG = 1 << 7, BPF_F_MMAPABLE = 1 << 10;
const LDDW = 0x18, CALL = 0x85;
const BPF_PSEUDO_CALL = 1;

/** A problem in an object file, in one sentence that begins with the object's name. */
function refuse(object: string, what: string): never {
  throw new DetraceError(`${object}: ${what}`, {
    hint: "compile it with clang -O2 -g -target bpf and BTF-defined maps",
  });
}

/** Sections that become a map of one value: `.rodata`, `.data`, `.bss` and custom ones such as `.data.hot`. */
function isDataSection(name: string): boolean {
  return /^\.(?:rodata|data|bss)(?:\.|$)/.test(name);
}

/**
 * Reads an object file made by clang for the BPF target.
 *
 * @param bytes The file. Kept, and viewed rather than copied.
 * @param name The object's name, for messages and the names of global data maps.
 * @returns The spec; nothing of the kernel is asked for.
 * @throws {DetraceError} If it is no BPF object, is damaged, or uses what the loader does not know.
 */
export function readObject(bytes: Uint8Array<ArrayBuffer>, name: string): BpfObjectSpec {
  return new Reader(bytes, name).spec;
}

/** Gives a map's value so many zeros when somebody looks at it: a small file can claim a gigabyte for .bss. */
function setZeros(map: MapSpec, size: number): void {
  const set = (value: Uint8Array<ArrayBuffer>) => {
    Object.defineProperty(map, "data", { value, writable: true, enumerable: true, configurable: true });
    return value;
  };
  Object.defineProperty(map, "data", {
    get: () => set(new Uint8Array(size)),
    set,
    enumerable: true,
    configurable: true,
  });
}

class Reader {
  readonly spec: BpfObjectSpec;
  readonly #elf: Elf;
  readonly #symbols: ElfSymbol[];
  readonly #btf: Btf | undefined;
  readonly #sections: readonly ElfSection[];
  /** Functions by section index, ascending by offset. */
  readonly #functions = new Map<number, ElfSymbol[]>();
  /** Map names by offset in `.maps`. */
  readonly #mapAt = new Map<number, string>();
  /** Map names by the sections whose data they hold. */
  readonly #mapOf = new Map<string, string>();

  constructor(bytes: Uint8Array<ArrayBuffer>, name: string) {
    const elf = this.#elf = Elf.parse(bytes);
    if (elf.machine !== EM_BPF) refuse(name, "is not a BPF object");
    this.#sections = elf.sections;
    this.#symbols = elf.symbols("static");
    const btfSection = elf.section(".BTF");
    const symbolOf = this.#symbolFinder();
    // Hidden from other objects, so not global for the verifier either: checked with its caller.
    const hidden = new Set(
      this.#symbols.filter((s) => s.visibility === 1 || s.visibility === 2).map((s) => s.name),
    );
    const isHidden = (symbol: string) => hidden.has(symbol);
    let btf = btfSection && Btf.parse(elf.data(btfSection), { name: `${name}'s BTF`, pointerSize: 8 });
    let btfBytes: Uint8Array<ArrayBuffer> | undefined;
    if (btf) {
      // Clang leaves sizes and offsets of variables to a linker.
      btfBytes = fixupDatasecs(btf, (s) => elf.section(s)?.size, (s, v) => symbolOf(s, v)?.value, isHidden);
      btf = Btf.parse(btfBytes, { name: `${name}'s BTF`, pointerSize: 8 });
    }
    this.#btf = btf;
    this.spec = {
      name,
      license: this.#text("license") ?? "",
      version: this.#version(),
      btf,
      btfBytes,
      programs: new Map(),
      functions: new Map(),
      maps: new Map(),
      globals: new Map(),
      externs: new Map(),
    };
    this.#readMaps();
    this.#readGlobals();
    this.#readExterns();
    this.#readFunctions();
    this.#readInitialValues();
    this.#readStructOps();
  }

  #symbolFinder(): (section: string, name: string) => ElfSymbol | undefined {
    const table = new Map<string, ElfSymbol>();
    for (const symbol of this.#symbols) {
      if (symbol.name) table.set(`${this.#sections[symbol.shndx]?.name}/${symbol.name}`, symbol);
    }
    return (section, name) => table.get(`${section}/${name}`);
  }

  #text(section: string): string | undefined {
    const found = this.#elf.section(section);
    if (!found) return undefined;
    const data = this.#elf.data(found);
    const end = data.indexOf(0);
    return new TextDecoder().decode(data.subarray(0, end < 0 ? data.length : end));
  }

  #version(): number {
    const section = this.#elf.section("version");
    if (!section || section.size !== 4) return 0;
    const data = this.#elf.data(section);
    return new DataView(data.buffer, data.byteOffset, 4).getUint32(0, this.#elf.littleEndian);
  }

  /** The variables of a DATASEC: name, type and place. */
  *#variables(
    section: string,
  ): Generator<{ name: string; typeId: number; varId: number; offset: number; size: number }> {
    const btf = this.#btf;
    const id = btf?.find(section, BTF_KIND_DATASEC);
    if (!btf || id === undefined) return;
    for (let i = 0; i < btf.vlen(id); i++) {
      const { type, offset, size } = btf.secinfo(id, i);
      yield { name: btf.name(type), typeId: btf.sizeOrType(type), varId: type, offset, size };
    }
  }

  #readMaps(): void {
    if (this.#elf.section("maps")) refuse(this.spec.name, 'has maps in the old form (SEC("maps"))');
    const section = this.#elf.section(".maps");
    if (!section) return;
    if (!this.#btf) refuse(this.spec.name, "has maps, but no BTF that describes them");
    for (const { name, typeId, offset } of this.#variables(".maps")) {
      const id = this.#btf.skip(typeId);
      if (this.#btf.kind(id) !== BTF_KIND_STRUCT) {
        refuse(this.spec.name, `map ${name} is not described by a struct`);
      }
      this.spec.maps.set(name, this.#readMap(name, id, false));
      this.#mapAt.set(offset, name);
    }
  }

  /** The number in `int (*name)[N]` (`__uint`), or in the value of a one-value enum (`__ulong`). */
  #number(map: string, member: string, typeId: number): bigint {
    const btf = this.#btf!;
    let id = btf.skip(typeId);
    if (btf.kind(id) === BTF_KIND_PTR) {
      id = btf.skip(btf.sizeOrType(id));
      if (btf.kind(id) === BTF_KIND_ARRAY) return BigInt(btf.arrayLength(id));
      if ((btf.kind(id) === BTF_KIND_ENUM || btf.kind(id) === BTF_KIND_ENUM64) && btf.vlen(id) > 0) {
        return btf.enumValue(id, 0);
      }
    }
    return refuse(this.spec.name, `map ${map}: ${member} is not a number in the form of __uint()`);
  }

  #readMap(name: string, id: number, isInner: boolean): MapSpec {
    const btf = this.#btf!;
    const map: MapSpec = {
      ...MAP,
      name,
      type: 0,
      extra: 0n,
    };
    const size = (what: string, bytes: number, typed: number): number => {
      if (typed && typed !== bytes) refuse(this.spec.name, `map ${name}: two sizes for its ${what}`);
      return bytes;
    };
    for (let i = 0; i < btf.vlen(id); i++) {
      const member = btf.memberName(id, i), type = btf.memberType(id, i);
      const number = () => Number(this.#number(name, member, type));
      switch (member) {
        case "type":
          map.type = number();
          break;
        case "max_entries":
          map.maxEntries = number();
          break;
        case "map_flags":
          map.flags = number();
          break;
        case "numa_node":
          map.numaNode = number();
          map.flags |= 4; // BPF_F_NUMA_NODE
          break;
        case "key_size":
          map.keySize = size("key", number(), map.keySize);
          break;
        case "value_size":
          map.valueSize = size("value", number(), map.valueSize);
          break;
        case "map_extra":
          map.extra = this.#number(name, member, type);
          break;
        case "pinning": {
          const pinning = number();
          if (pinning > 1) refuse(this.spec.name, `map ${name}: unknown kind of pinning ${pinning}`);
          map.pinByName = pinning === 1;
          break;
        }
        case "key":
        case "value": {
          const pointer = btf.skip(type);
          if (btf.kind(pointer) !== BTF_KIND_PTR) {
            refuse(this.spec.name, `map ${name}: ${member} is not in the form of __type()`);
          }
          const pointee = btf.sizeOrType(pointer);
          const bytes = btf.sizeOf(pointee);
          if (member === "key") map.keySize = size("key", bytes, map.keySize), map.keyTypeId = pointee;
          else map.valueSize = size("value", bytes, map.valueSize), map.valueTypeId = pointee;
          break;
        }
        case "values": {
          const array = btf.skip(type);
          const pointer = btf.kind(array) === BTF_KIND_ARRAY ? btf.skip(btf.arrayElement(array)) : 0;
          if (isInner || btf.kind(pointer) !== BTF_KIND_PTR) {
            refuse(this.spec.name, `map ${name}: values is not in the form of __array()`);
          }
          const inner = btf.skip(btf.sizeOrType(pointer));
          if (btf.kind(inner) === BTF_KIND_STRUCT) map.inner = this.#readMap(`${name}.inner`, inner, true);
          map.keySize ||= 4;
          map.valueSize ||= 4;
          map.values = new Map();
          break;
        }
        default:
          refuse(this.spec.name, `map ${name} has a member that means nothing to the loader: ${member}`);
      }
    }
    if (map.type === 0) refuse(this.spec.name, `map ${name} has no type`);
    return map;
  }

  #readGlobals(): void {
    for (const section of this.#sections) {
      const inArena = section.name === ARENA_SECTION;
      if (!inArena && !isDataSection(section.name)) continue;
      if (section.type !== SHT_PROGBITS && section.type !== SHT_NOBITS || section.size === 0) continue;
      // The value of an array map: the kernel takes no more than this, and a file can claim any size for .bss.
      if (section.size > 0x3fffffff) {
        refuse(this.spec.name, `section ${section.name} is larger than a map can be`);
      }
      if (this.#mapOf.has(section.name) || this.spec.maps.has(section.name)) {
        refuse(this.spec.name, `has two sections called ${section.name}`);
      }
      const readOnly = section.name.startsWith(".rodata");
      const map = inArena ? this.#arena() : section.name;
      this.#mapOf.set(section.name, map);
      if (!inArena) {
        this.spec.maps.set(map, {
          ...MAP,
          name: map,
          type: BPF_MAP_TYPE_ARRAY,
          keySize: 4,
          valueSize: section.size,
          maxEntries: 1,
          flags: BPF_F_MMAPABLE | (readOnly ? BPF_F_RDONLY_PROG : 0),
          valueTypeId: this.#btf?.find(section.name, BTF_KIND_DATASEC) ?? 0,
          extra: 0n,
        });
      }
      const spec = this.spec.maps.get(map)!;
      if (section.type === SHT_PROGBITS) spec.data = this.#elf.data(section).slice();
      else setZeros(spec, section.size);
      for (const { name, typeId, offset, size } of this.#variables(section.name)) {
        if (offset + size > section.size) {
          refuse(this.spec.name, `variable ${name} lies outside of ${section.name}`);
        }
        this.spec.globals.set(name, { name, map, offset, size, typeId });
      }
    }
  }

  /** The only arena: variables do not say in which one they are. */
  #arena(): string {
    const arenas = [...this.spec.maps.values()].filter((map) => map.type === BPF_MAP_TYPE_ARENA);
    if (arenas.length !== 1) {
      refuse(this.spec.name, `has variables in an arena, and ${arenas.length || "no"} arenas`);
    }
    return arenas[0]!.name;
  }

  #readExterns(): void {
    const btf = this.#btf;
    const undefinedSymbols = new Map(
      this.#symbols.filter((s) => s.shndx === 0 && s.name).map((s) => [s.name, s]),
    );
    for (const section of [".kconfig", ".ksyms"] as const) {
      for (const { name, typeId, varId } of this.#variables(section)) {
        const symbol = undefinedSymbols.get(name);
        if (!symbol) continue; // declared, not used
        const isFunction = btf!.kind(varId) === BTF_KIND_FUNC;
        this.spec.externs.set(name, {
          name,
          section,
          weak: symbol.binding === STB_WEAK,
          typeId: isFunction ? varId : typeId,
          isFunction,
        });
      }
    }
  }

  #readFunctions(): void {
    for (const symbol of this.#symbols) {
      const section = this.#sections[symbol.shndx];
      if (symbol.type !== STT_FUNC || !section || !(section.flags & SHF_EXECINSTR)) continue;
      if (
        symbol.size === 0 || symbol.size % 8 || symbol.value % 8 || symbol.value + symbol.size > section.size
      ) {
        refuse(this.spec.name, `function ${symbol.name} does not lie within its section ${section.name}`);
      }
      const list = this.#functions.get(section.index);
      if (list) list.push(symbol);
      else this.#functions.set(section.index, [symbol]);
    }
    const extSection = this.#elf.section(".BTF.ext");
    const ext = extSection && this.#btf ? parseBtfExt(this.#elf.data(extSection), this.#btf) : undefined;
    const relocations = new Map(
      this.#sections.filter((s) => s.type === SHT_REL).map((s) => [s.info, s]),
    );
    for (const [index, symbols] of this.#functions) {
      symbols.sort((a, b) => a.value - b.value);
      const section = this.#sections[index]!;
      const relocationSection = relocations.get(index);
      const references = this.#references(section, relocationSection);
      for (const symbol of symbols) {
        const fn = this.#function(section, symbol, references, ext);
        if (this.spec.programs.has(fn.name) || this.spec.functions.has(fn.name)) {
          refuse(this.spec.name, `has two functions called ${fn.name}`);
        }
        if (section.name === ".text") {
          this.spec.functions.set(fn.name, fn);
          continue;
        }
        const parsed = parseSection(section.name);
        if (!parsed) {
          refuse(this.spec.name, `program ${fn.name}: the loader knows no section "${section.name}"`);
        }
        this.spec.programs.set(fn.name, { ...fn, ...parsed });
      }
    }
  }

  /** The function that covers a byte of a section. */
  #functionAt(object: string, section: number, offset: number): string {
    const symbol = this.#functions.get(section)?.find((s) => s.value === offset);
    if (!symbol) {
      refuse(object, `calls into section ${this.#sections[section]?.name} where no function begins`);
    }
    return symbol.name;
  }

  /** All references of a section, by byte offset. */
  #references(
    section: ElfSection,
    relocationSection: ElfSection | undefined,
  ): Map<number, Omit<Reference, "insn">> {
    const references = new Map<number, Omit<Reference, "insn">>();
    const data = this.#elf.data(section);
    const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
    const le = this.#elf.littleEndian;
    const where = (offset: number) => `${this.spec.name}: section ${section.name}, instruction ${offset / 8}`;
    for (
      const { offset, type, symbol: index } of relocationSection
        ? this.#elf.relocations(relocationSection)
        : []
    ) {
      const symbol = this.#symbols[index];
      if (!symbol || offset < 0 || offset % 8 || offset + 8 > data.length) {
        refuse(where(offset), "has a damaged relocation");
      }
      const code = data[offset]!, imm = view.getInt32(offset + 4, le);
      if (type === R_BPF_64_32 && code === CALL) {
        if (symbol.shndx === 0) {
          references.set(offset, this.#externReference(where(offset), symbol.name, true));
        } else {
          const target = symbol.value + (imm + 1) * 8;
          references.set(offset, {
            kind: "call",
            symbol: this.#functionAt(where(offset), symbol.shndx, target),
          });
        }
        continue;
      }
      if (type !== R_BPF_64_64 || code !== LDDW || offset + 16 > data.length) {
        refuse(
          where(offset),
          `has a relocation of an unknown kind (type ${type}, opcode 0x${code.toString(16)})`,
        );
      }
      const target = this.#sections[symbol.shndx];
      if (symbol.shndx === 0) {
        references.set(offset, this.#externReference(where(offset), symbol.name, false));
      } else if (!target) refuse(where(offset), "refers to a section that does not exist");
      else if (target.name === ".maps") {
        const name = this.#mapAt.get(symbol.value + imm);
        if (name === undefined) refuse(where(offset), "refers to a map that is not described");
        references.set(offset, { kind: "map", symbol: name });
      } else if (target.flags & SHF_EXECINSTR) {
        references.set(offset, {
          kind: "function",
          symbol: this.#functionAt(where(offset), target.index, symbol.value + imm),
        });
      } else if (this.#mapOf.has(target.name)) {
        references.set(offset, {
          kind: "data",
          symbol: this.#mapOf.get(target.name)!,
          offset: symbol.value + imm,
        });
      } else refuse(where(offset), `refers to section ${target.name}, which holds no data`);
    }
    // Calls within a section are resolved by the compiler.
    for (let offset = 0; offset + 8 <= data.length; offset += data[offset] === LDDW ? 16 : 8) {
      if (data[offset] !== CALL || references.has(offset)) continue;
      const source = le ? data[offset + 1]! >> 4 : data[offset + 1]! & 15;
      if (source !== BPF_PSEUDO_CALL) continue;
      const target = offset + (view.getInt32(offset + 4, le) + 1) * 8;
      references.set(offset, {
        kind: "call",
        symbol: this.#functionAt(where(offset), section.index, target),
      });
    }
    return references;
  }

  #externReference(where: string, name: string, call: boolean): Omit<Reference, "insn"> {
    const extern = this.spec.externs.get(name);
    if (!extern) refuse(where, `refers to ${name}, which is declared in neither .kconfig nor .ksyms`);
    if (call && !extern.isFunction) refuse(where, `calls ${name}, which is not a function`);
    return { kind: call ? "kfunc" : "extern", symbol: name };
  }

  #function(
    section: ElfSection,
    symbol: ElfSymbol,
    references: Map<number, Omit<Reference, "insn">>,
    ext: BtfExt | undefined,
  ): FunctionSpec {
    const start = symbol.value, end = start + symbol.size;
    const within = <T extends { offset: number }>(all: readonly T[] | undefined) =>
      all?.filter((r) => r.offset >= start && r.offset < end) ?? [];
    const own: Reference[] = [];
    for (const [offset, reference] of references) {
      if (offset >= start && offset < end) own.push({ ...reference, insn: (offset - start) / 8 });
    }
    return {
      name: symbol.name,
      insns: this.#elf.data(section).slice(start, end) as Uint8Array<ArrayBuffer>,
      references: own,
      coreRelocations: within(ext?.coreRelocations.get(section.name)).map((r) => ({
        ...r,
        offset: r.offset - start,
      })),
      typeId: ext?.functions.get(section.name)?.find((f) => f.offset === start)?.typeId ?? 0,
      lines: Uint32Array.from(
        within(ext?.lines.get(section.name)).flatMap((l) => [
          (l.offset - start) / 8,
          l.fileOffset,
          l.lineOffset,
          l.lineNumber << 10 | l.column & 1023,
        ]),
      ),
    };
  }

  /** Relocations of `.maps` itself: what stands in the slots of map-in-maps and program arrays. */
  #readInitialValues(): void {
    const section = this.#elf.section(".maps");
    const relocationSection = section &&
      this.#sections.find((s) => s.type === SHT_REL && s.info === section.index);
    if (!relocationSection) return;
    const variables = [...this.#variables(".maps")];
    for (const { offset, symbol: index } of this.#elf.relocations(relocationSection)) {
      const symbol = this.#symbols[index];
      const variable = variables.find((v) => offset >= v.offset && offset < v.offset + v.size);
      const map = variable && this.spec.maps.get(variable.name);
      if (!symbol || !variable || !map?.values) {
        refuse(this.spec.name, "has a relocation in .maps outside of any values");
      }
      const id = this.#btf!.skip(variable.typeId);
      const last = this.#btf!.vlen(id) - 1;
      const slot = (offset - variable.offset - this.#btf!.memberBitOffset(id, last) / 8) / 8;
      const target = map.inner ? this.#mapAt.get(symbol.value) : symbol.name;
      if (
        target === undefined || !Number.isInteger(slot) || slot < 0 ||
        this.#btf!.memberName(id, last) !== "values"
      ) {
        refuse(this.spec.name, `map ${map.name} has a value that is no map or program`);
      }
      map.values.set(slot, target);
    }
  }

  #readStructOps(): void {
    for (const section of this.#sections) {
      if (!/^\.struct_ops(?:\.link)?$/.test(section.name) || section.type !== SHT_PROGBITS) continue;
      const data = this.#elf.data(section);
      const relocationSection = this.#sections.find((s) => s.type === SHT_REL && s.info === section.index);
      const relocations = relocationSection ? this.#elf.relocations(relocationSection) : [];
      for (const { name, typeId, offset, size } of this.#variables(section.name)) {
        const end = offset + size;
        if (end > section.size || this.#btf!.kind(this.#btf!.skip(typeId)) !== BTF_KIND_STRUCT) {
          refuse(this.spec.name, `variable ${name} is no struct in ${section.name}`);
        }
        const programs = new Map<number, string>();
        for (const relocation of relocations) {
          if (relocation.offset < offset || relocation.offset >= end) continue;
          const program = this.#symbols[relocation.symbol]?.name;
          if (program === undefined || !this.spec.programs.has(program)) {
            refuse(this.spec.name, `variable ${name} refers to what is no program`);
          }
          programs.set(relocation.offset - offset, program);
        }
        this.spec.maps.set(name, {
          ...MAP,
          name,
          type: 26, // BPF_MAP_TYPE_STRUCT_OPS
          keySize: 4,
          maxEntries: 1,
          flags: section.name.endsWith(".link") ? 1 << 13 : 0, // BPF_F_LINK
          extra: 0n,
          structOps: { typeId, bytes: data.slice(offset, end), programs },
        });
      }
    }
  }
}
