import { assertEquals, assertThrows } from "@std/assert";
import { DetraceError } from "../../lib/error.ts";
import { disassemble, disassembleInsn } from "../../lib/asm/disassemble.ts";
import { helperId, helperName } from "../../lib/asm/helpers.ts";
import { encode } from "../../lib/asm/insn.ts";

/** The text of one slot. */
function text(code: number, dst: number, src: number, off: number, imm: number): string {
  const bytes = new Uint8Array(8);
  encode(bytes, 0, { code, dst, src, off, imm });
  return disassembleInsn(bytes, 0);
}

// Held against kernel/bpf/disasm.c (June 2026) built in user space: the same text on 200,000 random slots, every `code`.
Deno.test("instructions read as the kernel prints them", () => {
  assertEquals(text(0xb7, 0, 0, 0, 0), "(b7) r0 = 0");
  assertEquals(text(0x61, 1, 1, 0, 0), "(61) r1 = *(u32 *)(r1 +0)");
  assertEquals(text(0x91, 1, 2, -8, 0), "(91) r1 = *(s8 *)(r2 -8)");
  assertEquals(text(0x7b, 10, 1, -16, 0), "(7b) *(u64 *)(r10 -16) = r1");
  assertEquals(text(0x62, 10, 0, -16, -5), "(62) *(u32 *)(r10 -16) = -5");
  assertEquals(text(0x3f, 1, 2, 0, 0), "(3f) r1 /= r2");
  assertEquals(text(0x3f, 1, 2, 1, 0), "(3f) r1 s/= r2");
  assertEquals(text(0x94, 1, 0, 1, 7), "(94) w1 s%= 7");
  assertEquals(text(0xc7, 1, 0, 0, 32), "(c7) r1 s>>= 32");
  assertEquals(text(0xbf, 1, 2, 1, 1), "(bf) r1 = addr_space_cast(r2, 0, 1)");
  assertEquals(text(0xbf, 1, 2, -1, 0), "(bf) r1 = &(void __percpu *)(r2)");
  assertEquals(text(0xbc, 1, 2, 8, 0), "(bc) w1 = (s8)w2");
  assertEquals(text(0x20, 0, 0, 0, 14), "(20) r0 = *(u32 *)skb[14]");
  assertEquals(text(0x50, 0, 6, 0, -2), "(50) r0 = *(u8 *)skb[r6 + -2]");
  assertEquals(text(0x85, 0, 1, 0, 5), "(85) call pc+5");
  assertEquals(text(0x85, 0, 2, 0, 71234), "(85) call kernel-function#71234");
  assertEquals(text(0x85, 0, 0, 0, 195896080), "(85) call unknown#195896080");
  assertEquals(text(0x1e, 1, 2, -3, 0), "(1e) if w1 == w2 goto pc-3");
  assertEquals(text(0xa5, 1, 0, 3, -1), "(a5) if r1 < 0xffffffff goto pc+3");
  assertEquals(text(0xe5, 0, 0, 4, 0), "(e5) may_goto pc+4");
  assertEquals(text(0x06, 0, 0, 0, 70000), "(06) gotol pc+70000");
  assertEquals(text(0x0d, 3, 0, 0, 0), "(0d) gotox r3");
  assertEquals(text(0xc2, 0, 0, 0, 0), "(c2) nospec");
});

Deno.test("what the kernel does not know reads as the bug it calls it", () => {
  assertEquals(text(0xff, 0, 0, 0, 0), "(ff) r0 (null) r0");
  assertEquals(text(0xdb, 1, 2, 0, 0x30), "BUG_db");
  assertEquals(text(0xdb, 1, 2, 0, -1), "BUG_db");
  assertEquals(text(0x02, 0, 0, 0, 0), "BUG_st_02");
  assertEquals(text(0x01, 0, 0, 0, 0), "BUG_ldx_01");
  assertEquals(text(0x00, 0, 0, 0, 0), "BUG_ld_00");
  assertEquals(text(0x18, 0, 0, 0, 0), "BUG_ld_18", "the second slot is missing");
});

Deno.test("a 64-bit load is one line of two slots, and shows what its immediate is", () => {
  const bytes = new Uint8Array(16);
  const load = (src: number) => {
    encode(bytes, 0, { code: 0x18, dst: 1, src, off: 0, imm: -2 });
    encode(bytes, 1, { code: 0, dst: 0, src: 0, off: 0, imm: 16 });
    return disassemble(bytes);
  };
  assertEquals(load(0), "0: (18) r1 = 0x10fffffffe\n");
  assertEquals(load(1), "0: (18) r1 = map[id:-2]\n");
  assertEquals(load(2), "0: (18) r1 = map[id:-2][0]+16\n");
  assertEquals(load(4), "0: (18) r1 = subprog[-2]\n");
  assertEquals(load(6), "0: (18) r1 = map[idx:-2]+16\n");
});

Deno.test("names given replace what an instruction refers to", () => {
  const bytes = Uint8Array.fromHex("18010000000000000000000000000000" + "8510000000000000");
  const name = (index: number) => index === 0 ? "map[events]" : "helper";
  assertEquals(disassemble(bytes, { name }), "0: (18) r1 = map[events]\n2: (85) call helper\n");
});

Deno.test("a big-endian program reads the same", () => {
  assertEquals(
    disassembleInsn(Uint8Array.fromHex("610afffc00000000"), 0, { littleEndian: false }),
    "(61) r0 = *(u32 *)(r10 -4)",
  );
});

Deno.test("any bytes give text, and a slot that is not there a DetraceError", () => {
  const bytes = new Uint8Array(256 * 8);
  for (let i = 0; i < bytes.length; i++) bytes[i] = Math.imul(i, 0x9e3779b1) >>> 24;
  for (let code = 0; code < 256; code++) bytes[code * 8] = code;
  assertEquals(disassemble(bytes).split("\n").length, 256); // the 64-bit load takes two
  assertEquals(disassemble(bytes.subarray(0, 15)).split("\n").length, 2);
  assertEquals(disassemble(new Uint8Array()), "");
  assertThrows(() => disassembleInsn(bytes, 256), DetraceError, "no instruction 256");
});

Deno.test("the helpers' places in the list are their ids", () => {
  for (
    const [id, name] of [[0, "bpf_unspec"], [1, "bpf_map_lookup_elem"], [112, "bpf_probe_read_user"], [
      211,
      "bpf_cgrp_storage_delete",
    ]] as const
  ) {
    assertEquals(helperName(id), name);
    if (id) assertEquals(helperId(name), id);
  }
  assertEquals(helperName(212), undefined);
  assertEquals(helperName(-1), undefined);
  assertEquals(helperId("map_lookup_elem"), undefined);
  assertEquals(helperId("bpf_no_such_thing"), undefined);
  assertEquals(helperId("bpf_unspec"), undefined);
});
