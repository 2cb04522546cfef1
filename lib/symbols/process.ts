/**
 * Symbols of processes: from an address in a process to the function, by what is mapped there.
 *
 * A process can map, write, replace and remove the files that are read here while they are read. So files are read,
 * not mapped (a page that is cut off would end this process), only regular ones are opened, all sizes are bounded,
 * and whatever is broken just has no symbols.
 *
 * @module
 */

import {
  Elf,
  ElfError,
  type ElfSegment,
  type ElfSource,
  PF_X,
  PT_LOAD,
  SHT_DYNSYM,
  SHT_SYMTAB,
} from "../elf/elf.ts";
import { closeFd } from "../sys/door.ts";
import {
  O_NONBLOCK,
  O_RDONLY,
  open,
  readAt,
  readFdAt,
  readFile,
  readLink,
  readText,
  type Stat,
  stat,
  statFd,
} from "../sys/file.ts";
import { lastAtMost, nameAt, SymbolTable } from "./symbol_table.ts";

// Bytes of one symbol table, string table or perf map; of any other part of a file; of all symbols that are kept.
const [TABLE_LIMIT, PART_LIMIT, KEEP_LIMIT] = [256 << 20, 4 << 20, 512 << 20];
const MAPS_LIMIT = 8 << 20; // bytes of /proc/PID/maps
const PROCESS_LIMIT = 256; // processes whose mappings are kept
const decoder = new TextDecoder();

/** Where an address of a process leads. */
export interface UserSymbol {
  /** The function's name, not demangled; none if no symbol is known there. */
  readonly name?: string;
  /** Bytes from the function's start, 0 without a name. */
  readonly offset: number;
  /** The file mapped there as its process sees it, "[vdso]" and the like, or "[anon]". */
  readonly module: string;
  /** The address in the module's own terms, as addr2line(1) wants it; in what is no ELF file the bytes from its start. */
  readonly moduleOffset: number;
}

/** One executable mapping of a process. */
export interface Mapping {
  /** First address. */
  readonly start: number;
  /** The address behind the last one. */
  readonly end: number;
  /** Place in the file that `start` is at. */
  readonly offset: number;
  /** Whether there is a file. */
  readonly isFile: boolean;
  /** Its path, a name in brackets, or nothing. */
  readonly path: string;
}

/**
 * The executable mappings in the text of /proc/PID/maps, in its order, which is by address.
 *
 * @example
 * ```ts
 * import { parseMaps } from "detrace/lib/symbols/process.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const text = "55d0a000-55d0c000 r-xp 00002000 fe:00 131 /usr/bin/a b\n7ffc1000-7ffc2000 rw-p 00000000 00:00 0 [stack]\n";
 * assertEquals(parseMaps(text), [
 *   { start: 0x55d0a000, end: 0x55d0c000, offset: 0x2000, isFile: true, path: "/usr/bin/a b" },
 * ]);
 * ```
 */
export function parseMaps(text: string): Mapping[] {
  // Split at "\n" alone: a path can hold every other line end that a regular expression knows.
  return text.split("\n").flatMap((line) => {
    const match = /^([0-9a-f]+)-([0-9a-f]+) ..x. ([0-9a-f]+) \S+ (\d+) *(.*)$/s.exec(line);
    if (!match) return [];
    const [start, end, offset] = [match[1]!, match[2]!, match[3]!].map((digits) => parseInt(digits, 16));
    return [{ start: start!, end: end!, offset: offset!, isFile: match[4] !== "0", path: match[5]! }];
  });
}

/** What is known of a file: its functions, and which parts of an ELF file are code. */
interface Module {
  /** Another one means that the file has changed. Empty when the module was given up, to be read again. */
  version: string;
  table?: SymbolTable | undefined;
  code?: readonly ElfSegment[];
}

interface Process {
  readonly exe: string;
  mappings: (Mapping & { module?: Module | undefined })[];
  starts: Float64Array;
  jit: Module | undefined;
  readonly readMaps: () => void;
  readonly readJit: () => void;
  readonly directory: string;
}

/**
 * The symbols of all processes. It keeps what it has read, so one is enough for a program.
 *
 * @example
 * ```ts
 * import { ProcessSymbols } from "detrace/lib/symbols/process.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(new ProcessSymbols().resolve(Deno.pid, [8n]), [undefined]);
 * ```
 */
export class ProcessSymbols {
  readonly #processes = new Map<number, Process>();
  readonly #modules = new Map<string, Module>();
  #kept = 0;

  /**
   * Resolves the addresses of one stack.
   *
   * @param pid The process (not the thread), as this program's pid namespace numbers it.
   * @param addresses Addresses of code in the process.
   * @returns For each its symbol, or nothing if no code is mapped there or the process is gone. Never throws.
   */
  resolve(pid: number, addresses: Iterable<bigint>): (UserSymbol | undefined)[] {
    const exe = tryTo(() => identity(stat(`/proc/${pid}/exe`)));
    let process = this.#processes.get(pid);
    if (exe !== undefined && process?.exe !== exe) process = this.#process(`/proc/${pid}`, exe);
    if (process) {
      this.#processes.delete(pid); // and to the end of the line
      this.#processes.set(pid, process);
      if (this.#processes.size > PROCESS_LIMIT) this.#processes.delete(this.#processes.keys().next().value!);
    }
    return Array.from(addresses, (address) => process && this.#resolve(process, Number(address)));
  }

  #process(directory: string, exe: string): Process {
    const process: Process = {
      directory,
      exe,
      mappings: [],
      starts: new Float64Array(0),
      jit: undefined,
      readMaps: sparing(() => {
        process.mappings = parseMaps(decoder.decode(readFile(`${directory}/maps`, MAPS_LIMIT)));
        process.starts = Float64Array.from(process.mappings, ({ start }) => start);
      }),
      readJit: sparing(() => {
        // The name has the number that the process has in its own, innermost pid namespace.
        const pid = /^NSpid:.*\t(\d+)$/m.exec(readText(`${directory}/status`))?.[1];
        process.jit = withFile([`${directory}/root/tmp/perf-${pid}.map`], (file, stat) => {
          file.limit = TABLE_LIMIT;
          const read = () => ({ table: SymbolTable.fromPerfMap(file.read(0, file.size)) });
          return this.#module(`jit ${identity(stat)}`, stat, read);
        });
      }),
    };
    process.readMaps();
    return process;
  }

  #resolve(process: Process, address: number): UserSymbol | undefined {
    const find = () => {
      const mapping = process.mappings[lastAtMost(process.starts, address)];
      return mapping && address < mapping.end ? mapping : undefined;
    };
    let mapping = find();
    if (!mapping) {
      process.readMaps();
      mapping = find();
    }
    if (!mapping) return undefined;
    if (!mapping.module?.version) mapping.module = this.#mapped(process, mapping);

    const place = address - mapping.start + mapping.offset;
    const path = mapping.path || "[anon]";
    const segment = mapping.module?.code?.find(({ offset, filesz }) =>
      place >= offset && place < offset + filesz
    );
    if (segment) {
      const moduleOffset = place - segment.offset + segment.vaddr;
      return { offset: 0, ...mapping.module!.table?.find(moduleOffset), module: path, moduleOffset };
    }
    let found = process.jit?.table?.find(address);
    if (!found) {
      process.readJit();
      found = process.jit?.table?.find(address);
    }
    return { offset: 0, ...found, module: path, moduleOffset: place };
  }

  /** What is mapped: from the very file, if we may, else from what is at its path now. */
  #mapped({ directory }: Process, { start, end, path, isFile }: Mapping): Module | undefined {
    if (path === "[vdso]" && start > 0xffffffff) return this.#module(path, undefined, readVdso);
    if (!isFile) return undefined;
    const paths = [`${directory}/map_files/${start.toString(16)}-${end.toString(16)}`];
    if (!path.endsWith(" (deleted)")) paths.push(`${directory}/root${path}`);
    if (tryTo(() => readLink(`${directory}/exe`)) === path) paths.push(`${directory}/exe`);
    return withFile(paths, (file, stat) => {
      return this.#module(identity(stat), stat, () => readModule(file, directory, path));
    });
  }

  /** A module from those kept, or a new one; what cannot be read is kept as one without symbols. */
  #module(key: string, stat: Stat | undefined, read: () => Omit<Module, "version">): Module {
    const version = stat ? `${stat.size} ${stat.mtime}` : "always";
    const known = this.#modules.get(key);
    if (known?.version === version) return known;
    if (known) this.#drop(key, known);
    const module: Module = { version, ...tryTo(read) };
    this.#modules.set(key, module);
    this.#kept += weight(module);
    for (const [oldKey, old] of this.#modules) {
      if (this.#kept <= KEEP_LIMIT || old === module) break;
      this.#drop(oldKey, old);
    }
    return module;
  }

  #drop(key: string, module: Module): void {
    this.#modules.delete(key);
    this.#kept -= weight(module);
    module.version = "";
    delete module.table;
    delete module.code;
  }
}

function weight({ table, code }: Module): number {
  return 1000 + 200 * (code?.length ?? 0) + (table?.byteLength ?? 0);
}

function tryTo<T>(what: () => T): T | undefined {
  try {
    return what();
  } catch {
    return undefined; // ours or the system's error, or out of memory: here they all mean that nothing is known
  }
}

/** Work that may be asked for too often: done only if it has not taken more than a tenth of the time until now. */
function sparing(work: () => void): () => void {
  let notBefore = 0;
  return () => {
    const start = performance.now();
    if (start < notBefore) return;
    tryTo(work);
    const end = performance.now();
    notBefore = end + 10 * (end - start);
  };
}

function identity({ dev, ino }: Stat): string {
  return `${dev}:${ino}`;
}

/** A file to read in parts, of at most `limit` bytes: else a file full of headers would fill our memory. */
interface File extends ElfSource {
  limit: number;
}

/** The first result for a regular file that can be opened; a pipe would block us, a device may do anything. */
function withFile<T>(paths: string[], use: (file: File, stat: Stat) => T | undefined): T | undefined {
  const isRegular = ({ mode }: Stat) => (mode & 0o170000) === 0o100000;
  for (const path of paths) {
    const result = tryTo(() => {
      if (!isRegular(stat(path))) return undefined;
      const fd = open(path, O_RDONLY | O_NONBLOCK);
      try {
        const found = statFd(fd, path);
        const read = (offset: number, length: number) => {
          const bytes = length <= file.limit ? readFdAt(fd, BigInt(offset), length) : undefined;
          if (bytes?.length !== length) {
            throw new ElfError(`${path}: cannot read ${length} bytes at ${offset}`);
          }
          return bytes;
        };
        const file = { size: found.size, limit: PART_LIMIT, read };
        return isRegular(found) ? use(file, found) : undefined;
      } finally {
        closeFd(fd);
      }
    });
    if (result !== undefined) return result;
  }
}

function readModule(file: File, directory: string, path: string): Omit<Module, "version"> {
  const elf = Elf.parse(file);
  const id = tryTo(() => elf.buildId());
  const places = id ? debugFiles(elf, id, directory, path) : [];
  file.limit = TABLE_LIMIT;
  const table = SymbolTable.fromElf(elf, SHT_SYMTAB) ?? withFile(places, (debugFile) => {
    const debug = Elf.parse(debugFile);
    if (debug.buildId() !== id) return undefined;
    debugFile.limit = TABLE_LIMIT;
    return SymbolTable.fromElf(debug, SHT_SYMTAB);
  }) ?? SymbolTable.fromElf(elf, SHT_DYNSYM);
  return { table, code: codeOf(elf) };
}

function codeOf(elf: Elf): ElfSegment[] {
  return elf.segments.filter(({ type, flags }) => type === PT_LOAD && (flags & PF_X) !== 0);
}

/** Where the symbols may be that strip(1) took away. Only a file with the same build-id will do. */
function debugFiles(elf: Elf, id: string, directory: string, path: string): string[] {
  const files = [`/usr/lib/debug/.build-id/${id.slice(0, 2)}/${id.slice(2)}.debug`];
  const link = elf.section(".gnu_debuglink");
  if (link) {
    const folder = path.slice(0, path.lastIndexOf("/") + 1);
    const [inside, name] = [`${directory}/root${folder}`, nameAt(elf.data(link), 0)];
    files.push(inside + name, `${inside}.debug/${name}`, `/usr/lib/debug${folder}${name}`);
  }
  return files;
}

/** The code that the kernel maps into every 64-bit process: our own copy, which no one else can have changed. */
function readVdso(): Omit<Module, "version"> {
  const { start, end } = parseMaps(readText("/proc/self/maps")).find(({ path }) => path === "[vdso]")!;
  const elf = Elf.parse(readAt("/proc/self/mem", BigInt(start), end - start));
  return { table: SymbolTable.fromElf(elf, SHT_DYNSYM), code: codeOf(elf) };
}
