/**
 * ELF files of others, opened to look for the places of functions and probes in them.
 *
 * @module
 */

import {
  Elf,
  ElfError,
  type ElfSymbol,
  PF_X,
  PT_LOAD,
  SHN_UNDEF,
  STB_LOCAL,
  STB_WEAK,
  STT_FUNC,
  STT_GNU_IFUNC,
  STT_NOTYPE,
} from "../elf/elf.ts";
import { DetraceError } from "../error.ts";
import { ARCH, closeFd } from "../sys/door.ts";
import { SyscallError } from "../sys/errno.ts";
import { O_NONBLOCK, O_RDONLY, open, readFdAt, statFd } from "../sys/file.ts";

// Any user can plant a file, so what is read of it is bounded: bytes of its headers and of any one table, segments, and
// functions that are looked for.
const [HEADERS_LIMIT, TABLE_LIMIT, SEGMENT_LIMIT, FOUND_LIMIT] = [4 << 20, 256 << 20, 1024, 1 << 18];
const FUNCTION_TYPES = [STT_NOTYPE, STT_FUNC, STT_GNU_IFUNC]; // assembly often has no type
const MACHINE = ARCH === "x86" ? 62 : 183; // EM_X86_64, EM_AARCH64

/**
 * Opens an ELF file of this machine for as long as it is used. It is read in parts and not mapped: who owns it may cut it
 * short meanwhile.
 *
 * @param path The file.
 * @param use What to do with it. A {@link DetraceError} that comes out of it gets the file's name in front.
 * @throws {DetraceError} It is something else, or damaged.
 */
export function withElf<T>(path: string, use: (elf: Elf) => T): T {
  const fd = open(path, O_RDONLY | O_NONBLOCK); // a pipe would make us wait
  try {
    const { mode, size } = statFd(fd, path);
    if ((mode & 0o170000) !== 0o100000) throw new DetraceError("this is not a regular file");
    let limit = HEADERS_LIMIT;
    const read = (offset: number, length: number) => {
      if (length > limit) {
        throw new ElfError(`this ELF file has a table of ${length} bytes, which is too long`);
      }
      const bytes = readFdAt(fd, BigInt(offset), length, path);
      if (bytes.length < length) throw new ElfError("this ELF file was cut short while it was read");
      return bytes;
    };
    const elf = Elf.parse({ size, read });
    if (elf.machine !== MACHINE) throw new ElfError("this ELF file is for another kind of processor");
    if (elf.segments.length > SEGMENT_LIMIT) throw new ElfError("this ELF file has too many segments");
    limit = TABLE_LIMIT;
    return use(elf);
  } catch (error) {
    if (!(error instanceof DetraceError) || error instanceof SyscallError) throw error;
    throw new DetraceError(`${path}: ${error.message}`, {
      cause: error,
      ...(error.hint === undefined ? {} : { hint: error.hint }),
    });
  } finally {
    closeFd(fd);
  }
}

/**
 * Where an address is in the file.
 *
 * @param elf A program or library.
 * @param address An address in the file's own terms, as symbols have it.
 * @param flags What the segment must be: `PF_X` for code.
 * @returns Bytes from the start of the file; undefined if nothing of the file is loaded there.
 */
export function fileOffset(elf: Elf, address: number, flags: number): number | undefined {
  const segment = elf.segments.find((s) =>
    s.type === PT_LOAD && (s.flags & flags) === flags && address >= s.vaddr && address < s.vaddr + s.filesz
  );
  return segment && address - segment.vaddr + segment.offset;
}

/** A function in a symbol table: its symbol, with the version taken out of the name, and its place in the file. */
type FunctionSymbol = ElfSymbol & { readonly place: number };

/** The functions of some names in both symbol tables: in the full one, if the file has it, and in the dynamic linker's. */
function functions(elf: Elf, wanted: (name: string) => boolean): FunctionSymbol[] {
  let left = FOUND_LIMIT;
  const take = (name: string) => {
    const taken = wanted(name.replace(/@.*/s, ""));
    if (taken && left-- <= 0) throw new ElfError(`there are more than ${FOUND_LIMIT} such functions`);
    return taken;
  };
  return [...elf.symbols("static", take), ...elf.symbols("dynamic", take)].flatMap((symbol) => {
    const place = fileOffset(elf, symbol.value, PF_X);
    if (!FUNCTION_TYPES.includes(symbol.type) || symbol.shndx === SHN_UNDEF || !place) return [];
    // The full table has versions as part of the names: name@VERSION, and name@@VERSION for that of today.
    const [, name = "", at, version] = /^(.*?)(@@?)(.*)$/s.exec(symbol.name) ?? [];
    return [
      at ? { ...symbol, name, version: version!, versionHidden: at === "@", place } : { ...symbol, place },
    ];
  });
}

/**
 * Finds functions by name.
 *
 * @param elf A program or library.
 * @param names Their symbols, each perhaps with a version, `memcpy@GLIBC_2.14`. Without one it is that of today, which programs
 *   get that are linked now.
 * @returns The place of each in the file, in bytes.
 * @throws {DetraceError} There is none of a name, more than one, or one that is chosen at run time (IFUNC).
 */
export function findFunctions(elf: Elf, names: readonly string[]): number[] {
  const wanted = new Map(names.map((name) => [name, name.split(/@@?/) as [string, string?]]));
  const plain = new Set(Array.from(wanted.values(), ([name]) => name));
  const found = Map.groupBy(functions(elf, (name) => plain.has(name)), ({ name }) => name);
  // The version of today before older ones; global before weak before local.
  const rank = ({ versionHidden, binding }: ElfSymbol) =>
    (versionHidden ? 4 : 0) + (binding === STB_LOCAL ? 2 : binding === STB_WEAK ? 1 : 0);
  return names.map((name) => {
    const [symbol, version] = wanted.get(name)!;
    const candidates = (found.get(symbol) ?? []).filter((f) =>
      version === undefined || f.version === version
    );
    const [best, ...others] = candidates.sort((a, b) => rank(a) - rank(b));
    if (!best) throw new DetraceError(`there is no function ${name}`);
    if (others.some((other) => rank(other) === rank(best) && other.value !== best.value)) {
      throw new DetraceError(`there is more than one function ${name}`, { hint: "give the address of one" });
    }
    if (best.type === STT_GNU_IFUNC) {
      throw new DetraceError(`${name} is one of several functions, chosen when a process starts (IFUNC)`, {
        hint: "give the name or address of one of them",
      });
    }
    return best.place;
  });
}

/**
 * Finds all functions whose names fit.
 *
 * @param elf A program or library.
 * @param wanted Which names.
 * @returns Their places in the file, in bytes, each once; without those of older versions, and those that are chosen at run
 *   time (IFUNC).
 */
export function matchFunctions(elf: Elf, wanted: (name: string) => boolean): number[] {
  const found = functions(elf, wanted).filter(({ type, versionHidden }) =>
    type === STT_FUNC && !versionHidden
  );
  return [...new Set(found.map(({ place }) => place))];
}
