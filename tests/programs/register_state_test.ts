import { assertEquals } from "@std/assert";
import { verifierHint } from "../../lib/programs/hints.ts";
import { describeRegister, registerState } from "../../lib/programs/register_state.ts";

// Captured from kernels that refused the programs of refused.ts, and more of that kind (Linux 6.18).
const WORDS: Record<string, [state: string, words: string][]> = {
  "5.10": [
    ["ctx(id=0,off=0,imm=0)", "the context"],
    ["fp0", "the stack at r10"],
    ["inv(id=0)", "any number"],
    ["inv1", "1"],
    ["invP(id=0)", "any number"],
    ["inv(id=0,smax_value=8)", "a number of at most 8, maybe negative"],
    ["inv(id=0,smin_value=-16,smax_value=15)", "a number from -16 to 15"],
    ["inv(id=0,umax_value=4294967295,var_off=(0x0; 0xffffffff))", "a number from 0 to 4294967295"],
    ["map_value(id=0,off=0,ks=4,vs=24,imm=0)", "a value (24 bytes) of a map"],
    [
      "map_value(id=0,off=0,ks=4,vs=24,smin_value=-16,smax_value=15)",
      "a value (24 bytes) of a map + a number from -16 to 15",
    ],
    ["mem(id=0,ref_obj_id=2,off=0,imm=0)", "a record of a ring buffer"],
  ],
  "6.1": [
    ["ctx(off=4,imm=0)", "the context + 4"],
    ["ctx(off=0,umax=4,var_off=(0x0; 0x4))", "the context + a number from 0 to 4"],
    ["fp-16", "the stack at r10 - 16"],
    ["fp(off=-8,umax=15,var_off=(0x0; 0xf))", "the stack at r10 - 8 + a number from 0 to 15"],
    ["map_ptr(off=0,ks=4,vs=24,imm=0)", "a map"],
    ["map_value_or_null(id=1,off=0,ks=4,vs=24,imm=0)", "NULL or a value (24 bytes) of a map"],
    ["alloc_mem_or_null(id=2,ref_obj_id=2,off=0,imm=0)", "NULL or a record of a ring buffer"],
    ["pkt(off=0,r=0,imm=0)", "the packet, not compared with its end"],
    ["ptr_task_struct(off=0,imm=0)", "a pointer to struct task_struct"],
    ["scalar(umax=31,var_off=(0x0; 0x1f))", "a number from 0 to 31"],
    [
      "scalar(smax=9223372032559808512,umax=18446744069414584320,var_off=(0x0; 0xffffffff00000000)," +
      "s32_min=0,s32_max=0,u32_max=0)",
      "a number of at most 9223372032559808512, maybe negative",
    ],
  ],
  "6.12": [
    ["ctx()", "the context"],
    ["map_ptr(map=events,ks=0,vs=0)", "map events, not a value of it"],
    ["map_value(map=refused.rodata,ks=4,vs=8)", "a value (8 bytes) of map refused.rodata"],
    [
      "map_value(map=m,ks=4,vs=24,smin=0,smax=umax=0xffffffff,var_off=(0x0; 0xffffffff))",
      "a value (24 bytes) of map m + a number from 0 to 4294967295",
    ],
    ["ringbuf_mem(ref_obj_id=2,sz=8)", "a record (8 bytes) of a ring buffer"],
    ["scalar(smin=0xffffffff80000000,smax=smax32=8)", "a number from -2147483648 to 8"],
    ["scalar(umin=8185)", "a number of at least 8185, unsigned"],
    ["trusted_ptr_task_struct()", "a trusted pointer to struct task_struct"],
  ],
  "6.18": [
    ["1", "1"],
    ["ptr_or_null_task_struct(id=2,ref_obj_id=2)", "NULL or a pointer to struct task_struct"],
    ["rcu_ptr_task_struct()", "an RCU pointer to struct task_struct"],
    ["map_key(map=m,ks=4,vs=8)", "a key (4 bytes) of map m"],
    ["fp[0]-8", "a caller's stack at r10 - 8"],
    ["func()", "a function"],
    ["pkt(off=8,r=8)", "the packet + 8, of which 8 bytes were compared with its end"],
    ["pkt_end()", "the packet's end"],
    ["sock_common_or_null(id=1)", "NULL or a socket's common part"],
    [
      "scalar(id=1,smin=smin32=0,smax=umax=smax32=umax32=31,var_off=(0x0; 0x1f))",
      "a number from 0 to 31",
    ],
  ],
  "7.2": [
    ["ctx(imm=4)", "the context + 4"],
    ["fp(smin=smin32=-8,smax=smax32=7)", "the stack at r10 + a number from -8 to 7"],
    ["Pscalar()", "any number"],
    ["ringbuf_mem_or_null(id=2,sz=8)", "NULL or a record (8 bytes) of a ring buffer"],
    [
      "scalar(smax=0x7fffffff00000000,smin32=0,smax32=umax32=0,var_off=(0x0; 0xffffffff00000000))",
      "a number of at most 9223372032559808512, maybe negative",
    ],
  ],
};

for (const [kernel, states] of Object.entries(WORDS)) {
  Deno.test(`states of registers as Linux ${kernel} writes them are put into words`, () => {
    assertEquals(states.map(([state]) => [state, describeRegister(state)]), states);
  });
}

Deno.test("offsets were hexadecimal without saying so, as long as there was always an off", () => {
  assertEquals(
    describeRegister("map_value(id=0,off=8,ks=4,vs=64,imm=10)"),
    "a value (64 bytes) of a map + 24",
  );
  assertEquals(describeRegister("map_value(map=m,ks=4,vs=64,imm=10)"), "a value (64 bytes) of map m + 10");
  assertEquals(describeRegister("map_value(map=m,ks=4,vs=64,imm=-8)"), "a value (64 bytes) of map m - 8");
});

Deno.test("a negative number that is written as one of 64 bits is negative", () => {
  assertEquals(describeRegister("0xfffffffffffeffff"), "-65537");
  assertEquals(describeRegister("-1"), "-1");
  assertEquals(describeRegister("P0x7fffffff"), "2147483647");
});

Deno.test("nothing is said of a type that is not known", () => {
  for (const state of ["", "?", "cookie(id=1)", "mmmm????", "pkt_nowhere()"]) {
    assertEquals(describeRegister(state), undefined, state);
  }
});

/** The state at the last instruction of a log, whose cause is the last line. */
function stateOf(log: string): string | undefined {
  const lines = log.trimEnd().split("\n");
  const at = lines.findLastIndex((line) => /^\d+: \(/.test(line));
  return registerState(lines.at(-1)!, lines, at);
}

// Linux 5.10
const CHECKPOINT = `7: (bf) r6 = r0
8: (85) call bpf_get_prandom_u32#7
9: (bc) w0 = w0
10: (0f) r6 += r0
last_idx 10 first_idx 9
regs=1 stack=0 before 9: (bc) w0 = w0
 R0_rw=invP(id=0) R6_rw=map_value(id=0,off=0,ks=4,vs=24,imm=0) R10=fp0 fp-8=mmmm????
parent didn't have regs=1 stack=0 marks
last_idx 8 first_idx 0
regs=1 stack=0 before 8: (85) call bpf_get_prandom_u32#7
11: (72) *(u8 *)(r6 +0) = 1
`;

Deno.test("the state may stand below the instruction; one of an earlier checkpoint is not taken for it", () => {
  const state = " R0_w=inv(id=0,umax_value=4294967295,var_off=(0x0; 0xffffffff)) " +
    "R6_w=map_value(id=0,off=0,ks=4,vs=24,umax_value=4294967295,var_off=(0x0; 0xffffffff)) R10=fp0\n";
  const cause = "R6 unbounded memory access, make sure to bounds check any such access\n";
  assertEquals(
    stateOf(CHECKPOINT + state + cause),
    "R6 is a value (24 bytes) of a map + a number from 0 to 4294967295",
  );
  assertEquals(stateOf(CHECKPOINT + cause), undefined);
});

Deno.test("a register that was written since its state was shown has none; a copy has that of its source", () => {
  // Linux 5.10
  const log = `5: (15) if r0 == 0x0 goto pc+5
 R0_w=mem(id=0,ref_obj_id=2,off=0,imm=0) R10=fp0 refs=2
6: (bf) r6 = r0
7: (bf) r1 = r0
8: (b7) r2 = 0
9: (85) call bpf_ringbuf_submit#132
10: (62) *(u32 *)(r6 +0) = 1
`;
  assertEquals(stateOf(log + "R6 invalid mem access 'inv'"), "R6 was a record of a ring buffer");
  assertEquals(stateOf(log + "R2 type=inv expected=fp"), "R2 is a number");
  assertEquals(stateOf(log + "R1 unbounded memory access"), undefined, "the call cleared it");
});

Deno.test("without a state, the type that the cause names is what is known", () => {
  // Linux 5.10
  const log = "5: (85) call bpf_map_lookup_elem#1\n6: (bf) r6 = r0\n7: (62) *(u32 *)(r6 +0) = 1\n";
  assertEquals(stateOf(log + "R6 invalid mem access 'map_value_or_null'"), "R6 is NULL or a value of a map");
});

Deno.test("a comparison of a copy may have taught more than the log shows", () => {
  // Linux 6.18: the check of R0 is one of R6, and that of R3 one of R1.
  const checked = `5: (85) call bpf_map_lookup_elem#1    ; R0=map_value_or_null(id=1,map=m,ks=4,vs=24)
6: (bf) r6 = r0                       ; R0=map_value_or_null(id=1,map=m,ks=4,vs=24) R6=map_value_or_null(id=1,map=m,ks=4,vs=24)
7: (15) if r0 == 0x0 goto pc+2        ; R0=map_value(id=1,map=m,ks=4,vs=24)
8: (79) r0 = *(u64 *)(r6 +20)
`;
  assertEquals(
    stateOf(checked + "R6 min value is outside of the allowed memory range"),
    "R6 is a value (24 bytes) of map m",
  );
  const packet = `1: (61) r1 = *(u32 *)(r1 +76)         ; R1=pkt(r=0)
2: (bf) r3 = r1                       ; R1=pkt(r=0) R3=pkt(r=0)
3: (07) r3 += 8                       ; R3=pkt(off=8,r=0)
4: (2d) if r3 > r2 goto pc+6          ; R2=pkt_end() R3=pkt(off=8,r=8)
5: (71) r1 = *(u8 *)(r1 +9)
invalid access to packet, off=9 size=1, R1(id=0,off=9,r=8)`;
  assertEquals(stateOf(packet), "R1 is the packet, of which 8 bytes were compared with its end");
  const number = `10: (bf) r2 = r0                      ; R0=scalar(id=2) R2=scalar(id=2)
11: (25) if r0 > 0x8 goto pc+4        ; R0=scalar(id=2,smin=smin32=0,smax=umax=smax32=umax32=8,var_off=(0x0; 0xf))
12: (85) call bpf_get_current_comm#16
`;
  assertEquals(stateOf(number + "R2 invalid zero-sized read: u64=[0,8]"), undefined);
});

Deno.test("registers of another function, or of another path, are not meant", () => {
  const cause = "R6 unbounded memory access";
  assertEquals(
    stateOf(
      `caller:\n frame0: R6=ctx() R10=fp0\ncallee:\n frame1: R1=1 R10=fp0\n5: (72) *(u8 *)(r6 +0) = 1\n${cause}`,
    ),
    undefined,
  );
  assertEquals(
    stateOf(`3: (b7) r6 = 1 ; R6=1\nfrom 2 to 5: R0=1 R10=fp0\n5: (72) *(u8 *)(r6 +0) = 1\n${cause}`),
    undefined,
  );
});

Deno.test("a cause without a register is about the operand or the base, but R10 is no news", () => {
  const read = "0: (79) r1 = *(u64 *)(r1 +0)          ; R1=trusted_ptr_task_struct()\n";
  assertEquals(
    stateOf(`${read}1: (62) *(u32 *)(r1 +0) = 1\nonly read is supported`),
    "R1 is a trusted pointer to struct task_struct",
  );
  assertEquals(
    stateOf("0: R1=ctx() R10=fp0\n0: (61) r0 = *(u32 *)(r1 +4000)\ninvalid bpf_context access"),
    undefined,
  );
  assertEquals(
    stateOf("0: R1=ctx() R10=fp0\n0: (7a) *(u64 *)(r10 -12) = 0\nmisaligned stack access"),
    undefined,
  );
  assertEquals(registerState("R1 unbounded memory access", [], -1), undefined);
});

Deno.test("hints for the words of kernels that no test runs on, and for causes beside those provoked", () => {
  const causes: [cause: string, hint: string][] = [
    ["invalid stack off=-520 size=8", "512 bytes"],
    ["variable stack access var_off=(0x0; 0xf) off=-8 size=1", "index into the stack"],
    ["invalid unbounded variable-offset write to stack R1", "index into the stack"],
    ["tail_calls are not allowed when call stack of previous frames is 304 bytes. Too large", "512 bytes"],
    ["invalid indirect read from stack off -8+0 size 8", "before anything was written"],
    ["invalid read from stack R2 off -8+0 size 8", "before anything was written"],
    ["BPF program is too large. Processed 1000001 insn", "follows every path"],
    ["back-edge from insn 3 to 1", "make the loop end"],
    ["The sequence of 8193 jumps is too complex.", "follows every path"],
    ["Possibly NULL pointer passed to trusted arg0", "for NULL"],
    ["R1 invalid mem access 'trusted_ptr_or_null_'", "for NULL"],
    ["R1 type=scalar expected=mem_or_null", "another kind of argument"],
    ["R0 bitwise operator &= on pointer prohibited", "numbers are added"],
    ["R1 cannot write into rdonly_mem", "read-only"],
    ["At callback return the register R0 has smin=2 smax=2 should have been in [0, 1]", "return a number"],
    ["program must be sleepable to call sleepable kfunc bpf_copy_from_user_str", "only a sleepable program"],
    ["R2 unbounded memory access, use 'var &= const' or 'if (var < const)'", "against its bound"],
  ];
  for (const [cause, hint] of causes) assertEquals(verifierHint(cause)?.includes(hint), true, cause);
  assertEquals(verifierHint("the moon is in the wrong quarter"), undefined);
});
