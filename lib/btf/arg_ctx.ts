/**
 * `__arg_ctx` for kernels that do not know it (Linux before 6.8).
 *
 * A global function is verified by itself, from what its prototype says. That a `void *` is the context of the program
 * says a declaration tag, `arg:ctx`. Older kernels look at the pointer's type instead: it must be a struct called as the
 * context of that kind of program is (`bpf_ctx_convert`, kernel/bpf/btf.c); its members do not matter. A function that
 * programs of several kinds call is therefore described once for each.
 *
 * @module
 */

import { BtfAppender } from "./append.ts";
import {
  type Btf,
  BTF_KIND_DECL_TAG,
  BTF_KIND_FUNC,
  BTF_KIND_FUNC_PROTO,
  BTF_KIND_INT,
  BTF_KIND_PTR,
  BTF_KIND_STRUCT,
  BTF_KIND_TYPEDEF,
} from "./btf.ts";

const TAG = "arg:ctx", GLOBAL = 1;
const KPROBE = 2, PERF_EVENT = 7, RAW_TRACEPOINT = 17, RAW_TRACEPOINT_WRITABLE = 24;

// include/linux/bpf_types.h. The contexts of the other kinds are no structs with a name.
const SK_BUFF = "__sk_buff", RAW_ARGS = "bpf_raw_tracepoint_args";
const CONTEXTS: Readonly<Record<number, string>> = {
  1: SK_BUFF, // SOCKET_FILTER
  [KPROBE]: "bpf_user_pt_regs_t", // a typedef, but looked for as a struct
  3: SK_BUFF, // SCHED_CLS
  4: SK_BUFF, // SCHED_ACT
  6: "xdp_md", // XDP
  [PERF_EVENT]: "bpf_perf_event_data",
  8: SK_BUFF, // CGROUP_SKB
  9: "bpf_sock", // CGROUP_SOCK
  10: SK_BUFF, // LWT_IN
  11: SK_BUFF, // LWT_OUT
  12: SK_BUFF, // LWT_XMIT
  13: "bpf_sock_ops", // SOCK_OPS
  14: SK_BUFF, // SK_SKB
  15: "bpf_cgroup_dev_ctx", // CGROUP_DEVICE
  16: "sk_msg_md", // SK_MSG
  [RAW_TRACEPOINT]: RAW_ARGS,
  18: "bpf_sock_addr", // CGROUP_SOCK_ADDR
  19: SK_BUFF, // LWT_SEG6LOCAL
  21: "sk_reuseport_md", // SK_REUSEPORT
  22: SK_BUFF, // FLOW_DISSECTOR
  23: "bpf_sysctl", // CGROUP_SYSCTL
  [RAW_TRACEPOINT_WRITABLE]: RAW_ARGS,
  25: "bpf_sockopt", // CGROUP_SOCKOPT
  30: "bpf_sk_lookup", // SK_LOOKUP
  32: "bpf_nf_ctx", // NETFILTER
};

/** Types with the contexts' names in them. */
export interface NamedContexts {
  /** The BTF: the old types under their ids, the new ones behind them. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** By program type: the new ids of functions by their old ids. */
  readonly functions: ReadonlyMap<number, ReadonlyMap<number, number>>;
}

/**
 * The parameters of global functions that are tagged `__arg_ctx`.
 *
 * @param btf An object's types.
 * @returns Numbers of parameters, by the id of the function. Tags that are no function's, or no parameter's, are left out.
 */
export function contextArguments(btf: Btf): Map<number, number[]> {
  const all = new Map<number, number[]>();
  for (let id = btf.firstId; id < btf.endId; id++) {
    if (btf.kind(id) !== BTF_KIND_DECL_TAG || btf.name(id) !== TAG) continue;
    const fn = btf.sizeOrType(id), parameter = btf.declTagComponent(id);
    if (btf.kind(fn) !== BTF_KIND_FUNC || btf.funcLinkage(fn) !== GLOBAL) continue;
    const prototype = btf.sizeOrType(fn);
    if (btf.kind(prototype) !== BTF_KIND_FUNC_PROTO) continue;
    if (parameter >= 0 && parameter < btf.vlen(prototype)) all.set(fn, [...all.get(fn) ?? [], parameter]);
  }
  return all;
}

/**
 * Describes the tagged functions as older kernels understand them.
 *
 * @param btf An object's types.
 * @param programTypes BPF_PROG_TYPE_* of its programs.
 * @returns Undefined if nothing has to be changed: there are no tags, or the parameters have the contexts' types already.
 * A parameter of a type that no kernel takes for the context stays as it is, for the verifier to refuse.
 *
 * @example
 * ```ts
 * import { nameContexts } from "detrace/lib/btf/arg_ctx.ts";
 * import { Btf } from "detrace/lib/btf/btf.ts";
 * import { BtfBuilder } from "detrace/lib/btf/build.ts";
 * import { printAll } from "detrace/lib/btf/print.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const builder = new BtfBuilder();
 * const ctx = { name: "ctx", type: builder.addPtr(0) };
 * const fn = builder.addFunc("size", builder.addFuncProto(0, [ctx]), 1);
 * builder.addDeclTag("arg:ctx", fn, 0);
 * const XDP = 6, { bytes, functions } = nameContexts(Btf.parse(builder.build()), [XDP])!;
 * const named = Btf.parse(bytes), copy = functions.get(XDP)!.get(fn)!;
 * const pointer = named.paramType(named.sizeOrType(copy), 0);
 * assertEquals([named.name(copy), named.name(named.sizeOrType(pointer))], ["size", "xdp_md"]);
 * ```
 */
export function nameContexts(btf: Btf, programTypes: Iterable<number>): NamedContexts | undefined {
  const tagged = contextArguments(btf), appender = new BtfAppender(btf);
  const functions = new Map<number, Map<number, number>>();
  for (const programType of new Set(programTypes)) {
    const name = CONTEXTS[programType];
    if (name === undefined) continue;
    const copies = new Map<number, number>();
    let pointer = 0;
    for (const [fn, parameters] of tagged) {
      const prototype = btf.sizeOrType(fn);
      const nameless = parameters.filter((i) => isNameless(btf, btf.paramType(prototype, i), programType));
      if (!nameless.length) continue;
      if (!pointer) {
        const struct = appender.addType(appender.addString(name), BTF_KIND_STRUCT << 24, 0);
        pointer = appender.addType(0, BTF_KIND_PTR << 24, struct);
      }
      const words = Array.from({ length: 3 + 2 * btf.vlen(prototype) }, (_, k) => btf.word(prototype, k));
      for (const i of nameless) words[4 + 2 * i] = pointer;
      const copy = appender.addType(...words);
      copies.set(fn, appender.addType(btf.word(fn, 0), btf.word(fn, 1), copy));
    }
    if (copies.size) functions.set(programType, copies);
  }
  return functions.size ? { bytes: appender.build(), functions } : undefined;
}

/** Whether a parameter may be the context, and only the tag says so. */
function isNameless(btf: Btf, typeId: number, programType: number): boolean {
  const pointer = btf.skip(typeId);
  if (btf.kind(pointer) !== BTF_KIND_PTR) return false;
  const pointee = btf.skipModifiers(btf.sizeOrType(pointer)), type = btf.skip(pointee), kind = btf.kind(type);
  if (type === 0) return true; // void *
  switch (programType) {
    case KPROBE:
    case PERF_EVENT: // its context begins with the registers
      if (btf.kind(pointee) === BTF_KIND_TYPEDEF && btf.name(pointee) === "bpf_user_pt_regs_t") return false;
      return kind === BTF_KIND_STRUCT && /^(user_)?pt_regs$/.test(btf.name(type));
    case RAW_TRACEPOINT:
    case RAW_TRACEPOINT_WRITABLE: // an array of u64
      return kind === BTF_KIND_INT && btf.sizeOf(type) === 8;
  }
  return false;
}
