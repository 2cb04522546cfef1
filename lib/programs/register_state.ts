/**
 * What the verifier knows of a register, in words. For who writes programs, as hints.ts is.
 *
 * The log has no specification. What is read here is what print_reg_state() of kernel/bpf/log.c writes, and once
 * print_verifier_state() of kernel/bpf/verifier.c did: `map_value_or_null(id=1,map=m,ks=4,vs=24)`. The spelling changed
 * often: numbers were `inv` before 5.18, then `scalar`; `umax_value=4294967295` became `umax=4294967295`, then
 * `smax=umax=0xffffffff`; names of maps and sizes of memory came with 6.8.
 *
 * @module
 */

// Places by the name that reg_type_str() gives them, without its prefixes.
const PLACES: Record<string, string> = {
  ctx: "the context",
  pkt: "the packet",
  pkt_meta: "the packet's metadata",
  pkt_end: "the packet's end",
  flow_keys: "the flow's keys",
  sock: "a socket",
  sock_common: "a socket's common part",
  tcp_sock: "a TCP socket",
  xdp_sock: "an XDP socket",
  tp_buffer: "the tracepoint's buffer",
  buf: "a buffer",
  rdonly_buf: "a read-only buffer",
  rdwr_buf: "a buffer",
  func: "a function",
  dynptr_ptr: "a dynptr",
  arena: "a place in the arena",
};

// Prefixes of pointers and memory, in the order that they are spelled in.
const PREFIXES: Record<string, string> = {
  rdonly: "read-only",
  user: "user-space",
  percpu: "per-CPU",
  rcu: "RCU",
  untrusted: "untrusted",
  trusted: "trusted",
  alloc: "allocated",
};

const S64_MIN = -(2n ** 63n), S64_MAX = 2n ** 63n - 1n, U64_MAX = 2n ** 64n - 1n;

type Fields = Map<string, string>;

/**
 * A register's state in words that can follow "R6 is".
 *
 * @param state The state as the log has it, right of the equals sign; the type's name alone will do.
 * @returns Undefined for what is not known here.
 *
 * @example
 * ```ts
 * import { describeRegister } from "detrace/lib/programs/register_state.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(
 *   describeRegister("map_value_or_null(id=1,map=m,ks=4,vs=24)"),
 *   "NULL or a value (24 bytes) of map m",
 * );
 * assertEquals(
 *   describeRegister("scalar(smin=0,smax=umax=0xffffffff,var_off=(0x0; 0xffffffff))"),
 *   "a number from 0 to 4294967295",
 * );
 * assertEquals(describeRegister("inv(id=0,smin_value=-16,smax_value=15)"), "a number from -16 to 15");
 * assertEquals(describeRegister("fp-8"), "the stack at r10 - 8");
 * ```
 */
export function describeRegister(state: string): string | undefined {
  // P: the verifier needs the exact value. It stands before the type, and before 5.18 after it.
  const constant = /^(?:P|invP?)?(-?(?:0x[\da-f]+|\d+))$/.exec(state)?.[1];
  if (constant !== undefined) return `${BigInt.asIntN(64, integer(constant))}`;
  const stack = /^fp(?:\[(\d+)\])?(?:([-+]?\d+)$|(?=\())/.exec(state);
  const [, type, inside] = /^P?([a-z]\w*?)P?(?:\((.*)\))?$/.exec(state) ?? [];
  const fields = read(inside ?? "");
  if (stack) {
    const base = stack[1] === undefined ? "the stack" : "a caller's stack";
    const [fixed, range] = offset(fields, BigInt(stack[2] ?? 0));
    return `${base} at r10${fixed}${range}`;
  }
  if (type === undefined) return undefined;
  if (type === "scalar" || type === "inv") return inside === undefined ? "a number" : number(fields);

  const optional = /(_or_null$|or_null_)/.test(type);
  const words = place(type.replace(/_or_null$|or_null_/, ""), fields);
  if (words === undefined) return undefined;
  return (optional ? "NULL or " : "") + words + offset(fields).join("") + checked(type, fields);
}

/** How many bytes of a packet are known to be there. */
function checked(type: string, fields: Fields): string {
  const range = type === "pkt" ? fields.get("r") : undefined;
  if (range === undefined) return "";
  return range === "0"
    ? ", not compared with its end"
    : `, of which ${range} bytes were compared with its end`;
}

function place(type: string, fields: Fields): string | undefined {
  if (PLACES[type]) return PLACES[type];
  const of = (what: string, size: string) => {
    const bytes = fields.get(size), map = fields.get("map");
    return `${what}${bytes ? ` (${bytes} bytes)` : ""} of ${map ? `map ${map}` : "a map"}`;
  };
  if (type === "map_ptr") return fields.has("map") ? `map ${fields.get("map")}, not a value of it` : "a map";
  if (type === "map_value") return of("a value", "vs");
  if (type === "map_key") return of("a key", "ks");

  const [, prefixes, memory, struct] = /^((?:[a-z]+_)*?)(?:(mem)|ptr_(\w*))$/.exec(type) ?? [];
  if (prefixes === undefined) return undefined;
  const adjectives = prefixes.split("_").map((prefix) => PREFIXES[prefix]).filter(Boolean);
  if (memory) {
    // Kernels before 6.2 call a ring buffer's memory allocated, and the oldest just memory.
    const record = /^(ringbuf|alloc)_/.test(prefixes) || prefixes === "" && fields.has("ref_obj_id");
    const size = fields.get("sz");
    if (record) return `a record${size ? ` (${integer(size)} bytes)` : ""} of a ring buffer`;
    return `${adjectives.join(" ")} memory${size ? ` (${integer(size)} bytes)` : ""}`.trim();
  }
  const words = [...adjectives, "pointer"].join(" ");
  const article = /^(un|RCU|al)/.test(words) ? "an" : "a";
  return `${article} ${words} to ${struct ? `struct ${struct}` : "a struct of the kernel's"}`;
}

/** ` + 8` and the like: what is added for sure, and what may be. */
function offset(fields: Fields, base = 0n): [fixed: string, range: string] {
  // Before 6.8 there is always an `off`, and `imm` is in hexadecimal without 0x.
  const hex = fields.has("off") ? "0x" : "";
  const imm = integer((fields.get("imm") ?? "0").replace(/^(?=[\da-f]+$)/, hex));
  const fixed = base + integer(fields.get("off") ?? "0") + BigInt.asIntN(64, imm);
  const bounded = ["smin", "smax", "umin", "umax", "var_off"].some((key) => fields.has(key));
  const sign = fixed < 0n ? `- ${-fixed}` : `+ ${fixed}`;
  return [fixed === 0n ? "" : ` ${sign}`, bounded ? ` + ${number(fields)}` : ""];
}

/** A number by its bounds. */
function number(fields: Fields): string {
  const field = (name: string) => fields.has(name) ? integer(fields.get(name)!) : undefined;
  const signed = (name: string) => {
    const value = field(name);
    return value === undefined ? undefined : BigInt.asIntN(64, value); // 0x8000000000000000 is a negative number
  };
  const bits = /\((\w+); (\w+)\)/.exec(fields.get("var_off") ?? ""); // those known, and which are unknown
  const [known, unknown] = bits ? [integer(bits[1]!), integer(bits[2]!)] : [0n, U64_MAX];
  let low = signed("smin") ?? S64_MIN, high = signed("smax") ?? S64_MAX;
  // Bounds of signed and unsigned numbers that are the same are given once, on some kernels.
  const min = larger(field("umin") ?? 0n, known);
  const max = smaller(field("umax") ?? U64_MAX, known | unknown);
  if (low >= 0n || max <= S64_MAX) [low, high] = [larger(low, min), smaller(high, max)];
  if (low > S64_MIN && high < S64_MAX) return `a number from ${low} to ${high}`;
  if (high < S64_MAX) return `a number of at most ${high}, maybe negative`;
  if (low > S64_MIN) return `a number of at least ${low}`;
  return min > 0n ? `a number of at least ${min}, unsigned` : "any number";
}

/** The list in the parentheses. `smax=umax=31` is two fields; `umax_value`, which is older, is called `umax` here. */
function read(inside: string): Fields {
  const fields: Fields = new Map();
  for (const [, names, value] of inside.matchAll(/((?:[a-z]\w*=)+)(\([^)]*\)|[^,]*)/g)) {
    for (const name of names!.slice(0, -1).split("=")) fields.set(name.replace(/_value$/, ""), value!);
  }
  return fields;
}

function integer(text: string): bigint {
  const digits = text.replace(/^-/, "");
  const value = /^(0x[\da-f]+|\d+)$/.test(digits) ? BigInt(digits) : 0n;
  return text.startsWith("-") ? -value : value;
}

const larger = (a: bigint, b: bigint) => a > b ? a : b;
const smaller = (a: bigint, b: bigint) => a < b ? a : b;

/**
 * What the register at fault holds, in words: "R6 is NULL or a value (24 bytes) of map m". It "was" that where the cause
 * says that it no longer is.
 *
 * @param cause The verifier's last words. They name the register, as a rule; if not, the operand or the base
 * address of the instruction is meant.
 * @param lines Lines of the log.
 * @param at Which of them is the instruction at fault, -1 for none.
 * @returns Undefined if nothing is known for certain.
 *
 * @example
 * ```ts
 * import { registerState } from "detrace/lib/programs/register_state.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const lines = [
 *   "4: (85) call bpf_get_prandom_u32#7    ; R0=scalar()",
 *   "5: (0f) r6 += r0",
 * ];
 * const cause = "math between map_value pointer and register with unbounded min value is not allowed";
 * assertEquals(registerState(cause, lines, 1), "R0 is any number");
 * ```
 */
export function registerState(cause: string, lines: readonly string[], at: number): string | undefined {
  if (at < 0 || /!read_ok/.test(cause)) return undefined;
  const named = /\bR(\d+)\b/.exec(cause)?.[1];
  const name = named ?? operand(lines[at]!);
  if (name === undefined || name === "10") return undefined; // R10 is the end of the stack frame, always
  const state = find(name, cause, lines, at),
    type = /(?:access '|type=|arithmetic on )(\w+)/.exec(cause)?.[1];
  const words = state && describeRegister(state);
  if (!words) {
    const known = type && describeRegister(type);
    return known ? `R${name} is ${known}` : undefined;
  }
  if (named === undefined && words === "the context") return undefined; // as the cause says
  const gone = /^(inv|scalar)$/.test(type ?? "") && !/^(P|inv|scalar|-?\d)/.test(state);
  return `R${name} ${gone ? "was" : "is"} ${words}`;
}

/** The register that is added or accessed: `r0` of `r6 += r0`, `r6` of `*(u8 *)(r6 +0) = 1`. */
function operand(line: string): string | undefined {
  const [, added, base] = /^\d+: \([\da-f]{2}\) (?:r\d+ [-+]= r(\d+)|.*\(r(\d+) [-+])/.exec(line) ?? [];
  return added ?? base;
}

/** The last state of a register that holds at the instruction. */
function find(name: string, cause: string, lines: readonly string[], at: number): string | undefined {
  let register = name, compared = false;
  // Before 5.18 the state stands below the instruction that failed, or nowhere near.
  for (let i = lines.length - 1; i >= 0; i--) {
    const line = lines[i]!;
    // The source, and states of earlier checkpoints, which backtracking prints.
    if (/^(; |mark_precise|parent|last_idx|regs=)/.test(line) || lines[i + 1]?.startsWith("parent ")) {
      continue;
    }
    const shown = RegExp(`\\bR${register}(?:_\\w+)?=([^\\s(]+(?:\\((?:[^()]|\\([^()]*\\))*\\))?)`);
    const state = i === at ? undefined : shown.exec(line)?.[1];
    if (state !== undefined) return compared ? settle(state, cause) : state;
    // A state of another function, or one with every register that has a value.
    if (/^(callee:|to caller|from \d)/.test(line)) return undefined;
    const [, written, value] =
      i < at && /^\d+: \([\da-f]{2}\) (?:[rw](\d) [^=]*=(?!=)|call )(.*)/.exec(line) || [];
    if (written === undefined ? value !== undefined && register < "6" : written === register) {
      const source = /^\d+: \([\da-f]{2}\) r\d = r(\d+)$/.exec(line)?.[1];
      if (source === undefined) return undefined;
      register = source; // the same since, as far as the log shows
    }
    compared ||= i < at && /^\d+: \([\da-f]{2}\) if /.test(line);
  }
  return undefined;
}

/**
 * What is left of a state after a comparison of another register: that one may be a copy of this, and then the verifier
 * learned about both, but printed one.
 */
function settle(state: string, cause: string): string | undefined {
  if (/^(P?scalar|invP?)\(id=[1-9]/.test(state)) return undefined;
  if (!/null/i.test(cause)) state = state.replace(/_or_null(?=\()|or_null_/, "");
  const range = /,r=(\d+)\)/.exec(cause)?.[1];
  return state.replace(/\br=\d+/, range === undefined ? "" : `r=${range}`);
}
