/**
 * An assembler with labels: BPF programs written in TypeScript, where no compiler is at hand.
 *
 * Operators are spelled as the verifier spells them (`+=`, `s>>=`, `s<`), so that a program reads like its own log.
 * What only a loader can know (a map's descriptor, a kernel function's id, a function elsewhere) stays a symbol: the
 * program comes out as bytes and a list of references.
 *
 * @module
 */

import { DetraceError } from "../error.ts";
import {
  ALU_OPERATORS,
  BPF_ALU,
  BPF_ALU64,
  BPF_ATOMIC,
  BPF_B,
  BPF_CALL,
  BPF_CMPXCHG,
  BPF_DW,
  BPF_END,
  BPF_EXIT,
  BPF_FETCH,
  BPF_H,
  BPF_JCOND,
  BPF_JMP,
  BPF_JMP32,
  BPF_LD_IMM64,
  BPF_LDX,
  BPF_LOAD_ACQ,
  BPF_MEM,
  BPF_MEMSX,
  BPF_MOV,
  BPF_NEG,
  BPF_PSEUDO_BTF_ID,
  BPF_PSEUDO_CALL,
  BPF_PSEUDO_FUNC,
  BPF_PSEUDO_KFUNC_CALL,
  BPF_PSEUDO_MAP_FD,
  BPF_PSEUDO_MAP_VALUE,
  BPF_ST,
  BPF_STORE_REL,
  BPF_STX,
  BPF_W,
  BPF_X,
  BPF_XCHG,
  encode,
  type Insn,
  JUMP_OPERATORS,
} from "./insn.ts";

/** A register. A name and not a number, so that `mov(R1, R0)` and `mov(R1, 0)` are two things. */
export type Register = `r${0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 | 10}`;

/** What a function returns; clobbered by calls. */
export const R0: Register = "r0";
/** First argument (the context, when a program starts); clobbered by calls, as R2 to R5 are. */
export const R1: Register = "r1";
/** Second argument. */
export const R2: Register = "r2";
/** Third argument. */
export const R3: Register = "r3";
/** Fourth argument. */
export const R4: Register = "r4";
/** Fifth argument. */
export const R5: Register = "r5";
/** Kept across calls, as R7 to R9 are. */
export const R6: Register = "r6";
/** Kept across calls. */
export const R7: Register = "r7";
/** Kept across calls. */
export const R8: Register = "r8";
/** Kept across calls. */
export const R9: Register = "r9";
/** The end of the stack frame, read-only: the 512 bytes below it are the stack. */
export const R10: Register = "r10";

/** Access size: 1 byte. */
export const B: typeof BPF_B = BPF_B;
/** Access size: 2 bytes. */
export const H: typeof BPF_H = BPF_H;
/** Access size: 4 bytes. */
export const W: typeof BPF_W = BPF_W;
/** Access size: 8 bytes. */
export const DW: typeof BPF_DW = BPF_DW;

/** One of B, H, W, DW. */
export type Size = typeof BPF_B | typeof BPF_H | typeof BPF_W | typeof BPF_DW;

/** Arithmetic of two operands; `s/=` and `s%=` (signed) need Linux 6.6. */
// deno-fmt-ignore
export type AluOperator =
  "+=" | "-=" | "*=" | "/=" | "%=" | "s/=" | "s%=" | "|=" | "&=" | "^=" | "<<=" | ">>=" | "s>>=";

/** A comparison; those with `s` are signed, `&` jumps when the operands have a bit in common. */
export type JumpOperator = "==" | "!=" | ">" | ">=" | "<" | "<=" | "s>" | "s>=" | "s<" | "s<=" | "&";

/** An atomic change of memory; all but `+=` need Linux 5.12. Those spelled as words give the old value back. */
// deno-fmt-ignore
export type AtomicOperator =
  "+=" | "|=" | "&=" | "^=" | "fetch_add" | "fetch_or" | "fetch_and" | "fetch_xor" | "xchg" | "cmpxchg";

/** A place in a program that a loader has to fill in. */
export interface Reference {
  /** The slot of the instruction. */
  insn: number;
  /**
   * A 64-bit load of `map`: a map's descriptor, `data`: a byte's address in a map's first value, `function`: a function's
   * address, `extern`: a kernel variable's address or value; or a call: of a function elsewhere, or of a `kfunc`.
   */
  kind: "map" | "data" | "function" | "extern" | "call" | "kfunc";
  /** The name of what is meant. */
  symbol: string;
  /** For `data`: bytes from the start of the value. */
  offset?: number;
}

/** What an assembler makes. */
export interface Assembled {
  /** The program, 8 bytes a slot. */
  insns: Uint8Array<ArrayBuffer>;
  /** What is left to fill in, in the order of the slots. */
  references: Reference[];
}

const ATOMICS: Record<AtomicOperator, number> = {
  "+=": 0x00,
  "|=": 0x40,
  "&=": 0x50,
  "^=": 0xa0,
  fetch_add: 0x00 | BPF_FETCH,
  fetch_or: 0x40 | BPF_FETCH,
  fetch_and: 0x50 | BPF_FETCH,
  fetch_xor: 0xa0 | BPF_FETCH,
  xchg: BPF_XCHG,
  cmpxchg: BPF_CMPXCHG,
};

const number = (register: Register) => Number(register.slice(1));

/**
 * Collects instructions; every method but `build` gives the assembler back, so that calls can be chained.
 *
 * Immediates of 64-bit instructions are sign-extended by the kernel and so must lie in -2^31 to 2^31-1 (`loadImm64`
 * takes the others); those of 32-bit instructions and stores may also be written unsigned, up to 2^32-1. An immediate or
 * offset that does not fit throws a DetraceError at once; labels are looked at in `build`.
 *
 * @example
 * ```ts
 * import { Assembler, R0, R1, W } from "detrace/lib/asm/assembler.ts";
 * import { disassemble } from "detrace/lib/asm/disassemble.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const a = new Assembler();
 * a.mov(R0, 0);
 * a.ldx(W, R1, R1, 16);
 * a.jump("==", R1, 0, "out");
 * a.loadMap(R1, "events");
 * a.label("out");
 * a.exit();
 * const { insns, references } = a.build();
 *
 * assertEquals(references, [{ insn: 3, kind: "map", symbol: "events" }]);
 * assertEquals(
 *   disassemble(insns, { name: () => "map[events]" }),
 *   `0: (b7) r0 = 0
 * 1: (61) r1 = *(u32 *)(r1 +16)
 * 2: (15) if r1 == 0x0 goto pc+2
 * 3: (18) r1 = map[events]
 * 5: (95) exit
 * `,
 * );
 * ```
 */
export class Assembler {
  #insns: Insn[] = [];
  #labels = new Map<string, number>();
  #jumps: { insn: number; label: string; bits: 16 | 32 }[] = [];
  #references: Reference[] = [];
  readonly #littleEndian: boolean;

  /**
   * An empty program.
   *
   * @param littleEndian The byte order to write: that of the machine which loads the program.
   */
  constructor(littleEndian = true) {
    this.#littleEndian = littleEndian;
  }

  /** The number of slots so far: the slot of the next instruction. */
  get length(): number {
    return this.#insns.length;
  }

  /** Appends one slot as it is: for instructions without a method here. */
  raw(code: number, dst: number, src: number, off: number, imm: number): this {
    if (!(off >= -0x8000 && off <= 0x7fff)) this.#refuse(`offset ${off} does not fit in 16 bits`);
    this.#insns.push({ code, dst, src, off, imm });
    return this;
  }

  /** `dst = src`, 64 bits. */
  mov(dst: Register, src: Register | number): this {
    return this.#binary(BPF_ALU64 | BPF_MOV, dst, src);
  }

  /** `dst = src`, the low 32 bits; the high ones become 0. */
  mov32(dst: Register, src: Register | number): this {
    return this.#binary(BPF_ALU | BPF_MOV, dst, src);
  }

  /** `dst = src`, with the low `bits` (8, 16, 32) of src sign-extended to 64. Linux 6.6. */
  movsx(dst: Register, src: Register, bits: 8 | 16 | 32): this {
    return this.#binary(BPF_ALU64 | BPF_MOV, dst, src, bits);
  }

  /** `dst = src`, with the low `bits` (8, 16) of src sign-extended to 32, the high ones 0. Linux 6.6. */
  movsx32(dst: Register, src: Register, bits: 8 | 16): this {
    return this.#binary(BPF_ALU | BPF_MOV, dst, src, bits);
  }

  /** Arithmetic of 64 bits, such as `alu("+=", R1, 8)`. */
  alu(operator: AluOperator, dst: Register, src: Register | number): this {
    return this.#alu(BPF_ALU64, operator, dst, src);
  }

  /** Arithmetic of the low 32 bits; the high ones of `dst` become 0. */
  alu32(operator: AluOperator, dst: Register, src: Register | number): this {
    return this.#alu(BPF_ALU, operator, dst, src);
  }

  /** `dst = -dst`, 64 bits. */
  neg(dst: Register): this {
    return this.raw(BPF_ALU64 | BPF_NEG, number(dst), 0, 0, 0);
  }

  /** `dst = -dst`, 32 bits. */
  neg32(dst: Register): this {
    return this.raw(BPF_ALU | BPF_NEG, number(dst), 0, 0, 0);
  }

  /** The low `bits` of `dst` to or from big-endian (`be`), little-endian (`le`), or turned round always (`bswap`, Linux 6.6). */
  swap(order: "be" | "le" | "bswap", dst: Register, bits: 16 | 32 | 64): this {
    const code = order === "bswap" ? BPF_ALU64 : order === "be" ? BPF_ALU | BPF_X : BPF_ALU;
    return this.raw(code | BPF_END, number(dst), 0, 0, bits);
  }

  /** `dst = *(size *)(base + off)`, zero-extended. */
  ldx(size: Size, dst: Register, base: Register, off: number): this {
    return this.raw(BPF_LDX | BPF_MEM | size, number(dst), number(base), off, 0);
  }

  /** `dst = *(size *)(base + off)`, sign-extended to 64 bits. Linux 6.6. */
  ldsx(size: typeof BPF_B | typeof BPF_H | typeof BPF_W, dst: Register, base: Register, off: number): this {
    return this.raw(BPF_LDX | BPF_MEMSX | size, number(dst), number(base), off, 0);
  }

  /** `*(size *)(base + off) = value`; a number is sign-extended when the size is DW. */
  stx(size: Size, base: Register, off: number, value: Register | number): this {
    if (typeof value === "string") {
      return this.raw(BPF_STX | BPF_MEM | size, number(base), number(value), off, 0);
    }
    return this.raw(BPF_ST | BPF_MEM | size, number(base), 0, off, this.#immediate(value, size === BPF_DW));
  }

  /** An atomic change of `*(size *)(base + off)`; `src` receives the old value where there is one, R0 for cmpxchg. */
  atomic(
    operator: AtomicOperator,
    size: typeof W | typeof DW,
    base: Register,
    off: number,
    src: Register,
  ): this {
    return this.raw(BPF_STX | BPF_ATOMIC | size, number(base), number(src), off, ATOMICS[operator]);
  }

  /** `dst = *(size *)(base + off)` with acquire order. Linux 6.15. */
  loadAcquire(size: Size, dst: Register, base: Register, off: number): this {
    return this.raw(BPF_STX | BPF_ATOMIC | size, number(dst), number(base), off, BPF_LOAD_ACQ);
  }

  /** `*(size *)(base + off) = src` with release order. Linux 6.15. */
  storeRelease(size: Size, base: Register, off: number, src: Register): this {
    return this.raw(BPF_STX | BPF_ATOMIC | size, number(base), number(src), off, BPF_STORE_REL);
  }

  /** `dst = value`: any 64-bit number, two slots; the low 64 bits of `value` are kept. */
  loadImm64(dst: Register, value: bigint): this {
    const [low, high] = [BigInt.asIntN(32, value), BigInt.asIntN(32, value >> 32n)];
    return this.#load64(dst, 0, Number(low), Number(high));
  }

  /** `dst` = the map of that name: what map helpers take. */
  loadMap(dst: Register, symbol: string): this {
    return this.#refer("map", symbol).#load64(dst, BPF_PSEUDO_MAP_FD, 0, 0);
  }

  /** `dst` = the map behind a file descriptor that is open already. */
  loadMapFd(dst: Register, fd: number): this {
    return this.#load64(dst, BPF_PSEUDO_MAP_FD, fd, 0);
  }

  /** `dst` = the address `offset` bytes into the first value of the map of that name: a global variable. Linux 5.2. */
  loadData(dst: Register, symbol: string, offset: number): this {
    return this.#refer("data", symbol, offset).#load64(dst, BPF_PSEUDO_MAP_VALUE, 0, offset);
  }

  /** `dst` = the kernel variable or configuration value of that name: its address, or itself. */
  loadExtern(dst: Register, symbol: string): this {
    return this.#refer("extern", symbol).#load64(dst, BPF_PSEUDO_BTF_ID, 0, 0);
  }

  /** `dst` = the function at a label here, or of that name elsewhere: a callback. Linux 5.13. */
  loadFunction(dst: Register, symbol: string): this {
    return this.#refer("function", symbol).#load64(dst, BPF_PSEUDO_FUNC, 0, 0);
  }

  /** Calls a helper by its id (helpers.ts has the names). */
  call(helper: number): this {
    return this.raw(BPF_JMP | BPF_CALL, 0, 0, 0, helper);
  }

  /** Calls the function at a label here, or of that name elsewhere. */
  callSubprogram(symbol: string): this {
    return this.#refer("call", symbol).raw(BPF_JMP | BPF_CALL, 0, BPF_PSEUDO_CALL, 0, -1);
  }

  /** Calls the kernel function (kfunc) of that name. */
  callKfunc(symbol: string): this {
    return this.#refer("kfunc", symbol).raw(BPF_JMP | BPF_CALL, 0, BPF_PSEUDO_KFUNC_CALL, 0, 0);
  }

  /** Jumps to a label if `dst operator src`, comparing 64 bits. */
  jump(operator: JumpOperator, dst: Register, src: Register | number, label: string): this {
    return this.#jump(label).#binary(BPF_JMP | JUMP_OPERATORS.indexOf(operator) << 4, dst, src);
  }

  /** Jumps to a label if `dst operator src`, comparing the low 32 bits. Linux 5.1. */
  jump32(operator: JumpOperator, dst: Register, src: Register | number, label: string): this {
    return this.#jump(label).#binary(BPF_JMP32 | JUMP_OPERATORS.indexOf(operator) << 4, dst, src);
  }

  /** Jumps to a label. */
  goto(label: string): this {
    return this.#jump(label).raw(BPF_JMP, 0, 0, 0, 0);
  }

  /** Jumps to a label more than 32767 slots away. Linux 6.6. */
  gotol(label: string): this {
    return this.#jump(label, 32).raw(BPF_JMP32, 0, 0, 0, 0);
  }

  /** Goes on, or jumps to a label when the kernel has had enough of this loop. Linux 6.9. */
  mayGoto(label: string): this {
    return this.#jump(label).raw(BPF_JMP | BPF_JCOND, 0, 0, 0, 0);
  }

  /** Leaves the function. */
  exit(): this {
    return this.raw(BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
  }

  /**
   * Names the next slot.
   *
   * @throws {DetraceError} when the label stands somewhere already.
   */
  label(name: string): this {
    if (this.#labels.has(name)) throw new DetraceError(`label ${name} is defined twice`);
    this.#labels.set(name, this.length);
    return this;
  }

  /**
   * The program. Jumps go to their labels, and so do calls and function loads whose symbol is a label.
   *
   * @throws {DetraceError} when a label is missing, or too far for its jump.
   */
  build(): Assembled {
    const references = this.#references.filter(({ insn, kind, symbol }) => {
      const target = kind === "call" || kind === "function" ? this.#labels.get(symbol) : undefined;
      if (target !== undefined) this.#insns[insn]!.imm = target - insn - 1;
      return target === undefined;
    });
    for (const { insn, label, bits } of this.#jumps) {
      const target = this.#labels.get(label);
      if (target === undefined) throw new DetraceError(`label ${label} is not defined`);
      const distance = target - insn - 1;
      if (bits === 32) this.#insns[insn]!.imm = distance;
      else if (distance === distance << 16 >> 16) this.#insns[insn]!.off = distance;
      else throw new DetraceError(`label ${label} is ${distance} instructions away, a jump reaches 32767`);
    }
    const insns = new Uint8Array(this.length * 8);
    this.#insns.forEach((insn, i) => encode(insns, i, insn, this.#littleEndian));
    return { insns, references };
  }

  #refuse(what: string): never {
    throw new DetraceError(`instruction ${this.length}: ${what}`);
  }

  #immediate(value: number, extended: boolean): number {
    if (Number.isInteger(value) && value >= -(2 ** 31) && value < 2 ** (extended ? 31 : 32)) return value | 0;
    return this.#refuse(`immediate ${value} does not fit in 32 bits`);
  }

  #binary(code: number, dst: Register, src: Register | number, off = 0): this {
    if (typeof src === "string") return this.raw(code | BPF_X, number(dst), number(src), off, 0);
    const extended = (code & 7) === BPF_ALU64 || (code & 7) === BPF_JMP;
    return this.raw(code, number(dst), 0, off, this.#immediate(src, extended));
  }

  #alu(kind: number, operator: AluOperator, dst: Register, src: Register | number): this {
    const signed = operator === "s/=" || operator === "s%=";
    const op = ALU_OPERATORS.indexOf(signed ? operator.slice(1) : operator);
    return this.#binary(kind | op << 4, dst, src, signed ? 1 : 0);
  }

  #load64(dst: Register, src: number, low: number, high: number): this {
    return this.raw(BPF_LD_IMM64, number(dst), src, 0, low).raw(0, 0, 0, 0, high);
  }

  #refer(kind: Reference["kind"], symbol: string, offset?: number): this {
    const reference = { insn: this.length, kind, symbol };
    this.#references.push(offset === undefined ? reference : { ...reference, offset });
    return this;
  }

  #jump(label: string, bits: 16 | 32 = 16): this {
    this.#jumps.push({ insn: this.length, label, bits });
    return this;
  }
}
