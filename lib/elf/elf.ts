/**
 * Reads 64-bit ELF files of either byte order: BPF objects, executables, libraries, debug files, the vDSO.
 *
 * The format is the System V gABI's (elf.h, elf(5)); symbol versions are the Linux Standard Base's. A file may be
 * planted by anyone, so every offset, size and count is checked before it is used, and whatever is wrong with the
 * bytes comes out as an {@linkcode ElfError}. Only the headers are read at first; the rest when it is asked for.
 *
 * @module
 */

import { DetraceError } from "../error.ts";

/** `e_type`: what a compiler writes (a BPF object), a program at fixed addresses, a library or movable program. */
export const ET_REL = 1, ET_EXEC = 2, ET_DYN = 3;
/** `e_machine` of BPF. */
export const EM_BPF = 247;
/** Section types. SHT_NOBITS takes no room in the file; SHT_REL has its addends in the section it applies to. */
export const SHT_PROGBITS = 1,
  SHT_SYMTAB = 2,
  SHT_RELA = 4,
  SHT_NOTE = 7,
  SHT_NOBITS = 8,
  SHT_REL = 9,
  SHT_DYNSYM = 11;
/** Section flags: writable, in memory at run time, machine code. */
export const SHF_WRITE = 1, SHF_ALLOC = 2, SHF_EXECINSTR = 4;
/** What a symbol has for a section if it is defined elsewhere, is a plain number, is yet to be given room. */
export const SHN_UNDEF = 0, SHN_ABS = 0xfff1, SHN_COMMON = 0xfff2;
/** Symbol bindings. STB_WEAK gives way to another definition, and may stay undefined. */
export const STB_LOCAL = 0, STB_GLOBAL = 1, STB_WEAK = 2;
/** Symbol types. STT_GNU_IFUNC is a function that returns the address of the function to call. */
export const STT_NOTYPE = 0, STT_OBJECT = 1, STT_FUNC = 2, STT_SECTION = 3, STT_GNU_IFUNC = 10;
/** Symbol visibility: not seen outside of the linked object. */
export const STV_HIDDEN = 2;
/** Segment types: mapped into memory, notes. */
export const PT_LOAD = 1, PT_NOTE = 4;
/** Segment flags: executable, writable. */
export const PF_X = 1, PF_W = 2;

const SHT_NULL = 0;
const SHT_SYMTAB_SHNDX = 18;
const SHT_GNU_VERDEF = 0x6ffffffd;
const SHT_GNU_VERNEED = 0x6ffffffe;
const SHT_GNU_VERSYM = 0x6fffffff;
const SHF_COMPRESSED = 0x800;
const SHN_XINDEX = 0xffff;
const PN_XNUM = 0xffff;
const NT_GNU_BUILD_ID = 3;

/** What is wrong with an ELF file, in one sentence without the file's name. */
export class ElfError extends DetraceError {
  /** The class's name. */
  override readonly name: string = "ElfError";
}

/**
 * One section header (`Elf64_Shdr`). Addresses are signed: the kernel's own are negative numbers, exact ones;
 * `BigInt.asUintN(64, BigInt(addr))` is the usual form.
 */
export interface ElfSection {
  /** Its place in the section table. */
  readonly index: number;
  /** Its name, such as ".text". */
  readonly name: string;
  /** One of `SHT_*`. */
  readonly type: number;
  /** `SHF_*` bits. */
  readonly flags: number;
  /** Address in memory, 0 if it is not loaded. */
  readonly addr: number;
  /** Place in the file, in bytes. Not checked before the data is asked for. */
  readonly offset: number;
  /** Bytes in the file, or in memory for SHT_NOBITS. */
  readonly size: number;
  /** The section it refers to: a symbol table's strings, a relocation section's symbols. */
  readonly link: number;
  /** The section a relocation section applies to; other meanings with other types. */
  readonly info: number;
  /** Alignment in bytes. */
  readonly addralign: number;
  /** Bytes of one record, for sections that hold records. */
  readonly entsize: number;
}

/** One program header (`Elf64_Phdr`): sizes and places in bytes, addresses signed as in {@linkcode ElfSection}. */
export interface ElfSegment {
  /** One of `PT_*`. */
  readonly type: number;
  /** `PF_*` bits. */
  readonly flags: number;
  /** Place in the file. */
  readonly offset: number;
  /** Address in memory. */
  readonly vaddr: number;
  /** Bytes in the file. */
  readonly filesz: number;
  /** Bytes in memory. */
  readonly memsz: number;
  /** Alignment. */
  readonly align: number;
}

/** One symbol (`Elf64_Sym`). */
export interface ElfSymbol {
  /** Its place in the table, which relocations refer to. */
  readonly index: number;
  /** Its name; empty for a section's symbol. */
  readonly name: string;
  /** Address (signed as in {@linkcode ElfSection}), or in a relocatable file the offset in its section. */
  readonly value: number;
  /** Bytes, 0 if not known. */
  readonly size: number;
  /** One of `STT_*`. */
  readonly type: number;
  /** One of `STB_*`. */
  readonly binding: number;
  /** One of `STV_*`. */
  readonly visibility: number;
  /** Index of the section it is in, or `SHN_UNDEF`, `SHN_ABS`, `SHN_COMMON`. */
  readonly shndx: number;
  /** Version, such as "GLIBC_2.34", of a dynamic symbol that has one. */
  readonly version?: string;
  /** With a version: true if programs linked today get another one (`name@VERSION`, not `name@@VERSION`). */
  readonly versionHidden?: boolean;
}

/** One relocation (`Elf64_Rel`, `Elf64_Rela`). */
export interface ElfRelocation {
  /** Where, in bytes from the start of the section it applies to (an address in linked files). */
  readonly offset: number;
  /** What to do, by the machine's own numbers. */
  readonly type: number;
  /** Index of the symbol in the table that the relocation section links to. Not checked against it. */
  readonly symbol: number;
  /** What to add, in SHT_RELA sections. */
  readonly addend?: number;
}

/** One note (`Elf64_Nhdr`). */
export interface ElfNote {
  /** Who defined it, such as "GNU". */
  readonly name: string;
  /** Its type, by the owner's numbers. */
  readonly type: number;
  /** Its content. */
  readonly desc: Uint8Array;
}

/** An ELF file that is not in memory as a whole; `read` returns exactly `length` bytes or throws. */
export interface ElfSource {
  /** Size of the file in bytes. */
  readonly size: number;
  /** Reads `length` bytes at `offset`; only called for ranges within `size`. */
  read(offset: number, length: number): Uint8Array;
}

/**
 * One ELF file.
 *
 * @example
 * ```ts
 * import { Elf, ElfError } from "detrace/lib/elf/elf.ts";
 * import { assert, assertThrows } from "@std/assert";
 *
 * const elf = Elf.parse(Deno.readFileSync(Deno.execPath()));
 * assert(elf.data(elf.section(".text")!).length > 0);
 * assertThrows(() => Elf.parse(new Uint8Array(4)), ElfError, "not an ELF file");
 * ```
 */
export class Elf {
  /** Whether numbers are stored low byte first. */
  readonly littleEndian: boolean;
  /** One of `ET_*`. */
  readonly type: number;
  /** The machine it is for: one of `EM_*`. */
  readonly machine: number;
  /** Address of the first instruction. */
  readonly entry: number;
  /** All sections; the first one is empty by definition. None if the file has no section table. */
  readonly sections: readonly ElfSection[];
  /** All segments. */
  readonly segments: readonly ElfSegment[];
  readonly #source: ElfSource;

  /**
   * Reads the headers.
   *
   * @param file The whole file, kept and viewed in place, or how to read parts of it.
   * @returns The file; its sections' places are only checked when their data is asked for.
   * @throws {ElfError} Not an ELF file, a 32-bit one, or one whose headers are cut short or wrong.
   */
  static parse(file: Uint8Array | ElfSource): Elf {
    return new Elf(
      file instanceof Uint8Array
        ? { size: file.length, read: (offset, length) => file.subarray(offset, offset + length) }
        : file,
    );
  }

  private constructor(source: ElfSource) {
    this.#source = source;
    const ident = source.read(0, Math.min(source.size, 16));
    if (ident[0] !== 0x7f || ident[1] !== 0x45 || ident[2] !== 0x4c || ident[3] !== 0x46) {
      throw new ElfError("this is not an ELF file");
    }
    if (ident[4] === 1) {
      throw new ElfError("this ELF file is a 32-bit one, and only 64-bit ones are supported");
    }
    this.littleEndian = ident[5] !== 2;
    const header = viewOf(this.#read(0, 64, "its header"));
    if (ident[4] !== 2 || (ident[5] !== 1 && ident[5] !== 2) || ident[6] !== 1) {
      throw new ElfError("this ELF file has a class, byte order or version that does not exist");
    }
    this.type = this.#u16(header, 16);
    this.machine = this.#u16(header, 18);
    this.entry = this.#i64(header, 24);
    const [phoff, shoff] = [this.#u64(header, 32), this.#u64(header, 40)];

    // Counts that do not fit into 16 bits are kept in the first section header.
    const first = shoff === 0 ? undefined : this.#table(header, shoff, 58, 64, 1, "section headers");
    const shnum = first ? this.#u16(header, 60) || this.#u64(first, 32) : 0;
    const heads = this.#table(header, shoff, 58, 64, shnum, "section headers");
    let shstrndx = this.#u16(header, 62);
    if (first && shstrndx === SHN_XINDEX) shstrndx = this.#u32(first, 40);
    const sections = Array.from({ length: shnum }, (_, index) => ({
      index,
      name: "",
      type: this.#u32(heads, index * 64 + 4),
      flags: this.#u64(heads, index * 64 + 8),
      addr: this.#i64(heads, index * 64 + 16),
      offset: this.#u64(heads, index * 64 + 24),
      size: this.#u64(heads, index * 64 + 32),
      link: this.#u32(heads, index * 64 + 40),
      info: this.#u32(heads, index * 64 + 44),
      addralign: this.#u64(heads, index * 64 + 48),
      entsize: this.#u64(heads, index * 64 + 56),
    }));
    this.sections = sections;
    if (shnum > 0 && shstrndx > 0) {
      const nameOf = this.#strings(shstrndx);
      for (const section of sections) section.name = nameOf(this.#u32(heads, section.index * 64));
    }

    const phnum = this.#u16(header, 56);
    const count = phnum === PN_XNUM && first ? this.#u32(first, 44) : phnum;
    const phdrs = this.#table(header, phoff, 54, 56, count, "program headers");
    this.segments = Array.from({ length: count }, (_, i) => ({
      type: this.#u32(phdrs, i * 56),
      flags: this.#u32(phdrs, i * 56 + 4),
      offset: this.#u64(phdrs, i * 56 + 8),
      vaddr: this.#i64(phdrs, i * 56 + 16),
      filesz: this.#u64(phdrs, i * 56 + 32),
      memsz: this.#u64(phdrs, i * 56 + 40),
      align: this.#u64(phdrs, i * 56 + 48),
    }));
  }

  /** The whole file; a view of what was given to {@linkcode Elf.parse}. */
  get bytes(): Uint8Array {
    return this.#source.read(0, this.#source.size);
  }

  /** The first section of that name. */
  section(name: string): ElfSection | undefined {
    return this.sections.find((section) => section.name === name);
  }

  /**
   * A section's bytes: a view, not a copy; empty for SHT_NOBITS.
   *
   * @throws {ElfError} The section lies outside of the file, or is compressed.
   */
  data(section: ElfSection): Uint8Array {
    if (section.flags & SHF_COMPRESSED) {
      throw new ElfError(`${label(section)} is compressed, which is not supported`);
    }
    if (section.type === SHT_NULL || section.type === SHT_NOBITS) return new Uint8Array(0);
    return this.#read(section.offset, section.size, label(section));
  }

  /**
   * The symbols of the full table ("static") or of the dynamic linker's ("dynamic"), the empty first one included;
   * none if there is no such table.
   *
   * @param kind Which table.
   * @param wanted Takes only symbols of these names. A big program has millions of symbols: looking through them costs
   *   little, keeping them all does not.
   * @throws {ElfError} The table, its strings or its versions are broken.
   */
  symbols(kind: "static" | "dynamic", wanted: (name: string) => boolean = () => true): ElfSymbol[] {
    const type = kind === "static" ? SHT_SYMTAB : SHT_DYNSYM;
    const table = this.sections.find((section) => section.type === type);
    if (!table) return [];
    const view = this.#records(table, 24);
    const count = view.byteLength / 24;
    const nameOf = this.#strings(table.link);
    const wide = this.sections.find((s) => s.type === SHT_SYMTAB_SHNDX && s.link === table.index);
    const wideView = wide && this.#records(wide, 4, count);
    const versions = kind === "dynamic" && count > 0 ? this.#versions(nameOf, count) : undefined;
    const symbols: ElfSymbol[] = [];
    for (let index = 0; index < count; index++) {
      const at = index * 24;
      const name = nameOf(this.#u32(view, at));
      if (!wanted(name)) continue;
      const info = view.getUint8(at + 4);
      const shndx = this.#u16(view, at + 6);
      symbols.push({
        index,
        name,
        value: this.#i64(view, at + 8),
        size: this.#u64(view, at + 16),
        type: info & 15,
        binding: info >> 4,
        visibility: view.getUint8(at + 5) & 3,
        shndx: shndx === SHN_XINDEX && wideView ? this.#u32(wideView, index * 4) : shndx,
        ...versions?.(index),
      });
    }
    return symbols;
  }

  /**
   * The relocations of a section: those of every relocation section that applies to it. Given a SHT_REL or SHT_RELA
   * section, those in it.
   *
   * @throws {ElfError} A relocation section is broken.
   */
  relocations(section: ElfSection): ElfRelocation[] {
    const isTable = (s: ElfSection) => s.type === SHT_REL || s.type === SHT_RELA;
    const tables = isTable(section)
      ? [section]
      : this.sections.filter((s) => isTable(s) && s.info === section.index);
    return tables.flatMap((table) => {
      const size = table.type === SHT_RELA ? 24 : 16;
      const view = this.#records(table, size);
      const [symbolAt, typeAt] = this.littleEndian ? [12, 8] : [8, 12];
      return Array.from({ length: view.byteLength / size }, (_, i) => ({
        offset: this.#i64(view, i * size),
        type: this.#u32(view, i * size + typeAt),
        symbol: this.#u32(view, i * size + symbolAt),
        ...(size === 24 && { addend: this.#i64(view, i * size + 16) }),
      }));
    });
  }

  /**
   * The notes of all note sections, or of the note segments if there is no such section.
   *
   * @throws {ElfError} A note does not fit where it is.
   */
  notes(): ElfNote[] {
    const notes: ElfNote[] = [];
    const read = (bytes: Uint8Array, align: number) => {
      const view = viewOf(bytes);
      const pad = (n: number) => Math.ceil(n / align) * align;
      for (let at = 0; at < bytes.length;) {
        const whole = at + 12 <= bytes.length;
        const nameSize = whole ? this.#u32(view, at) : 0;
        const descAt = at + pad(12 + nameSize);
        const end = descAt + (whole ? this.#u32(view, at + 4) : 0);
        if (end > bytes.length) throw new ElfError("this ELF file has a note that is cut short");
        notes.push({
          name: decode(bytes.subarray(at + 12, at + 12 + nameSize)).replace(/\0.*$/s, ""),
          type: this.#u32(view, at + 8),
          desc: bytes.subarray(descAt, end),
        });
        at += pad(end - at);
      }
    };
    const sections = this.sections.filter((section) => section.type === SHT_NOTE);
    for (const section of sections) read(this.data(section), section.addralign === 8 ? 8 : 4);
    for (const { type, offset, filesz, align } of sections.length > 0 ? [] : this.segments) {
      if (type === PT_NOTE) read(this.#read(offset, filesz, "a note segment"), align === 8 ? 8 : 4);
    }
    return notes;
  }

  /**
   * The build-id, in hexadecimal, by which debug files are found.
   *
   * @throws {ElfError} The notes are broken.
   */
  buildId(): string | undefined {
    return this.notes().find(({ name, type }) => name === "GNU" && type === NT_GNU_BUILD_ID)?.desc.toHex();
  }

  #u16 = (view: DataView, at: number): number => view.getUint16(at, this.littleEndian);
  #u32 = (view: DataView, at: number): number => view.getUint32(at, this.littleEndian);

  #i64(view: DataView, at: number): number {
    const value = Number(view.getBigInt64(at, this.littleEndian));
    if (!Number.isSafeInteger(value)) throw new ElfError("this ELF file has a number beyond 2^53");
    return value;
  }

  #u64(view: DataView, at: number): number {
    const value = this.#i64(view, at);
    if (value < 0) throw new ElfError("this ELF file has a size or offset beyond 2^53");
    return value;
  }

  /** Bytes of the file, once they are known to be in it. */
  #read(offset: number, size: number, what: string): Uint8Array {
    const [end, fileSize] = [offset + size, this.#source.size];
    if (end <= fileSize) return this.#source.read(offset, size);
    throw new ElfError(
      `this ELF file is cut short: ${what} would end at byte ${end}, but it has ${fileSize}`,
    );
  }

  /** A header table, whose record size the file header states at byte `entsizeAt`. */
  #table(header: DataView, offset: number, entsizeAt: number, entsize: number, count: number, what: string) {
    if (count > 0 && this.#u16(header, entsizeAt) !== entsize) {
      throw new ElfError(`this ELF file says its ${what} are not ${entsize} bytes each`);
    }
    return viewOf(this.#read(count > 0 ? offset : 0, count * entsize, `the table of ${what}`));
  }

  /** A section of records, whole ones and at least `count` of them. */
  #records(section: ElfSection, size: number, count = 0): DataView {
    const data = this.data(section);
    if (
      data.length % size !== 0 || data.length < count * size || (data.length > 0 && section.entsize !== size)
    ) {
      throw new ElfError(`${label(section)} does not hold records of ${size} bytes`);
    }
    return viewOf(data);
  }

  /**
   * A reader of names in a string table. Names may overlap, so what it decodes in all is bounded by the file's
   * size: else a small file could ask for terabytes. It remembers the first 65536 of them.
   */
  #strings(index: number): (offset: number) => string {
    const section = this.sections[index];
    if (!section) throw new ElfError(`this ELF file has no section ${index}, where it says some names are`);
    const table = this.data(section);
    const known = new Map([[0, ""]]);
    let budget = 8 * this.#source.size;
    return (offset) => {
      let name = known.get(offset);
      if (name === undefined) {
        const end = table.indexOf(0, offset);
        budget -= end - offset;
        if (end < 0 || budget < 0) throw new ElfError(`${label(section)} does not hold the names it should`);
        name = decode(table.subarray(offset, end));
        if (known.size < 65536) known.set(offset, name);
      }
      return name;
    };
  }

  /** A function from the index of a dynamic symbol to its version. */
  #versions(
    nameOf: (offset: number) => string,
    count: number,
  ): ((index: number) => { version: string; versionHidden: boolean } | undefined) | undefined {
    const [versym, verdef, verneed] = [SHT_GNU_VERSYM, SHT_GNU_VERDEF, SHT_GNU_VERNEED]
      .map((type) => this.sections.find((section) => section.type === type));
    if (!versym) return undefined;
    const indices = this.#records(versym, 2, count);
    const names = new Map<number, string>();
    // Records in a list give the distance to the next one. Lists of a hostile file may overlap: the budget is for all.
    let budget = 0;
    const list = function* (this: Elf, view: DataView, at: number, nextAt: number): Generator<number> {
      for (let step = -1; step !== 0; at += step) {
        if (at + nextAt + 4 > view.byteLength || budget-- <= 0) {
          throw new ElfError("this ELF file has broken symbol versions");
        }
        yield at;
        step = this.#u32(view, at + nextAt);
      }
    }.bind(this);
    if (verdef?.size) {
      const view = viewOf(this.data(verdef));
      budget = view.byteLength / 8;
      for (const at of list(view, 0, 16)) {
        const [aux] = list(view, at + this.#u32(view, at + 12), 4);
        names.set(this.#u16(view, at + 4), nameOf(this.#u32(view, aux!)));
      }
    }
    if (verneed?.size) {
      const view = viewOf(this.data(verneed));
      budget = view.byteLength / 8;
      for (const at of list(view, 0, 12)) {
        for (const aux of list(view, at + this.#u32(view, at + 8), 12)) {
          names.set(this.#u16(view, aux + 6) & 0x7fff, nameOf(this.#u32(view, aux + 8)));
        }
      }
    }
    return (index) => {
      const raw = this.#u16(indices, index * 2);
      const version = (raw & 0x7fff) > 1 ? names.get(raw & 0x7fff) : undefined;
      return version === undefined ? undefined : { version, versionHidden: (raw & 0x8000) !== 0 };
    };
  }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** A section for an error's sentence; what is in its name may be meant for a terminal, so it is quoted. */
function label({ name, index }: ElfSection): string {
  return `ELF section ${name ? JSON.stringify(name) : index}`;
}

let decoder: TextDecoder | undefined;
function decode(bytes: Uint8Array): string {
  return (decoder ??= new TextDecoder()).decode(bytes);
}
