import { assert, assertEquals } from "@std/assert";
import { DetraceError } from "../../lib/error.ts";
import { verifierAdvice } from "../../lib/programs/hints.ts";
import { VerifierError, type VerifierErrorOptions } from "../../lib/programs/verifier_error.ts";

// Captured from Linux 6.18 (log level 1 where nothing else is said) with programs that clang 19 compiled or that were
// assembled by hand, shortened to the lines that follow each other here. SUMMARY is how each ends.
const SUMMARY =
  "processed 10 insns (limit 1000000) max_states_per_insn 0 total_states 1 peak_states 1 mark_read 0\n";

const error = (log: string, rest?: Partial<VerifierErrorOptions>) =>
  new VerifierError({
    program: "p",
    errno: "EACCES",
    log: log && log + SUMMARY,
    advise: verifierAdvice,
    ...rest,
  });

const NULL_POINTER = `6: (85) call bpf_map_lookup_elem#1    ; R0=map_value_or_null(id=1,map=m,ks=4,vs=24)
7: (bf) r6 = r0                       ; R0=map_value_or_null(id=1,map=m,ks=4,vs=24) R6=map_value_or_null(id=1,map=m,ks=4,vs=24)
; e->pid = bpf_get_current_pid_tgid() >> 32; @ nullptr.bpf.c:11
8: (85) call bpf_get_current_pid_tgid#14      ; R0=scalar()
9: (77) r0 >>= 32                     ; R0=scalar(smin=0,smax=umax=0xffffffff,var_off=(0x0; 0xffffffff))
10: (63) *(u32 *)(r6 +0) = r0
R6 invalid mem access 'map_value_or_null'
`;

Deno.test("a null pointer: the cause, the source line, the instruction, and the state that shows it", () => {
  const e = error(NULL_POINTER);
  assert(e instanceof DetraceError);
  assertEquals(
    e.message,
    "program p: R6 invalid mem access 'map_value_or_null' " +
      'at nullptr.bpf.c:11: "e->pid = bpf_get_current_pid_tgid() >> 32;" (insn 10: *(u32 *)(r6 +0) = r0), ' +
      "where R6 is NULL or a value (24 bytes) of map m",
  );
  assertEquals(e.state, "R6 is NULL or a value (24 bytes) of map m");
  assertEquals(e.hint, "check the pointer for NULL before using it");
  assertEquals(e.insn, 10);
  assertEquals(e.code, "EACCES");
  assertEquals(e.program, "p");
  assertEquals(e.log, NULL_POINTER + SUMMARY);
  const [, state, source, , , insn, cause] = NULL_POINTER.split("\n");
  assertEquals(e.lines, [state!, source!, insn!, cause!]);
});

Deno.test("the lookup knows the source better than the log", () => {
  const asked: number[] = [];
  const line = (insn: number) => {
    asked.push(insn);
    return { file: "bpf/x.bpf.c", line: 7, text: "  e->pid = 1;" };
  };
  assert(error(NULL_POINTER, { line }).message.includes(` at bpf/x.bpf.c:7: "e->pid = 1;" (insn 10: `));
  assertEquals(asked, [10]);
  assert(error(NULL_POINTER, { line: () => undefined }).message.includes("at nullptr.bpf.c:11"));
});

Deno.test("a kernel that prints no file names still gives the source text", () => {
  const e = error("; e->pid = 1;\n3: (63) *(u32 *)(r0 +0) = r7\nR0 invalid mem access 'map_value_or_null'\n");
  assert(e.message.includes(`' at "e->pid = 1;" (insn 3: *(u32 *)(r0 +0) = r7)`), e.message);
});

Deno.test("log level 2: states and backtracking between the instruction and its cause are passed over", () => {
  const e = error(`; e->b[i] = 1; @ unbounded.bpf.c:13
10: (bc) w1 = w0                      ; R0=scalar() R1=scalar(smin=0,smax=umax=0xffffffff,var_off=(0x0; 0xffffffff))
11: (0f) r6 += r1
mark_precise: frame0: last_idx 11 first_idx 10 subseq_idx -1${" "}
mark_precise: frame0: regs=r1 stack= before 10: (bc) w1 = w0
12: R1=scalar(smin=0,smax=umax=0xffffffff,var_off=(0x0; 0xffffffff)) R6=map_value(map=m,ks=4,vs=24)
12: (73) *(u8 *)(r6 +8) = r7
R6 unbounded memory access, make sure to bounds check any such access
verification time 319 usec
stack depth 8
`);
  assertEquals(
    e.message,
    "program p: R6 unbounded memory access, make sure to bounds check any such access " +
      'at unbounded.bpf.c:13: "e->b[i] = 1;" (insn 12: *(u8 *)(r6 +8) = r7), ' +
      "where R6 is a value (24 bytes) of map m",
  );
  assert(e.lines[0]!.startsWith("12: R1=scalar(") && e.lines.length === 4);
  assert(e.hint!.includes("against its bound"));
});

Deno.test("a cause of two lines is kept whole", () => {
  const e = error(`5: (85) call bpf_map_lookup_elem#1    ; R0=map_value(ks=4,vs=16)
6: (79) r0 = *(u64 *)(r0 +12)
invalid access to map value, value_size=16 off=12 size=8
R0 min value is outside of the allowed memory range
`);
  assertEquals(
    e.message,
    "program p: invalid access to map value, value_size=16 off=12 size=8; " +
      "R0 min value is outside of the allowed memory range (insn 6: r0 = *(u64 *)(r0 +12)), " +
      "where R0 is a value (16 bytes) of a map",
  );
});

Deno.test("a loop without an end: the instruction that the cause names, without the two states", () => {
  const e = error(`0: (b7) r0 = 0                        ; R0=0
1: (15) if r0 == 0x0 goto pc-1        ; R0=0
1: (15) if r0 == 0x0 goto pc-1        ; R0=0
infinite loop detected at insn 1
cur state: R0=0 R1=ctx() R10=fp0
old state: R0=P0 R1=ctx() R10=fp0
`);
  assertEquals(e.message, "program p: infinite loop detected at insn 1 (insn 1: if r0 == 0x0 goto pc-1)");
  assert(e.hint!.includes("make the loop end"));
});

Deno.test("causes found before any instruction is walked need none", () => {
  for (
    const [cause, insn] of [
      ["last insn is not an exit or jmp", undefined],
      ["unreachable insn 2", 2],
      ["jump out of range from insn 0 to 101", 0],
      ["unknown opcode ff", undefined],
      ["fd 999 is not pointing to valid bpf_map", undefined],
    ] as const
  ) {
    const e = error(cause + "\n", { errno: "EINVAL" });
    assertEquals(e.message, `program p: ${cause}`);
    assertEquals(e.insn, insn);
    assertEquals(e.lines, [cause]);
  }
});

Deno.test("what belongs to the whole program is not put on the last instruction walked", () => {
  const e = error("5: (95) exit\ncombined stack size of 3 calls is 608. Too large\n");
  assertEquals(e.message, "program p: combined stack size of 3 calls is 608. Too large");
  assert(e.hint!.includes("512 bytes"));
});

Deno.test("without advice, as in finished tools, the log speaks alone", () => {
  const e = error(NULL_POINTER, { advise: undefined });
  assert(e.message.endsWith("(insn 10: *(u32 *)(r6 +0) = r0)"), e.message);
  assertEquals([e.hint, e.state], [undefined, undefined]);
});

Deno.test("advice is asked for with the cause and the place of the instruction in the log", () => {
  const asked: unknown[] = [];
  const e = error(NULL_POINTER, {
    advise: (cause, lines, at) => {
      asked.push(cause, lines[at]);
      return { state: "R6 is a pear", hint: "eat it" };
    },
  });
  assertEquals(asked, ["R6 invalid mem access 'map_value_or_null'", "10: (63) *(u32 *)(r6 +0) = r0"]);
  assert(e.message.endsWith("= r0), where R6 is a pear"), e.message);
  assertEquals([e.hint, e.state], ["eat it", "R6 is a pear"]);
});

Deno.test("which function was being validated is not the cause", () => {
  // Linux 5.10
  const e = error("Validating sum() func#1...\nArg#0 type PTR in sum() is not supported yet.\n");
  assertEquals(e.message, "program p: Arg#0 type PTR in sum() is not supported yet.");
});

Deno.test("a relocation that could not be resolved is the cause, in its own words", () => {
  const log = "; x = t->gone; @ a.bpf.c:3\n1: (85) call unknown#195896080\ninvalid func unknown#195896080\n";
  const poison = new Map([[1, "this kernel's struct task_struct has no member gone"]]);
  const e = error(log, { errno: "EINVAL", poisons: () => poison });
  assertEquals(
    e.message,
    `program p: this kernel's struct task_struct has no member gone at a.bpf.c:3: "x = t->gone;" (insn 1)`,
  );
  assert(
    error(log, { poisons: () => new Map([[2, "elsewhere"]]) }).message.includes(
      "invalid func unknown#195896080",
    ),
  );
});

Deno.test("a log whose head is cut away reads like a whole one", () => {
  const e = error(
    "      ; R0=198\n199: (b7) r0 = 199                    ; R0=199\n200: (bf) r0 = r6\nR6 !read_ok\n",
    {
      errno: "ENOSPC",
    },
  );
  assertEquals(e.message, "program p: R6 !read_ok (insn 200: r0 = r6)");
});

Deno.test("a log whose end is cut away does not blame what happens to stand there", () => {
  const lost = "program p: the verifier's log did not fit its buffer, and the reason is lost";
  const cut = (log: string) => new VerifierError({ program: "p", errno: "ENOSPC", log }).message;
  assertEquals(
    cut("0: R1=ctx() R10=fp0\n11: (b7) r0 = 11                      ; R0=11\n12: (b7) r0 = 12   "),
    lost,
  );
  assertEquals(cut("0: R1=ctx() R10=fp0\n11: (b7) r0 = 11                      ; R0=11\nmar"), lost);
  assertEquals(cut("ates 0 mark_read 0\n"), lost);
  assertEquals(cut(""), lost);
});

Deno.test("without a log the errno speaks", () => {
  const said = (errno: string) => error("", { errno }).message;
  assertEquals(
    said("EPERM"),
    "program p: need CAP_BPF and CAP_PERFMON (run with sudo, or see README#capabilities)",
  );
  assert(error("", { errno: "EPERM" }).hint!.includes("as root already"));
  assert(said("EINVAL").startsWith("program p: refused without a reason"));
  assert(said("E2BIG").startsWith("program p: too many instructions"));
  assertEquals(said("EXFULL"), "program p: refused by the kernel (EXFULL)");
  assertEquals(error("", { errno: "EINVAL" }).lines, []);
});

Deno.test("a log without a cause says so and blames no line", () => {
  assertEquals(
    error("0: (b7) r0 = 0\n1: (95) exit\n").message,
    "program p: refused by the kernel (EACCES)",
  );
});

Deno.test("a log of many megabytes is read from its end, at once", () => {
  const log = "7: (85) call bpf_get_prandom_u32#7    ; R0=scalar()\n".repeat(400_000) + NULL_POINTER;
  const start = performance.now();
  assertEquals(error(log).insn, 10);
  assert(performance.now() - start < 500);
});
