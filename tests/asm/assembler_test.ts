import { assertEquals, assertThrows } from "@std/assert";
import { DetraceError } from "../../lib/error.ts";
import { Assembler, B, DW, H, R0, R1, R10, R2, R6, W } from "../../lib/asm/assembler.ts";
import { disassemble } from "../../lib/asm/disassemble.ts";
import { decode } from "../../lib/asm/insn.ts";

/** The program without its slot numbers, a line an instruction. */
const lines = (a: Assembler) =>
  disassemble(a.build().insns).trimEnd().split("\n").map((l) => l.replace(/^\d+: /, ""));

Deno.test("arithmetic assembles to what the disassembler spells the same way", () => {
  const a = new Assembler().mov(R0, R1).mov(R0, -1).mov32(R0, 0xffffffff).mov32(R6, R10)
    .movsx(R1, R2, 8).movsx(R1, R2, 32).movsx32(R1, R2, 16).neg(R1).neg32(R1)
    .swap("be", R1, 16).swap("le", R1, 64).swap("bswap", R1, 32);
  assertEquals(lines(a), [
    "(bf) r0 = r1",
    "(b7) r0 = -1",
    "(b4) w0 = -1",
    "(bc) w6 = w10",
    "(bf) r1 = (s8)r2",
    "(bf) r1 = (s32)r2",
    "(bc) w1 = (s16)w2",
    "(87) r1 = -r1",
    "(84) w1 = -w1",
    "(dc) r1 = be16 r1",
    "(d4) r1 = le64 r1",
    "(d7) r1 = bswap32 r1",
  ]);
  const operators = [
    "+=",
    "-=",
    "*=",
    "/=",
    "%=",
    "s/=",
    "s%=",
    "|=",
    "&=",
    "^=",
    "<<=",
    ">>=",
    "s>>=",
  ] as const;
  for (const operator of operators) {
    const b = new Assembler().alu(operator, R1, 3).alu(operator, R1, R2).alu32(operator, R1, 3).alu32(
      operator,
      R1,
      R2,
    );
    assertEquals(lines(b).map((line) => line.slice(5)), [
      `r1 ${operator} 3`,
      `r1 ${operator} r2`,
      `w1 ${operator} 3`,
      `w1 ${operator} w2`,
    ]);
  }
});

Deno.test("memory accesses assemble, of every size", () => {
  const a = new Assembler().ldx(B, R1, R6, 0).ldx(DW, R1, R10, -8).ldsx(H, R1, R6, 2).stx(W, R10, -4, R1)
    .stx(DW, R10, -8, -1).stx(H, R10, -8, 0xffff).loadAcquire(DW, R1, R6, 8).storeRelease(B, R6, -8, R1);
  assertEquals(lines(a), [
    "(71) r1 = *(u8 *)(r6 +0)",
    "(79) r1 = *(u64 *)(r10 -8)",
    "(89) r1 = *(s16 *)(r6 +2)",
    "(63) *(u32 *)(r10 -4) = r1",
    "(7a) *(u64 *)(r10 -8) = -1",
    "(6a) *(u16 *)(r10 -8) = 65535",
    "(db) r1 = load_acquire((u64 *)(r6 +8))",
    "(d3) store_release((u8 *)(r6 -8), r1)",
  ]);
});

Deno.test("atomics assemble", () => {
  const a = new Assembler();
  for (const op of ["+=", "|=", "&=", "^=", "fetch_add", "fetch_or", "fetch_and", "fetch_xor"] as const) {
    a.atomic(op, W, R1, 4, R2);
  }
  a.atomic("xchg", DW, R1, 4, R2).atomic("cmpxchg", DW, R1, 4, R2);
  assertEquals(lines(a), [
    "(c3) lock *(u32 *)(r1 +4) += r2",
    "(c3) lock *(u32 *)(r1 +4) |= r2",
    "(c3) lock *(u32 *)(r1 +4) &= r2",
    "(c3) lock *(u32 *)(r1 +4) ^= r2",
    "(c3) r2 = atomic_fetch_add((u32 *)(r1 +4), r2)",
    "(c3) r2 = atomic_fetch_or((u32 *)(r1 +4), r2)",
    "(c3) r2 = atomic_fetch_and((u32 *)(r1 +4), r2)",
    "(c3) r2 = atomic_fetch_xor((u32 *)(r1 +4), r2)",
    "(db) r2 = atomic64_xchg((u64 *)(r1 +4), r2)",
    "(db) r0 = atomic64_cmpxchg((u64 *)(r1 +4), r0, r2)",
  ]);
});

Deno.test("jumps go to their labels, forwards and backwards, in slots", () => {
  const a = new Assembler().label("top").jump("==", R1, 0, "out").loadImm64(R2, 0xffffffff00000001n)
    .jump32("s<", R1, R2, "top").jump("&", R1, -1, "top").mayGoto("out").gotol("top").goto("out")
    .label("out").exit();
  assertEquals(lines(a), [
    "(15) if r1 == 0x0 goto pc+7",
    "(18) r2 = 0xffffffff00000001",
    "(ce) if w1 s< w2 goto pc-4",
    "(45) if r1 & 0xffffffff goto pc-5",
    "(e5) may_goto pc+2",
    "(06) gotol pc-7",
    "(05) goto pc+0",
    "(95) exit",
  ]);
});

Deno.test("every comparison assembles", () => {
  for (const operator of ["==", "!=", ">", ">=", "<", "<=", "s>", "s>=", "s<", "s<=", "&"] as const) {
    const a = new Assembler().label("x").jump(operator, R1, R2, "x").jump32(operator, R1, 7, "x");
    assertEquals(lines(a).map((line) => line.slice(5)), [
      `if r1 ${operator} r2 goto pc-1`,
      `if w1 ${operator} 0x7 goto pc-2`,
    ]);
  }
});

Deno.test("symbols that are labels are linked, the others come out as references", () => {
  const a = new Assembler().loadMap(R1, "events").loadData(R2, ".rodata", 12).loadExtern(R6, "jiffies")
    .loadFunction(R2, "each").callSubprogram("each").callSubprogram("elsewhere").callKfunc("bpf_task_acquire")
    .call(14).exit().label("each").mov(R0, 0).exit();
  const { insns, references } = a.build();
  assertEquals(references, [
    { insn: 0, kind: "map", symbol: "events" },
    { insn: 2, kind: "data", symbol: ".rodata", offset: 12 },
    { insn: 4, kind: "extern", symbol: "jiffies" },
    { insn: 9, kind: "call", symbol: "elsewhere" },
    { insn: 10, kind: "kfunc", symbol: "bpf_task_acquire" },
  ]);
  assertEquals(
    disassemble(insns),
    `0: (18) r1 = map[id:0]
2: (18) r2 = map[id:0][0]+12
4: (18) r6 = 0x0
6: (18) r2 = subprog[+6]
8: (85) call pc+4
9: (85) call pc-1
10: (85) call kernel-function#0
11: (85) call bpf_get_current_pid_tgid#14
12: (95) exit
13: (b7) r0 = 0
14: (95) exit
`,
  );
  assertEquals(a.build(), { insns, references }, "building twice gives the same");
});

Deno.test("a big-endian program is written in its own order", () => {
  const { insns } = new Assembler(false).ldx(W, R0, R10, -4).build();
  assertEquals(insns, Uint8Array.fromHex("610afffc00000000"));
  assertEquals(decode(insns, 0, false).src, 10);
});

Deno.test("a label missing, given twice or too far is an error that names it", () => {
  assertThrows(() => new Assembler().goto("nowhere").build(), DetraceError, "label nowhere is not defined");
  assertThrows(() => new Assembler().label("a").label("a"), DetraceError, "label a is defined twice");
  const far = (n: number) => {
    const a = new Assembler().goto("far");
    for (let i = 0; i < n; i++) a.mov(R0, 0);
    return a.label("far").exit();
  };
  assertEquals(decode(far(32767).build().insns, 0).off, 32767);
  assertThrows(() => far(32768).build(), DetraceError, "label far is 32768 instructions away");
});

Deno.test("what does not fit its field is refused, not cut", () => {
  assertThrows(
    () => new Assembler().exit().mov(R0, 2 ** 31),
    DetraceError,
    "instruction 1: immediate 2147483648",
  );
  assertThrows(() => new Assembler().alu32("+=", R0, 2 ** 32), DetraceError, "immediate 4294967296");
  assertThrows(() => new Assembler().alu("+=", R0, 1.5), DetraceError, "immediate 1.5");
  assertThrows(() => new Assembler().ldx(W, R0, R1, 32768), DetraceError, "offset 32768");
});
