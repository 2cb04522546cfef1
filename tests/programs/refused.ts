/**
 * Programs that the verifier refuses, each for another reason.
 *
 * @module
 */

import {
  Assembler,
  B,
  DW,
  R0,
  R1,
  R10,
  R2,
  R3,
  R4,
  R5,
  R6,
  R7,
  type Register,
  W,
} from "../../lib/asm/assembler.ts";
import { buildSpec, type SpecSource } from "../../lib/object/build.ts";
import { BpfObject } from "../../lib/object/object.ts";
import { ALL_PARTS, openObject } from "../../lib/object/open.ts";

/** One program. */
export interface Refused {
  /** What it does wrong. */
  readonly name: string;
  /** The object; loading it fails. */
  readonly open: () => BpfObject;
  /**
   * What kernels say, each with a part of the hint that goes with it. The first is what it is about; others are said by
   * kernels that lack something for it.
   */
  readonly says: readonly (readonly [cause: RegExp, hint: string])[];
  /** The Linux from which on only the first holds, 5.10 if not given. */
  readonly since?: string;
  /** What is said of the register at fault, nothing if not given. Before Linux 5.18 logs need not show registers. */
  readonly state?: RegExp;
}

type Write = (a: Assembler) => Assembler;

// BPF_MAP_TYPE_*, BPF_F_SLEEPABLE, BPF_FUNC_*: include/uapi/linux/bpf.h
const HASH = 1, RINGBUF = 27;
const SLEEPABLE = 1 << 4;
const LOOKUP = 1, RANDOM = 7, COMM = 16, PERF_OUTPUT = 25, CURRENT_TASK = 35, CHANGE_HEAD = 43;
const READ_KERNEL = 113,
  RESERVE = 131,
  SUBMIT = 132,
  COPY_FROM_USER = 148,
  DYNPTR_DATA = 203,
  NO_HELPER = 4000;

/** A program written here; `m` is a hash map with values of 24 bytes, `events` a ring buffer. */
function asm(section: string, write: Write, more?: Partial<SpecSource>, flags?: number): () => BpfObject {
  return () => {
    const spec = buildSpec({
      name: "refused",
      programs: { p: { section, code: write(new Assembler()) } },
      maps: {
        m: { type: HASH, keySize: 4, valueSize: 24, maxEntries: 1 },
        events: { type: RINGBUF, maxEntries: 1 << 16 },
      },
      ...more,
    });
    if (flags !== undefined) spec.programs.get("p")!.flags = flags;
    return new BpfObject(spec, ALL_PARTS);
  };
}

const tracing = (write: Write, more?: Partial<SpecSource>) => asm("raw_tp", write, more);
const network = (write: Write, flags?: number) => asm("xdp", write, {}, flags);
/** Its context is one pointer, to a struct task_struct. */
const atExit = (write: Write) => asm("tp_btf/sched_process_exit", write);

/** A program of refused.bpf.c. */
function compiled(program: string): () => BpfObject {
  return () => {
    const bytes = Deno.readFileSync(new URL("../fixtures/programs/refused.bpf.o", import.meta.url));
    const object = openObject(bytes, "refused");
    for (const spec of object.spec.programs.values()) spec.autoload = spec.name === program;
    return object;
  };
}

const end: Write = (a) => a.mov(R0, 0).exit();
const out: Write = (a) => end(a.label("out"));
const lookup: Write = (a) =>
  a.stx(W, R10, -4, 0).mov(R2, R10).alu("+=", R2, -4).loadMap(R1, "m").call(LOOKUP);
/** A value's address, leaving the program if there is none. */
const found = (a: Assembler, to: Register) => lookup(a).jump("==", R0, 0, "out").mov(to, R0);
/** A value's address in R6, any 64 bits in R0. */
const indexed: Write = (a) => found(a, R6).call(RANDOM);
const reserve: Write = (a) => a.loadMap(R1, "events").mov(R3, 0).call(RESERVE);
const copy: Write = (a) => a.mov(R1, R6).mov(R2, R0).mov(R3, R6).call(READ_KERNEL);

const NULL = "for NULL", BOUND = "against its bound", NEGATIVE = "make the index or size unsigned";
const BEYOND = "it ends beyond the memory",
  STACK = "the stack has 512 bytes",
  UNSET = "before anything was written";
const NO_FUNCTION = "bpf_ksym_exists()", NO_HELPER_HERE = "programs of this type may not call that helper";
const NO_HELPER_AT_ALL = "this kernel is too old for that helper",
  ARITHMETIC = "to a pointer, numbers are added";

/** All of them, in the order of the hints. */
export const REFUSED: readonly Refused[] = [
  {
    name: "a member that no kernel has",
    open: compiled("missing_member"),
    says: [[
      /^program \w+: byte offset .* struct task_struct has no member no_such_member/,
      "bpf_core_field_exists()",
    ]],
  },
  {
    name: "a kernel function that no kernel has",
    open: compiled("missing_kfunc"),
    says: [[/invalid func unknown#2002\d{6} at .*"bpf_no_such_function\(\);"/, NO_FUNCTION]],
  },
  {
    name: "a helper that no kernel has",
    open: tracing((a) => end(a.call(NO_HELPER))),
    says: [[/invalid func unknown#4000/, NO_HELPER_AT_ALL]],
  },
  {
    name: "a helper for other types of programs",
    open: tracing((a) => end(a.mov(R2, 8).mov(R3, 0).call(CHANGE_HEAD))),
    says: [[/(program of this type cannot use helper|unknown func) bpf_skb_change_head#43/, NO_HELPER_HERE]],
  },
  {
    name: "a kernel function for other types of programs",
    open: compiled("foreign_kfunc"),
    says: [
      [/calling kernel function bpf_task_release is not allowed/, "may not call that kernel function"],
      [/invalid func unknown#2002\d{6}/, NO_FUNCTION],
    ],
    since: "6.3",
  },
  {
    name: "a map that the helper does not take",
    open: tracing((a) =>
      end(
        a.stx(DW, R10, -8, 0).loadMap(R2, "m").mov(R3, 0).mov(R4, R10).alu("+=", R4, -8).mov(R5, 8)
          .call(PERF_OUTPUT),
      )
    ),
    says: [[/cannot pass map_type 1 into func bpf_perf_event_output#25/, "maps of another type"]],
  },
  {
    name: "a GPL helper without a license",
    open: tracing((a) => end(a.mov(R1, R10).alu("+=", R1, -8).mov(R2, 8).mov(R3, 0).call(READ_KERNEL)), {
      license: "Proprietary",
    }),
    says: [[/cannot call GPL-restricted function from non-GPL compatible program/, "license"]],
  },
  {
    name: "a type of program that cannot sleep",
    open: network(end, SLEEPABLE),
    says: [[
      /^program p: (Only .* programs can|Program of this type cannot) be sleepable/,
      "take the .s out",
    ]],
  },
  {
    name: "a helper that sleeps",
    open: atExit((a) => end(a.mov(R1, R10).alu("+=", R1, -8).mov(R2, 8).mov(R3, 0).call(COPY_FROM_USER))),
    says: [
      [
        /might sleep in a non-sleepable prog|sleepable helper .* in non-sleepable/,
        "only a sleepable program",
      ],
      [/unknown func bpf_copy_from_user#148/, NO_HELPER_HERE],
    ],
    since: "6.12",
  },
  {
    name: "a value that may be missing",
    open: tracing((a) => end(lookup(a).mov(R6, R0).stx(W, R6, 0, 1))),
    says: [[/R6 invalid mem access 'map_value_or_null'/, NULL]],
    state: /^R6 is NULL or a value( \(24 bytes\))? of (a map|map m)$/,
  },
  {
    name: "arithmetic on a value that may be missing",
    open: tracing((a) => end(lookup(a).alu("+=", R0, 8).stx(W, R0, 0, 1))),
    says: [[/R0 pointer arithmetic on map_value_or_null prohibited/, NULL]],
    state: /^R0 is NULL or a value/,
  },
  {
    name: "a helper given a value that may be missing",
    open: tracing((a) => end(lookup(a).mov(R1, R0).mov(R2, 8).call(COMM))),
    says: [[/R1 type=map_value_or_null expected=/, NULL]],
    state: /^R1 is NULL or a value/,
  },
  {
    name: "a record used after it was submitted",
    open: tracing((a) =>
      out(
        reserve(a.mov(R2, 8)).jump("==", R0, 0, "out").mov(R6, R0).mov(R1, R0).mov(R2, 0).call(SUBMIT)
          .stx(W, R6, 0, 1),
      )
    ),
    says: [[/R6 invalid mem access '(scalar|inv)'/, "the pointer has become invalid"]],
    state: /^R6 was a record( \(8 bytes\))? of a ring buffer$/,
  },
  {
    name: "a kernel pointer followed",
    open: tracing((a) => end(a.call(CURRENT_TASK).ldx(W, R0, R0, 16))),
    says: [[/R0 invalid mem access '(scalar|inv)'/, "read kernel memory"]],
    state: /^R0 is (any|a) number$/,
  },
  {
    name: "a kernel structure written",
    open: atExit((a) => end(a.ldx(DW, R1, R1, 0).stx(W, R1, 0, 1))),
    says: [[/only read is supported/, "programs cannot write to the kernel's structures"]],
    state: /^R1 is a (trusted )?pointer to struct task_struct$/,
  },
  {
    name: "a member beyond its struct",
    open: atExit((a) => end(a.ldx(DW, R1, R1, 0).ldx(W, R0, R1, 32000))),
    says: [[/access beyond struct task_struct at off 32000 size 4/, "preserve_access_index"]],
    state: /^R1 is a (trusted )?pointer to struct task_struct$/,
  },
  {
    name: "a pointer that nobody holds",
    open: compiled("untrusted"),
    says: [
      [/R1 must be (a rcu pointer|referenced or trusted)/, "get a reference to it"],
      [/invalid func unknown#2002\d{6}/, NO_FUNCTION],
    ],
    since: "6.3",
    state: /^R1 is an? (untrusted |RCU )?pointer to struct task_struct$/,
  },
  {
    name: "a packet not compared with its end",
    open: network((a) => end(a.ldx(W, R6, R1, 0).ldx(B, R0, R6, 12))),
    says: [[/invalid access to packet, off=12 size=1/, "if (data + size > data_end) return"]],
    state: /^R6 is the packet, not compared with its end$/,
  },
  {
    name: "a size that may be 0",
    open: tracing((a) => out(indexed(a).alu("&=", R0, 15).mov(R1, R6).mov(R2, R0).call(COMM))),
    says: [[/R2 invalid zero-sized read|value_size=24 off=0 size=0/, "the size may be 0"]],
    state: /^R2 is a number from 0 to 15$|^R1 is a value \(24 bytes\)/,
  },
  {
    name: "a record of a size not known",
    open: tracing((a) =>
      out(
        reserve(a.call(RANDOM).alu("&=", R0, 31).mov(R2, R0)).jump("==", R0, 0, "out").mov(R1, R0).mov(R2, 0)
          .call(SUBMIT),
      )
    ),
    says: [[/R2 (is not a known constant|unbounded size)/, "a record's size must be a constant"]],
    state: /^R2 is a number from 0 to 31$/,
  },
  {
    name: "an index into the stack that leaves it",
    open: tracing((a) =>
      end(
        a.call(RANDOM).alu("&=", R0, 15).mov(R1, R10).alu("+=", R1, -8).alu("+=", R1, R0).stx(B, R1, 0, 1),
      )
    ),
    says: [[/variable(-offset| stack)/, "keep an index into the stack"]],
    state: /^R1 is the stack at r10 (- 8 \+ a number from 0 to 15|\+ a number from -8 to 7)$/,
  },
  {
    name: "an array too big for the stack",
    open: tracing((a) => end(a.stx(DW, R10, -520, 0))),
    says: [[/stack (R10 )?off=-520 size=8/, STACK]],
  },
  {
    name: "stacks too big together",
    open: network((a) =>
      end(a.stx(DW, R10, -304, 0).callSubprogram("f")).label("f").stx(DW, R10, -304, 0).mov(R0, 0).exit()
    ),
    says: [[/combined stack size of 2 calls is 6\d\d. Too large/, STACK]],
  },
  {
    name: "a register read before it is set",
    open: tracing((a) => end(a.mov(R1, R6))),
    says: [[/R6 !read_ok/, UNSET]],
  },
  { name: "no result", open: tracing((a) => a.exit()), says: [[/R0 !read_ok/, UNSET]] },
  {
    name: "a size that may be negative",
    open: tracing((a) => out(copy(indexed(a).alu("-=", R0, 1).jump("s>", R0, 8, "out")))),
    says: [[/R2 min value is negative/, NEGATIVE]],
    state: /^R2 is a number of at most 8, maybe negative$/,
  },
  {
    name: "an index that may be negative",
    open: tracing((a) =>
      out(indexed(a).alu("&=", R0, 31).alu("-=", R0, 16).alu("+=", R6, R0).stx(B, R6, 0, 1))
    ),
    says: [[/R6 min value is negative/, NEGATIVE]],
    state: /^R6 is a value \(24 bytes\) of (a map|map m) \+ a number from -16 to 15$/,
  },
  {
    name: "an index that may be very negative",
    open: tracing((a) =>
      out(
        indexed(a).alu("<<=", R0, 32).alu("s>>=", R0, 32).jump("s>", R0, 8, "out").alu("+=", R6, R0)
          .stx(B, R6, 0, 1),
      )
    ),
    says: [[/value -2147483648 makes map_value pointer be out of bounds/, NEGATIVE]],
    state: /^R0 is a number from -2147483648 to 8$/,
  },
  {
    name: "an index without a bound",
    open: tracing((a) => out(indexed(a).alu("+=", R6, R0).stx(B, R6, 0, 1))),
    says: [[/math between map_value pointer and register with unbounded min value/, BOUND]],
    state: /^R0 is any number$/,
  },
  {
    name: "an index of 32 bits without a bound",
    open: tracing((a) => out(indexed(a).mov32(R0, R0).alu("+=", R6, R0).stx(B, R6, 0, 1))),
    says: [[/R6 unbounded memory access/, BOUND]],
    state: /^R6 is a value \(24 bytes\) of (a map|map m) \+ a number from 0 to 4294967295$/,
  },
  {
    name: "an index with too high a bound",
    open: tracing((a) => out(indexed(a).alu("&=", R0, 31).alu("+=", R6, R0).stx(B, R6, 0, 1))),
    says: [[/invalid access to map value, value_size=24 off=31 size=1/, BEYOND]],
    state: /^R6 is a value \(24 bytes\) of (a map|map m) \+ a number from 0 to 31$/,
  },
  {
    name: "a member beyond its value",
    open: tracing((a) => out(found(a, R6).ldx(DW, R0, R6, 20))),
    says: [[/invalid access to map value, value_size=24 off=20 size=8/, BEYOND]],
    state: /^R6 is a value \(24 bytes\) of (a map|map m)$/,
  },
  {
    name: "a number that is not aligned",
    open: tracing((a) => end(a.stx(DW, R10, -12, 0))),
    says: [[/misaligned stack access/, "a multiple of its size"]],
  },
  {
    name: "a constant written",
    open: tracing((a) => end(a.loadData(R1, ".rodata", 0).stx(W, R1, 0, 1)), {
      data: { ".rodata": new Uint8Array(8) },
    }),
    says: [[/write into map forbidden, value_size=8 off=0 size=4/, "that memory is read-only"]],
    state: /^R1 is a value \(8 bytes\) of (a map|map refused\.rodata)$/,
  },
  {
    name: "an argument that the tracepoint does not have",
    open: atExit((a) => end(a.ldx(DW, R0, R1, 88))),
    says: [[/func 'sched_process_exit' doesn't have \d+-th argument/, "fewer arguments"]],
  },
  {
    name: "the context read beyond its end",
    open: network((a) => end(a.ldx(W, R0, R1, 4000))),
    says: [[/invalid bpf_context access off=4000 size=4/, "has no such member"]],
  },
  {
    name: "the context read by a pointer that was moved",
    open: network((a) => end(a.alu("+=", R1, 4).ldx(W, R0, R1, 0))),
    says: [[/dereference of modified ctx ptr R1 off=4 disallowed/, "at constant offsets"]],
    state: /^R1 is the context \+ 4$/,
  },
  {
    name: "the context read at an index",
    open: network((a) =>
      end(a.mov(R6, R1).call(RANDOM).alu("&=", R0, 4).alu("+=", R6, R0).ldx(W, R0, R6, 0))
    ),
    says: [[/variable ctx access var_off=\(0x0; 0x4\) disallowed/, "at constant offsets"]],
    state: /^R6 is the context \+ a number from 0 to 4$/,
  },
  {
    name: "a pointer shifted",
    open: tracing((a) => end(a.alu("<<=", R1, 1))),
    says: [[/R1 pointer arithmetic with <<= operator prohibited/, ARITHMETIC]],
    state: /^R1 is the context$/,
  },
  {
    name: "arithmetic on a map",
    open: tracing((a) => end(a.loadMap(R1, "m").alu("+=", R1, 8))),
    says: [[/R1 pointer arithmetic on map_ptr prohibited/, ARITHMETIC]],
    state: /^R1 is (a map|map m, not a value of it)$/,
  },
  {
    name: "a number in place of a pointer",
    open: tracing((a) => end(a.loadMap(R1, "m").mov(R2, 1).call(LOOKUP))),
    says: [[/R2 type=(scalar|inv) expected=/, "another kind of argument"]],
    state: /^R2 is (1|a number)$/,
  },
  {
    name: "one load from two kinds of memory",
    open: network((a) =>
      out(
        found(a.mov(R7, R1), R6).call(RANDOM).jump("==", R0, 1, "load").mov(R6, R7).label("load")
          .ldx(W, R0, R6, 0),
      )
    ),
    says: [[/same insn cannot be used with different pointers/, "two kinds of memory"]],
    state: /^R6 is (a value \(24 bytes\) of (a map|map m)|the context)$/,
  },
  {
    name: "a dynptr that was not made",
    open: tracing((a) =>
      end(
        a.stx(DW, R10, -16, 0).stx(DW, R10, -8, 0).mov(R1, R10).alu("+=", R1, -16).mov(R2, 0).mov(R3, 8)
          .call(DYNPTR_DATA),
      )
    ),
    says: [
      [/Expected an initialized dynptr as/, "make the dynptr first"],
      [/invalid func unknown#203/, NO_HELPER_AT_ALL],
    ],
    since: "5.19",
    state: /^(R1 is the stack at r10 - 16)?$/, // the cause names no register before Linux 7
  },
  {
    name: "a record not submitted",
    open: tracing((a) => end(reserve(a.mov(R2, 8)))),
    says: [[/Unreleased reference id=\d+ alloc_insn=4/, "release it on every path"]],
  },
  {
    name: "a helper called under a lock",
    open: compiled("call_under_lock"),
    says: [[/function calls are not allowed while holding a lock/, "bpf_spin_unlock()"]],
  },
  {
    name: "a result that the type does not allow",
    open: asm("cgroup/sock_create", (a) => a.mov(R0, 2).exit()),
    says: [[/At program exit the register R0 has/, "return a number that"]],
    state: /^R0 is 2$/,
  },
  {
    name: "a loop without an end",
    open: tracing((a) =>
      end(a.call(RANDOM).mov(R6, R0).label("again").jump("==", R6, 1, "done").goto("again").label("done"))
    ),
    says: [[/infinite loop detected at insn 2/, "make the loop end"]],
  },
  {
    name: "too many branches",
    open: tracing((a) => {
      a.call(RANDOM);
      for (let i = 0; i < 8200; i++) a.jump("==", R0, i, "out");
      return out(a);
    }),
    says: [[/The sequence of 8193 jumps is too complex/, "the verifier follows every path"]],
  },
  {
    name: "calls too deep",
    open: tracing((a) => {
      end(a.callSubprogram("f1"));
      for (let i = 1; i < 40; i++) a.label(`f${i}`).callSubprogram(`f${i + 1}`).exit();
      return end(a.label("f40"));
    }),
    says: [[/the call stack of \d+ frames is too deep/, "__always_inline"]],
  },
  {
    name: "code that runs off its end",
    open: tracing((a) => a.mov(R0, 0)),
    says: [[/last insn is not an exit or jmp/, "the compiler drops"]],
  },
  {
    name: "code that is never reached",
    open: tracing((a) => end(end(a))),
    says: [[/unreachable insn 2/, "the compiler drops"]],
  },
];
