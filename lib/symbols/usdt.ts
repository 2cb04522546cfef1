/**
 * USDT probes: the places that a program's author marked for tracing, and where their arguments are. Pure.
 *
 * The macros of <sys/sdt.h> leave a note for each place in the section `.note.stapsdt`. Format: SystemTap's wiki,
 * "UserSpaceProbeImplementation".
 *
 * @module
 */

import { type Elf, ElfError } from "../elf/elf.ts";

const NT_STAPSDT = 3;
const NOTES_LIMIT = 16 << 20; // bytes of all notes

/** One place of a probe. A probe may stand at several. */
export interface UsdtSite {
  /** The probe's first name, as a rule the program's. */
  readonly provider: string;
  /** The probe's second name. */
  readonly name: string;
  /** Address of the instruction, in the file's own terms. */
  readonly address: number;
  /** Address of a counter of 16 bits that is above zero while someone traces; 0 if there is none. */
  readonly semaphore: number;
  /** Where the arguments are, in the assembler's words: `-4@%esi 8@-24(%rbp)`. */
  readonly args: string;
}

/** Where the value of one argument is: the sum of registers and a number, or in memory at that sum. */
export interface UsdtArgument {
  /** Bytes: 1, 2, 4 or 8; 0 if the argument cannot be read, being in a floating-point register for example. */
  readonly size: number;
  /** Whether it is signed. */
  readonly signed: boolean;
  /** Whether it is in memory at the sum, and not the sum itself. */
  readonly inMemory: boolean;
  /** Where a register is in struct pt_regs, in bytes. */
  readonly base?: number;
  /** Where a second register is. */
  readonly index?: number;
  /** By how many bits the second register is shifted left; 0 if not given. */
  readonly shift?: number;
  /** What is added to the registers. */
  readonly add: bigint;
  /** A symbol. Its distance from the probe's place is to be added. */
  readonly symbol?: string;
}

/**
 * The places of a program's or library's USDT probes.
 *
 * @param elf The file.
 * @param wanted Takes only probes of these names.
 * @throws {ElfError} The notes are damaged, or more than 16 MiB.
 */
export function usdtSites(elf: Elf, wanted: (provider: string, name: string) => boolean): UsdtSite[] {
  const section = elf.section(".note.stapsdt");
  if (!section) return [];
  if (section.size > NOTES_LIMIT) throw new ElfError("this ELF file has too many USDT probes");
  const data = elf.data(section), decoder = new TextDecoder();
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  const u32 = (at: number) => view.getUint32(at, true);
  const address = (at: number) => Number(view.getBigUint64(at, true));
  const padded = (size: number) => Math.ceil(size / 4) * 4;
  // A byte of code that prelink(1) moves, while notes stay as they are.
  const base = elf.section(".stapsdt.base")?.addr ?? 0;
  const sites: UsdtSite[] = [];
  for (let at = 0; at < data.length;) {
    // Elf64_Nhdr: bytes of the owner's name, bytes of the content, type; then both, padded to 4 bytes.
    const content = at + 12 <= data.length ? at + 12 + padded(u32(at)) : Infinity;
    const end = content <= data.length ? content + u32(at + 4) : Infinity;
    if (end > data.length) throw new ElfError("this ELF file has a USDT probe that is cut short");
    if (u32(at + 8) === NT_STAPSDT && end - content > 24) {
      // Addresses of the place, of .stapsdt.base at link time, and of the counter; three strings.
      const [provider = "", name = "", args = ""] = decoder.decode(data.subarray(content + 24, end)).split(
        "\0",
      );
      const [site, linked, semaphore] = [address(content), address(content + 8), address(content + 16)];
      const moved = base && linked && base - linked;
      if (wanted(provider, name)) {
        sites.push({
          provider,
          name,
          address: site + moved,
          semaphore: semaphore && semaphore + moved,
          args,
        });
      }
    }
    at = padded(end);
  }
  return sites;
}

/** What an operand says; `size` is that of a register. */
type Operand = Omit<UsdtArgument, "size" | "signed" | "inMemory"> & { size?: number; inMemory?: boolean };

/**
 * Reads where arguments are.
 *
 * @param text As notes have it: for each argument `SIZE@OPERAND`. The size is in bytes, below zero for signed numbers, with
 *   an `f` for floating point; the operand is in the assembler's words.
 * @param arch The processor.
 * @returns As many as there are in the first 1024 characters.
 *
 * @example
 * ```ts
 * import { parseUsdtArguments } from "detrace/lib/symbols/usdt.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(parseUsdtArguments("-4@-12(%rbp) 8@$5", "x86"), [
 *   { size: 4, signed: true, inMemory: true, base: 32, add: -12n },
 *   { size: 8, signed: false, inMemory: false, add: 5n },
 * ]);
 * ```
 */
export function parseUsdtArguments(text: string, arch: "x86" | "arm64"): UsdtArgument[] {
  const parse = arch === "x86" ? parseX86 : parseArm64;
  // Only in brackets a space does not part two arguments.
  const words = text.slice(0, 1024).replace(/[([][^)\]]*[)\]]/g, (brackets) => brackets.replace(/\s+/g, ""))
    .split(/\s+/);
  return words.filter(Boolean).map((word) => {
    const [, sign, digits, operand] = /^(?:(-?)(\d*)f?@)?(.*)$/s.exec(word)!;
    const { size = 8, ...rest } = parse(operand!) ?? { size: 0, add: 0n };
    const stated = Number(digits || 8);
    return {
      size: [1, 2, 4, 8].includes(stated) ? Math.min(stated, size) : 0,
      signed: sign === "-",
      inMemory: false,
      ...rest,
    };
  });
}

// struct pt_regs of x86-64, 8 bytes a register: its names whole, of its low 4, 2 and 1 bytes, and of its second byte.
const X86_REGISTERS = [
  ...["r15 r15d r15w r15b", "r14 r14d r14w r14b", "r13 r13d r13w r13b", "r12 r12d r12w r12b"],
  ...["rbp ebp bp bpl", "rbx ebx bx bl bh", "r11 r11d r11w r11b", "r10 r10d r10w r10b"],
  ...["r9 r9d r9w r9b", "r8 r8d r8w r8b", "rax eax ax al ah", "rcx ecx cx cl ch", "rdx edx dx dl dh"],
  ...["rsi esi si sil", "rdi edi di dil", "", "rip", "", "", "rsp esp sp spl"],
];
const X86_IP = 128;

function x86Register(name: string): { base: number; size: number } | undefined {
  for (const [i, names] of X86_REGISTERS.entries()) {
    const part = names.split(" ").indexOf(name);
    if (name && part >= 0) return { base: i * 8 + (part === 4 ? 1 : 0), size: [8, 4, 2, 1, 1][part]! };
  }
}

/** As the GNU assembler has it: `$5`, `%eax`, `-12(%rbp)`, `8(%rax,%rbx,4)`, `name+4(%rip)`. */
function parseX86(operand: string): Operand | undefined {
  if (operand.startsWith("%")) {
    const register = x86Register(operand.slice(1));
    return register && { ...register, add: 0n };
  }
  const form = /^(\$?)(?:([A-Za-z_.][\w.]*)?([+-]\w+)?|(\w+))(?:\((?:%(\w+))?(?:,%(\w+)(?:,([1248]))?)?\))?$/;
  const [match, dollar, symbol, signed, plain, first, second, scale = "1"] = form.exec(operand) ?? [];
  const add = parseNumber(signed ?? plain ?? (match === undefined ? "" : "0"));
  const registers = [first, second].filter((name) => name !== undefined);
  if (add === undefined || dollar && registers.length > 0) return undefined;
  // Where the linker has put something: as far from the probe as in the file.
  if (symbol) {
    return second || first && first !== "rip" ? undefined : { inMemory: !dollar, base: X86_IP, add, symbol };
  }
  if (dollar) return signed ?? plain ? { add } : undefined;
  // An address has whole registers. A number alone would be counted from an instruction that nobody knows.
  if (registers.length === 0 || registers.some((name) => name === "rip" || x86Register(name)?.size !== 8)) {
    return undefined;
  }
  return {
    inMemory: true,
    ...(first === undefined ? {} : { base: x86Register(first)!.base }),
    ...(second === undefined ? {} : { index: x86Register(second)!.base, shift: Math.log2(Number(scale)) }),
    add,
  };
}

/** struct pt_regs of arm64, 8 bytes each: x0 to x30, the stack pointer. */
function arm64Register(name: string): { base: number; size: number } | undefined {
  if (name === "sp") return { base: 248, size: 8 };
  const [, width, number] = /^([xw])(\d\d?)$/.exec(name) ?? [];
  return width && Number(number) <= 30
    ? { base: Number(number) * 8, size: width === "x" ? 8 : 4 }
    : undefined;
}

/** As the GNU assembler has it: `5`, `w0`, `sp`, `[x29, -12]`, `[x0, x1, lsl 3]`, with or without `#` before numbers. */
function parseArm64(operand: string): Operand | undefined {
  const [, inside] = /^\[(.*)\]$/s.exec(operand) ?? [];
  if (inside === undefined) {
    const add = /^[xw]zr$/.test(operand) ? 0n : parseNumber(operand.replace("#", ""));
    if (add !== undefined) return { add };
    const register = arm64Register(operand);
    return register && { ...register, add: 0n };
  }
  const [first = "", second = "0", shift, ...others] = inside.replaceAll("#", "").split(",");
  const [base, index, add] = [arm64Register(first), arm64Register(second), parseNumber(second)];
  const [, bits] = /^lsl([0-4])$/.exec(shift ?? "lsl0") ?? [];
  if (base?.size !== 8 || !bits || others.length > 0) return undefined;
  if (index?.size === 8) {
    return { inMemory: true, base: base.base, index: index.base, shift: Number(bits), add: 0n };
  }
  return add === undefined || shift ? undefined : { inMemory: true, base: base.base, add };
}

function parseNumber(text: string): bigint | undefined {
  const [, sign, digits] = /^([+-]?)(0x[\da-f]{1,16}|\d{1,20})$/i.exec(text) ?? [];
  return digits === undefined ? undefined : BigInt(digits) * (sign === "-" ? -1n : 1n);
}
