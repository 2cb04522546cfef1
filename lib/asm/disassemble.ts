/**
 * Programs as text, letter by letter as the verifier's log and `bpftool prog dump xlated` spell them, so that what we
 * print can be searched in what the kernel printed (formats: print_bpf_insn, kernel/bpf/disasm.c).
 *
 * @module
 */

import { helperName } from "./helpers.ts";
import {
  ALU_OPERATORS,
  BPF_ABS,
  BPF_ALU,
  BPF_ALU64,
  BPF_ATOMIC,
  BPF_CALL,
  BPF_CMPXCHG,
  BPF_END,
  BPF_EXIT,
  BPF_FETCH,
  BPF_IND,
  BPF_JA,
  BPF_JCOND,
  BPF_JMP,
  BPF_JMP32,
  BPF_LD,
  BPF_LD_IMM64,
  BPF_LDX,
  BPF_LOAD_ACQ,
  BPF_MEM,
  BPF_MEMSX,
  BPF_MOV,
  BPF_NEG,
  BPF_PSEUDO_CALL,
  BPF_PSEUDO_FUNC,
  BPF_PSEUDO_KFUNC_CALL,
  BPF_PSEUDO_MAP_FD,
  BPF_PSEUDO_MAP_IDX,
  BPF_PSEUDO_MAP_IDX_VALUE,
  BPF_PSEUDO_MAP_VALUE,
  BPF_ST,
  BPF_STORE_REL,
  BPF_STX,
  BPF_X,
  BPF_XCHG,
  decode,
  type Insn,
  JUMP_OPERATORS,
  readImm64,
} from "./insn.ts";

/** How to print a program. */
export interface DisassembleOptions {
  /** The program's byte order; little-endian unless false. */
  littleEndian?: boolean;
  /**
   * A better name for what the instruction in slot `index` refers to: it replaces the immediate of a 64-bit load and
   * what follows `call `. Programs that are not linked yet, or whose kernel functions are known, have such names.
   */
  name?: (index: number, insn: Insn) => string | undefined;
}

const SIZES = ["32", "16", "8", "64"]; // by (code & 0x18) >> 3
const FETCHED = ["add", , , , "or", "and", , , , , "xor"]; // by imm >> 4
const signed = (n: number) => n < 0 ? `${n}` : `+${n}`;

function alu({ code, dst, src, off, imm }: Insn): string {
  const wide = (code & 7) === BPF_ALU64;
  const op = code & 0xf0;
  if (op === BPF_END) {
    return `r${dst} = ${wide ? "bswap" : code & BPF_X ? "be" : "le"}${imm} r${dst}`;
  }
  const register = wide ? "r" : "w";
  if (op === BPF_NEG) return `${register}${dst} = -${register}${dst}`;
  const moves = op === BPF_MOV && (code & BPF_X) !== 0;
  if (moves && wide && off === 1) return `r${dst} = addr_space_cast(r${src}, ${imm >>> 16}, ${imm & 0xffff})`;
  if (moves && wide && off === -1) return `r${dst} = &(void __percpu *)(r${src})`; // xlated only
  const operator = ALU_OPERATORS[op >> 4] ?? "(null)";
  const sign = off === 1 && (operator === "/=" || operator === "%=") ? "s" : "";
  const extends_ = moves && (off === 8 || off === 16 || off === 32) ? `(s${off})` : "";
  return `${register}${dst} ${sign}${operator} ${extends_}${code & BPF_X ? `${register}${src}` : imm}`;
}

function atomic({ code, dst, src, off, imm }: Insn): string | undefined {
  const wide = (code & 0x18) === 0x18 ? "64" : "";
  const type = `u${SIZES[(code & 0x18) >> 3]} *`;
  const at = `(${type})(r${dst} ${signed(off)})`;
  const operation = FETCHED[imm >> 4];
  if (imm === BPF_CMPXCHG) return `r0 = atomic${wide}_cmpxchg(${at}, r0, r${src})`;
  if (imm === BPF_XCHG) return `r${src} = atomic${wide}_xchg(${at}, r${src})`;
  if (imm === BPF_LOAD_ACQ) return `r${dst} = load_acquire((${type})(r${src} ${signed(off)}))`;
  if (imm === BPF_STORE_REL) return `store_release(${at}, r${src})`;
  if (!operation || imm & 0xe) return undefined;
  if (imm & BPF_FETCH) return `r${src} = atomic${wide}_fetch_${operation}(${at}, r${src})`;
  return `lock *${at} ${ALU_OPERATORS[imm >> 4]} r${src}`;
}

function jump({ code, dst, src, off, imm }: Insn, name: string | undefined): string {
  const op = code & 0xf0;
  if (op === BPF_CALL) {
    if (name) return `call ${name}`;
    if (src === BPF_PSEUDO_CALL) return `call pc${signed(imm)}`;
    const callee = src === BPF_PSEUDO_KFUNC_CALL
      ? "kernel-function"
      : src === 0
      ? helperName(imm)
      : undefined;
    return `call ${callee ?? "unknown"}#${imm}`;
  }
  if (code === (BPF_JMP | BPF_JA)) return `goto pc${signed(off)}`;
  if (code === (BPF_JMP | BPF_JA | BPF_X)) return `gotox r${dst}`;
  if (code === (BPF_JMP | BPF_JCOND) && src === 0) return `may_goto pc${signed(off)}`;
  if (code === (BPF_JMP32 | BPF_JA)) return `gotol pc${signed(imm)}`;
  if (code === (BPF_JMP | BPF_EXIT)) return "exit";
  const register = (code & 7) === BPF_JMP32 ? "w" : "r";
  const right = code & BPF_X ? `${register}${src}` : `0x${(imm >>> 0).toString(16)}`;
  return `if ${register}${dst} ${JUMP_OPERATORS[op >> 4] ?? "(null)"} ${right} goto pc${signed(off)}`;
}

function immediate64(bytes: Uint8Array, index: number, { src, imm }: Insn, littleEndian: boolean): string {
  const value = readImm64(bytes, index, littleEndian);
  const second = Number(BigInt.asIntN(32, value >> 32n));
  if (src === BPF_PSEUDO_MAP_FD) return `map[id:${imm}]`;
  if (src === BPF_PSEUDO_MAP_VALUE) return `map[id:${imm}][0]+${second}`;
  if (src === BPF_PSEUDO_MAP_IDX) return `map[idx:${imm}]`;
  if (src === BPF_PSEUDO_MAP_IDX_VALUE) return `map[idx:${imm}]+${second}`;
  if (src === BPF_PSEUDO_FUNC) return `subprog[${signed(imm)}]`;
  return `0x${value.toString(16)}`;
}

/**
 * One instruction, such as `(61) r1 = *(u32 *)(r1 +0)`. Code that the kernel does not know comes as it prints it,
 * `BUG_…`: nothing here throws on odd bytes.
 *
 * @param bytes A program, 8 bytes a slot.
 * @param index The slot; the first of the two of a 64-bit load.
 * @throws {DetraceError} when the program has no such slot.
 *
 * @example
 * ```ts
 * import { disassembleInsn } from "detrace/lib/asm/disassemble.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const program = Uint8Array.of(0x85, 0, 0, 0, 14, 0, 0, 0);
 * assertEquals(disassembleInsn(program, 0), "(85) call bpf_get_current_pid_tgid#14");
 * ```
 */
export function disassembleInsn(bytes: Uint8Array, index: number, options?: DisassembleOptions): string {
  const littleEndian = options?.littleEndian ?? true;
  const insn = decode(bytes, index, littleEndian);
  const { code, dst, src, off, imm } = insn;
  const [mode, size] = [code & 0xe0, SIZES[(code & 0x18) >> 3]];
  const hex = code.toString(16).padStart(2, "0");
  let text: string | undefined;
  switch (code & 7) {
    case BPF_ALU:
    case BPF_ALU64:
      text = alu(insn);
      break;
    case BPF_JMP:
    case BPF_JMP32:
      text = jump(insn, options?.name?.(index, insn));
      break;
    case BPF_LDX:
      if (mode !== BPF_MEM && mode !== BPF_MEMSX) return `BUG_ldx_${hex}`;
      text = `r${dst} = *(${mode === BPF_MEM ? "u" : "s"}${size} *)(r${src} ${signed(off)})`;
      break;
    case BPF_ST:
      if (mode === 0xc0) text = "nospec"; // xlated only
      else if (mode === BPF_MEM) text = `*(u${size} *)(r${dst} ${signed(off)}) = ${imm}`;
      else return `BUG_st_${hex}`;
      break;
    case BPF_STX:
      if (mode === BPF_MEM) text = `*(u${size} *)(r${dst} ${signed(off)}) = r${src}`;
      else if (mode === BPF_ATOMIC) text = atomic(insn);
      if (!text) return `BUG_${hex}`;
      break;
    case BPF_LD:
      if (mode === BPF_ABS) text = `r0 = *(u${size} *)skb[${imm}]`;
      else if (mode === BPF_IND) text = `r0 = *(u${size} *)skb[r${src} + ${imm}]`;
      else if (code === BPF_LD_IMM64 && bytes.length >= (index + 2) * 8) {
        text = `r${dst} = ${options?.name?.(index, insn) ?? immediate64(bytes, index, insn, littleEndian)}`;
      } else return `BUG_ld_${hex}`;
  }
  return `(${hex}) ${text}`;
}

/**
 * A whole program, one line an instruction, each with its slot: `0: (b7) r0 = 0`. Bytes after the last whole slot are
 * left out.
 *
 * A map's `imm` is printed as `map[id:…]`: what the kernel puts there when it shows a program (before the load it is a
 * file descriptor; give `name` then).
 *
 * @param bytes A program, 8 bytes a slot.
 *
 * @example
 * ```ts
 * import { disassemble } from "detrace/lib/asm/disassemble.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const program = Uint8Array.of(0xb7, 0, 0, 0, 0, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0);
 * assertEquals(disassemble(program), "0: (b7) r0 = 0\n1: (95) exit\n");
 * ```
 */
export function disassemble(bytes: Uint8Array, options?: DisassembleOptions): string {
  let text = "";
  for (let i = 0; (i + 1) * 8 <= bytes.length; i++) {
    text += `${i}: ${disassembleInsn(bytes, i, options)}\n`;
    if (bytes[i * 8] === BPF_LD_IMM64) i++;
  }
  return text;
}
