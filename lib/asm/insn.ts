/**
 * One BPF instruction between bytes and numbers, and the constants both sides are spelled with
 * (`struct bpf_insn`, include/uapi/linux/bpf.h, and Documentation/bpf/standardization/instruction-set.rst).
 *
 * Programs stay raw bytes, 8 a slot; only the instruction somebody looks at becomes an object.
 *
 * @module
 */

import { DetraceError } from "../error.ts";

/** Instruction class (low 3 bits of `code`): load an immediate, or from a packet. */
export const BPF_LD = 0x00;
/** Instruction class: load from memory into a register. */
export const BPF_LDX = 0x01;
/** Instruction class: store an immediate to memory. */
export const BPF_ST = 0x02;
/** Instruction class: store a register to memory, and atomics. */
export const BPF_STX = 0x03;
/** Instruction class: 32-bit arithmetic. */
export const BPF_ALU = 0x04;
/** Instruction class: 64-bit jumps, calls, exit. */
export const BPF_JMP = 0x05;
/** Instruction class: jumps that compare the low 32 bits. */
export const BPF_JMP32 = 0x06;
/** Instruction class: 64-bit arithmetic. */
export const BPF_ALU64 = 0x07;

/** Access size (bits 3 and 4 of a load's or store's `code`): 4 bytes. */
export const BPF_W = 0x00;
/** Access size: 2 bytes. */
export const BPF_H = 0x08;
/** Access size: 1 byte. */
export const BPF_B = 0x10;
/** Access size: 8 bytes. */
export const BPF_DW = 0x18;

/** Access mode (high 3 bits of a load's or store's `code`): absolute packet offset. */
export const BPF_ABS = 0x20;
/** Access mode: packet offset in a register. */
export const BPF_IND = 0x40;
/** Access mode: ordinary memory. */
export const BPF_MEM = 0x60;
/** Access mode: ordinary memory, the value is sign-extended to 64 bits. */
export const BPF_MEMSX = 0x80;
/** Access mode: atomic; the operation is in `imm`. */
export const BPF_ATOMIC = 0xc0;

/** Operand flag (bit 3 of arithmetic and jumps): the second operand is the register `src`, not `imm`. */
export const BPF_X = 0x08;

/** Arithmetic operation (high 4 bits of `code`): negate. */
export const BPF_NEG = 0x80;
/** Arithmetic operation: move. */
export const BPF_MOV = 0xb0;
/** Arithmetic operation: change the byte order. */
export const BPF_END = 0xd0;

/** Jump operation (high 4 bits of `code`): always. */
export const BPF_JA = 0x00;
/** Jump operation: call. */
export const BPF_CALL = 0x80;
/** Jump operation: leave the function. */
export const BPF_EXIT = 0x90;
/** Jump operation: the verifier's bounded loop, `may_goto`. */
export const BPF_JCOND = 0xe0;

/** Atomic flag in `imm`: the old value comes back in a register. */
export const BPF_FETCH = 0x01;
/** Atomic operation in `imm`: exchange. */
export const BPF_XCHG = 0xe1;
/** Atomic operation in `imm`: compare with r0 and exchange. */
export const BPF_CMPXCHG = 0xf1;
/** Atomic operation in `imm`: load with acquire order. */
export const BPF_LOAD_ACQ = 0x100;
/** Atomic operation in `imm`: store with release order. */
export const BPF_STORE_REL = 0x110;

/** The `code` of the only instruction of two slots: load a 64-bit immediate (the kernel's BPF_LD_IMM64). */
export const BPF_LD_IMM64 = 0x18;

/** `src` of a BPF_LD_IMM64: `imm` is a map's file descriptor. */
export const BPF_PSEUDO_MAP_FD = 1;
/** `src` of a BPF_LD_IMM64: `imm` is a map's file descriptor, the second `imm` an offset in its first value. */
export const BPF_PSEUDO_MAP_VALUE = 2;
/** `src` of a BPF_LD_IMM64: `imm` is the BTF id of a kernel variable, the second `imm` its module's descriptor. */
export const BPF_PSEUDO_BTF_ID = 3;
/** `src` of a BPF_LD_IMM64: `imm` is the distance in slots to a function of this program. */
export const BPF_PSEUDO_FUNC = 4;
/** `src` of a BPF_LD_IMM64: `imm` is an index into the load's array of descriptors. */
export const BPF_PSEUDO_MAP_IDX = 5;
/** `src` of a BPF_LD_IMM64: as BPF_PSEUDO_MAP_VALUE, with an index into the load's array of descriptors. */
export const BPF_PSEUDO_MAP_IDX_VALUE = 6;
/** `src` of a call: `imm` is the distance in slots to a function of this program. */
export const BPF_PSEUDO_CALL = 1;
/** `src` of a call: `imm` is the BTF id of a kernel function, `off` its module's place in the array of descriptors. */
export const BPF_PSEUDO_KFUNC_CALL = 2;

/** The verifier's spelling of the arithmetic operations, by `code >> 4`; `s/=` and `s%=` are `/=` and `%=` with `off` 1. */
// deno-fmt-ignore
export const ALU_OPERATORS: readonly string[] =
  ["+=", "-=", "*=", "/=", "|=", "&=", "<<=", ">>=", "neg", "%=", "^=", "=", "s>>=", "endian"];

/** The verifier's spelling of the jump conditions, by `code >> 4`. */
// deno-fmt-ignore
export const JUMP_OPERATORS: readonly string[] =
  ["jmp", "==", ">", ">=", "&", "!=", "s>", "s>=", "call", "exit", "<", "<=", "s<", "s<="];

/** One slot, taken apart. */
export interface Insn {
  /** Class, operation, size and mode: 8 bits. */
  code: number;
  /** Destination register, 0 to 15 (0 to 10 are valid). */
  dst: number;
  /** Source register, or a BPF_PSEUDO_* constant. */
  src: number;
  /** Signed 16 bits: bytes in memory accesses, slots in jumps. */
  off: number;
  /** Signed 32 bits. */
  imm: number;
}

function place(bytes: Uint8Array, index: number, slots: number): number {
  if (index >= 0 && (index + slots) * 8 <= bytes.length) return index * 8;
  throw new DetraceError(`no instruction ${index} in a program of ${bytes.length / 8} slots`);
}

function read32(bytes: Uint8Array, at: number, littleEndian: boolean): number {
  const [a, b, c, d] = [bytes[at]!, bytes[at + 1]!, bytes[at + 2]!, bytes[at + 3]!];
  return littleEndian ? a | b << 8 | c << 16 | d << 24 : d | c << 8 | b << 16 | a << 24;
}

function write32(bytes: Uint8Array, at: number, value: number, littleEndian: boolean): void {
  for (let i = 0; i < 4; i++) bytes[at + (littleEndian ? i : 3 - i)] = value >>> i * 8;
}

/**
 * Takes slot `index` apart. In a big-endian program the registers' nibbles are swapped too, as its C bit-fields are.
 *
 * @param bytes A program, 8 bytes a slot.
 * @param index The slot.
 * @param littleEndian The program's byte order.
 * @throws {DetraceError} when the program has no such slot.
 *
 * @example
 * ```ts
 * import { decode } from "detrace/lib/asm/insn.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const program = Uint8Array.of(0xb7, 0x01, 0, 0, 0xff, 0xff, 0xff, 0xff); // r1 = -1
 * assertEquals(decode(program, 0), { code: 0xb7, dst: 1, src: 0, off: 0, imm: -1 });
 * ```
 */
export function decode(bytes: Uint8Array, index: number, littleEndian = true): Insn {
  const at = place(bytes, index, 1);
  const registers = bytes[at + 1]!;
  const [low, high] = [registers & 15, registers >> 4];
  const [b2, b3] = [bytes[at + 2]!, bytes[at + 3]!];
  return {
    code: bytes[at]!,
    dst: littleEndian ? low : high,
    src: littleEndian ? high : low,
    off: (littleEndian ? b2 | b3 << 8 : b3 | b2 << 8) << 16 >> 16,
    imm: read32(bytes, at + 4, littleEndian),
  };
}

/**
 * Writes `insn` into slot `index`. Fields wider than their place lose their high bits.
 *
 * @param bytes A program, 8 bytes a slot.
 * @param index The slot.
 * @param insn The instruction.
 * @param littleEndian The program's byte order.
 * @throws {DetraceError} when the program has no such slot.
 */
export function encode(bytes: Uint8Array, index: number, insn: Insn, littleEndian = true): void {
  const at = place(bytes, index, 1);
  const { code, dst, src, off, imm } = insn;
  bytes[at] = code;
  bytes[at + 1] = littleEndian ? dst | src << 4 : src | dst << 4;
  bytes[at + 2] = littleEndian ? off : off >> 8;
  bytes[at + 3] = littleEndian ? off >> 8 : off;
  write32(bytes, at + 4, imm, littleEndian);
}

/**
 * The immediate of the BPF_LD_IMM64 in slots `index` and `index + 1`, unsigned.
 *
 * @param bytes A program, 8 bytes a slot.
 * @param index The first of the two slots.
 * @param littleEndian The program's byte order.
 * @throws {DetraceError} when the program has no such two slots.
 */
export function readImm64(bytes: Uint8Array, index: number, littleEndian = true): bigint {
  const at = place(bytes, index, 2);
  const [low, high] = [read32(bytes, at + 4, littleEndian), read32(bytes, at + 12, littleEndian)];
  return BigInt(high >>> 0) << 32n | BigInt(low >>> 0);
}

/**
 * Changes the immediate of the BPF_LD_IMM64 in slots `index` and `index + 1`, and nothing else of them.
 *
 * @param bytes A program, 8 bytes a slot.
 * @param index The first of the two slots.
 * @param value The immediate; its low 64 bits are kept.
 * @param littleEndian The program's byte order.
 * @throws {DetraceError} when the program has no such two slots.
 */
export function writeImm64(bytes: Uint8Array, index: number, value: bigint, littleEndian = true): void {
  const at = place(bytes, index, 2);
  write32(bytes, at + 4, Number(BigInt.asIntN(32, value)), littleEndian);
  write32(bytes, at + 12, Number(BigInt.asIntN(32, value >> 32n)), littleEndian);
}
