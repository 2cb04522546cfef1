import { assert, assertEquals, assertThrows } from "@std/assert";
import { Elf, ElfError } from "detrace/lib/elf/elf.ts";
import { parseUsdtArguments, type UsdtArgument, usdtSites } from "detrace/lib/symbols/usdt.ts";

const library = (arch: string) =>
  Deno.readFileSync(new URL(`../fixtures/links/probes.${arch}.so`, import.meta.url));
const all = () => true;

/** What is not said of an argument: eight unsigned bytes that are a constant, no register. */
const argument = (more: Partial<UsdtArgument>): UsdtArgument => ({
  size: 8,
  signed: false,
  inMemory: false,
  add: 0n,
  ...more,
});
const register = (base: number, size = 8): UsdtArgument => argument({ base, size });
const memory = (base: number, add = 0n, more: Partial<UsdtArgument> = {}): UsdtArgument =>
  argument({ inMemory: true, base, add, ...more });
const beyond = argument({ size: 0 });

// Places in struct pt_regs of x86-64: arch/x86/include/asm/ptrace.h.
const RBP = 32, RBX = 40, R8 = 72, RAX = 80, RCX = 88, RDX = 96, RDI = 112, RIP = 128, RSP = 152;
// Those of arm64 (arch/arm64/include/uapi/asm/ptrace.h) are 8 bytes times the register's number.
const SP = 248;

const spellings: Record<"x86" | "arm64", Record<string, UsdtArgument>> = {
  x86: {
    "8@%rax": register(RAX),
    "-8@%rax": argument({ base: RAX, signed: true }),
    "4@%eax": register(RAX, 4),
    "2@%ax": register(RAX, 2),
    "1@%al": register(RAX, 1),
    "1@%ah": register(RAX + 1, 1),
    "-4@%ecx": argument({ base: RCX, size: 4, signed: true }),
    "1@%dh": register(RDX + 1, 1),
    "1@%dil": register(RDI, 1),
    "2@%di": register(RDI, 2),
    "1@%bpl": register(RBP, 1),
    "1@%spl": register(RSP, 1),
    "8@%r8": register(R8),
    "4@%r8d": register(R8, 4),
    "2@%r8w": register(R8, 2),
    "1@%r8b": register(R8, 1),
    "8@%r15": register(0),
    "8@%rsp": register(RSP),
    "8@%rip": register(RIP),
    "4@%rax": register(RAX, 4), // the low half
    "8@%eax": register(RAX, 4), // there is no more
    "@%rax": register(RAX),
    "%rax": register(RAX),
    "8@$5": argument({ add: 5n }),
    "-4@$-5": argument({ add: -5n, size: 4, signed: true }),
    "2@$0x10": argument({ add: 16n, size: 2 }),
    "8@$-0x10": argument({ add: -16n }),
    "8@$18446744073709551615": argument({ add: 2n ** 64n - 1n }),
    "8@(%rbp)": memory(RBP),
    "-4@-12(%rbp)": memory(RBP, -12n, { size: 4, signed: true }),
    "4@0x10(%rsp)": memory(RSP, 16n, { size: 4 }),
    "8@+16(%rsp)": memory(RSP, 16n),
    "1@8(%rax,%rbx,4)": memory(RAX, 8n, { index: RBX, shift: 2, size: 1 }),
    "1@(%rax,%rbx)": memory(RAX, 0n, { index: RBX, shift: 0, size: 1 }),
    "1@-8(%rax, %rbx, 8)": memory(RAX, -8n, { index: RBX, shift: 3, size: 1 }),
    "8@8(,%rbx,2)": argument({ inMemory: true, index: RBX, shift: 1, add: 8n }),
    "8@name(%rip)": memory(RIP, 0n, { symbol: "name" }),
    "-4@name+4(%rip)": memory(RIP, 4n, { symbol: "name", size: 4, signed: true }),
    "8@_Z4name.part.0-16(%rip)": memory(RIP, -16n, { symbol: "_Z4name.part.0" }),
    "8@name+8": memory(RIP, 8n, { symbol: "name" }),
    "8@$name": argument({ base: RIP, symbol: "name" }),
    "8f@24(%rsp)": memory(RSP, 24n),
    "-8f@24(%rsp)": memory(RSP, 24n, { signed: true }),
    "8f@%xmm0": beyond,
    "8@%xmm0": beyond,
    "16@%rax": argument({ base: RAX, size: 0 }),
    "0@%rax": argument({ base: RAX, size: 0 }),
    "8@%": beyond,
    "8@%nothing": beyond,
    "8@64(%rip)": beyond,
    "8@%fs:8": beyond,
    "8@(%eax)": beyond,
    "8@(%rax,%rbx,3)": beyond,
    "8@(%rax,%ebx,4)": beyond,
    "8@name(%rax)": beyond,
    "8@name(,%rax,8)": beyond,
    "8@$5(%rax)": beyond,
    "8@1234": beyond,
    "8@$": beyond,
    "8@": beyond,
    "8@x0": memory(RIP, 0n, { symbol: "x0" }),
    "8@[sp]": beyond,
    "8@$99999999999999999999999": beyond,
  },
  arm64: {
    "8@x0": register(0),
    "8@x30": register(240),
    "4@w1": register(8, 4),
    "-4@w1": argument({ base: 8, size: 4, signed: true }),
    "2@w1": register(8, 2),
    "1@w19": register(152, 1),
    "4@x1": register(8, 4),
    "8@w1": register(8, 4),
    "8@sp": register(SP),
    "8@xzr": argument({}),
    "4@wzr": argument({ size: 4 }),
    "@x0": register(0),
    "8@5": argument({ add: 5n }),
    "-4@-5": argument({ add: -5n, size: 4, signed: true }),
    "8@#5": argument({ add: 5n }),
    "8@0x10": argument({ add: 16n }),
    "8@[x0]": memory(0),
    "8@[sp]": memory(SP),
    "4@[x0, 12]": memory(0, 12n, { size: 4 }),
    "4@[x0,12]": memory(0, 12n, { size: 4 }),
    "-4@[x29, -12]": memory(232, -12n, { size: 4, signed: true }),
    "8@[sp, #16]": memory(SP, 16n),
    "8@[x0, x1]": memory(0, 0n, { index: 8, shift: 0 }),
    "8@[x0, x1, lsl 3]": memory(0, 0n, { index: 8, shift: 3 }),
    "4@[x0, x1, lsl #2]": memory(0, 0n, { index: 8, shift: 2, size: 4 }),
    "8f@[x0, 8]": memory(0, 8n),
    "8f@d0": beyond,
    "4f@s0": beyond,
    "8@v0": beyond,
    "16@x0": argument({ base: 0, size: 0 }),
    "8@x31": beyond,
    "8@[w0]": beyond,
    "8@[xzr]": beyond,
    "8@[x0, w1, sxtw 3]": beyond,
    "8@[x0, w1]": beyond,
    "8@[x0, x1, lsl 5]": beyond,
    "8@[x0, 8, lsl 2]": beyond,
    "8@[x0, 16]!": beyond,
    "8@[x0], 16": beyond,
    "8@[]": beyond,
    "8@": beyond,
    "8@name": beyond,
    "8@%rax": beyond,
    "8@$5": beyond,
  },
};

for (const arch of ["x86", "arm64"] as const) {
  Deno.test(`every spelling of an argument of ${arch} is read, or known to be out of reach`, () => {
    for (const [text, expected] of Object.entries(spellings[arch])) {
      const [first, ...others] = parseUsdtArguments(text, arch);
      assertEquals(first, expected, text);
      // A space outside of brackets parts arguments.
      if (text !== "8@[x0], 16") assertEquals(others, [], text);
    }
    const joined = Object.keys(spellings[arch]).filter((text) => text !== "8@[x0], 16");
    for (let i = 0; i < joined.length; i += 12) {
      const some = joined.slice(i, i + 12);
      assertEquals(parseUsdtArguments(some.join(" "), arch), some.map((text) => spellings[arch][text]!));
    }
  });

  Deno.test(`the probes of a library for ${arch} are found, with their places and counters`, () => {
    const elf = Elf.parse(library(arch));
    const sites = usdtSites(elf, all);
    assertEquals(sites.map(({ name }) => name), [
      ...["sites", "sites", "sites", "near", "far", "guarded"],
      ...["registers", "constants", "memory", "sums", "pointer", "beyond"],
    ]);
    assertEquals(new Set(sites.map(({ provider }) => provider)), new Set(["detrace"]));
    const places = new Map(elf.symbols("dynamic").map(({ name, value }) => [name, value]));
    const near = sites.find(({ name }) => name === "near")!;
    assertEquals(near.address, places.get("near"));
    assertEquals(near.semaphore, 0);
    assertEquals(near.args, arch === "x86" ? "4@$10" : "4@10");
    const { addr } = elf.section(".probes")!;
    assertEquals(sites.find(({ name }) => name === "guarded")!.semaphore, addr);
    assertEquals(usdtSites(elf, (provider, name) => provider === "detrace" && name === "sites").length, 3);
  });
}

Deno.test("a prelinked file has its probes where the code was moved to", () => {
  const bytes = library("x86"), before = usdtSites(Elf.parse(bytes), all);
  const view = new DataView(bytes.buffer);
  const headers = Number(view.getBigUint64(40, true));
  const { index, addr } = Elf.parse(bytes).section(".stapsdt.base")!;
  view.setBigUint64(headers + index * 64 + 16, BigInt(addr + 0x7000), true);
  assertEquals(
    usdtSites(Elf.parse(bytes), all),
    before.map((site) => ({
      ...site,
      address: site.address + 0x7000,
      semaphore: site.semaphore && site.semaphore + 0x7000,
    })),
  );
});

Deno.test("notes that are damaged are refused or read, and never read beyond their section", () => {
  const whole = library("x86"), { offset, size } = Elf.parse(whole).section(".note.stapsdt")!;
  let refused = 0;
  for (let at = offset; at < offset + size; at++) {
    const bytes = whole.slice();
    bytes[at]! ^= 0xff;
    try {
      usdtSites(Elf.parse(bytes), all).forEach(({ args }) => parseUsdtArguments(args, "x86"));
    } catch (error) {
      assert(error instanceof ElfError, `${at}: ${error}`);
      refused++;
    }
  }
  assert(refused > 50);
});

Deno.test("a section of notes that is too long is refused before it is read", () => {
  const bytes = library("x86"), view = new DataView(bytes.buffer);
  const { index } = Elf.parse(bytes).section(".note.stapsdt")!;
  view.setBigUint64(Number(view.getBigUint64(40, true)) + index * 64 + 32, 1n << 40n, true);
  assertThrows(() => usdtSites(Elf.parse(bytes), all), ElfError, "too many USDT probes");
});

Deno.test("arguments of any length are read in a moment", () => {
  for (const text of ["(".repeat(1e6), "8@" + "a1".repeat(1e6), "[ ".repeat(1e6), "8@$" + "9".repeat(1e6)]) {
    for (const arch of ["x86", "arm64"] as const) {
      const start = performance.now();
      parseUsdtArguments(text, arch);
      assert(performance.now() - start < 5000);
    }
  }
});
