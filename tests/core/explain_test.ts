import { assertEquals } from "@std/assert";
import { explainRelocations } from "../../lib/core/explain.ts";
import { insn, mov, type Types, types } from "./types.ts";

const OFFSET = 0, EXISTS = 2, TYPE_ID_LOCAL = 6, ENUM_VALUE = 11;

const LOCAL = types(`
  int = int int 4 signed
  ar  = array int 4
  S   = struct S___mine 32 a:int@0 gone:int@32 list:ar@64
  E   = enum E 4 A=1`);
const VMLINUX = types(`
  int  = int int 4 signed
  long = int long 8 signed
  ar   = array int 4
  S    = struct S 64 x:long@0 a:long@64 list:ar@128
  E    = enum E 4 A=5`);

function explain(
  local: Types,
  target: Types,
  asks: [root: string, access: string, kind: number, insn: Uint8Array][],
) {
  const functions = asks.map(([root, accessString, kind, insns], i) => ({
    name: `f${i}`,
    insns,
    coreRelocations: [{ offset: 0, typeId: local.ids[root]!, accessString, kind }],
  }));
  return [...explainRelocations({ btf: local.btf, functions }, { vmlinux: target.btf })];
}

const one = (...ask: [root: string, access: string, kind: number, insn: Uint8Array]) =>
  explain(LOCAL, VMLINUX, [ask])[0]!;

Deno.test("an explanation has the question, both answers, where the target's comes from, and the new instruction", () => {
  const before = mov(20),
    { words, localValue, targetValue, matches, poison, refusal, insns, fn } = one(
      "S",
      "0:2:3",
      OFFSET,
      before,
    );
  assertEquals(words, "byte offset of struct S___mine.list[3]");
  assertEquals([localValue, targetValue, poison, refusal], [20n, 28n, undefined, undefined]);
  assertEquals(
    matches.map(({ btf, typeId, words }) => [btf.label, typeId, words]),
    [["vmlinux", VMLINUX.ids.S, "struct S.list[3]"]],
  );
  assertEquals([fn.insns, insns], [mov(20), mov(28)]);
  const value = one("E", "0", ENUM_VALUE, mov(1));
  assertEquals([value.words, value.targetValue], ["value of enum E::A", 5n]);
  assertEquals(value.matches[0]!.words, "enum E::A");
});

Deno.test("a poisoned instruction has its reason, also if only the width of its access does not fit", () => {
  const gone = one("S", "0:1", OFFSET, mov(4));
  assertEquals([gone.poison, gone.targetValue], [
    `struct S [${VMLINUX.ids.S}] of vmlinux: struct S has no member gone`,
    undefined,
  ]);
  assertEquals(gone.insns[0], 0x85);
  // r2 = *(u32 *)(r1 + 0), of a signed int that is 8 bytes there
  const narrow = one("S", "0:0", OFFSET, insn(0x61, 0x12, 0, 0));
  assertEquals([narrow.poison, narrow.targetValue], [
    `4 bytes of int int are 8 of int long in struct S [${VMLINUX.ids.S}] of vmlinux`,
    undefined,
  ]);
  const number = one("S", "0:0", OFFSET, mov(0));
  assertEquals([number.poison, number.targetValue], [undefined, 8n]);
});

Deno.test("what does not exist is 0 and no poison; a local id needs no target", () => {
  const { targetValue, poison, matches } = one("S", "0:1", EXISTS, mov(1));
  assertEquals([targetValue, poison, matches], [0n, undefined, []]);
  const id = one("S", "0", TYPE_ID_LOCAL, mov(0));
  assertEquals([id.localValue, id.targetValue], [BigInt(LOCAL.ids.S!), BigInt(LOCAL.ids.S!)]);
});

Deno.test("a record that would be refused tells why, and the next one is explained all the same", () => {
  const [broken, held, good] = explain(LOCAL, VMLINUX, [
    ["S", "0:9", OFFSET, mov(0)],
    ["S", "0:0", OFFSET, mov(77)],
    ["S", "0:0", OFFSET, mov(0)],
  ]);
  assertEquals(broken!.words, 'byte offset of struct S___mine (access string "0:9")');
  assertEquals([broken!.refusal, broken!.localValue], [
    "vmlinux: type 3 (struct) has no such part 9",
    undefined,
  ]);
  assertEquals([held!.refusal, held!.localValue], ["the instruction holds 77 instead of 0", 0n]);
  assertEquals(good!.targetValue, 8n);
  const ambiguous = types(`
    int = int int 4 signed
    S1  = struct S 8 a:int@0
    S2  = struct S 8 a:int@32`);
  const [two] = explain(LOCAL, ambiguous, [["S", "0:0", OFFSET, mov(0)]]);
  assertEquals(two!.words, "byte offset of struct S___mine.a");
  assertEquals(
    two!.refusal,
    "it is ambiguous, bit 0 by struct S [2] of vmlinux and bit 32 by struct S [3] of vmlinux",
  );
});
