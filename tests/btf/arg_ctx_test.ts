import { assertEquals } from "@std/assert";
import { contextArguments, nameContexts } from "../../lib/btf/arg_ctx.ts";
import { Btf } from "../../lib/btf/btf.ts";
import { BtfBuilder } from "../../lib/btf/build.ts";

const XDP = 6, KPROBE = 2, PERF_EVENT = 7, TRACEPOINT = 5, RAW_TRACEPOINT = 17, SCHED_CLS = 3;

/** Types of a function with one parameter. */
function types(parameter: (builder: BtfBuilder) => number, options: { linkage?: number; tag?: string } = {}) {
  const builder = new BtfBuilder();
  const type = parameter(builder);
  const fn = builder.addFunc("fn", builder.addFuncProto(0, [{ name: "ctx", type }]), options.linkage ?? 1);
  builder.addDeclTag(options.tag ?? "arg:ctx", fn, 0);
  return { btf: Btf.parse(builder.build()), fn };
}

const struct = (name: string) => (builder: BtfBuilder) => builder.addPtr(builder.addStruct(name, 4, []));

/** What the context is called for a kind of program; undefined if nothing is changed. */
function name(parameter: (builder: BtfBuilder) => number, programType: number): string | undefined {
  const { btf, fn } = types(parameter), named = nameContexts(btf, [programType]);
  if (!named) return undefined;
  const after = Btf.parse(named.bytes), copy = named.functions.get(programType)!.get(fn)!;
  return after.name(after.sizeOrType(after.paramType(after.sizeOrType(copy), 0)));
}

Deno.test("void *, however it is spelled, gets the context's name of each kind of program", () => {
  const spellings = [
    (b: BtfBuilder) => b.addPtr(0),
    (b: BtfBuilder) => b.addTypedef("handle", b.addPtr(b.addConst(0))),
    (b: BtfBuilder) => b.addPtr(b.addTypedef("nothing", 0)),
  ];
  for (const spelling of spellings) {
    assertEquals(name(spelling, XDP), "xdp_md");
    assertEquals(name(spelling, SCHED_CLS), "__sk_buff");
    assertEquals(name(spelling, KPROBE), "bpf_user_pt_regs_t");
    assertEquals(name(spelling, PERF_EVENT), "bpf_perf_event_data");
  }
});

Deno.test("kinds of program whose context has no name are left alone", () => {
  assertEquals(name((b) => b.addPtr(0), TRACEPOINT), undefined);
});

Deno.test("registers and arrays of u64 are contexts where the kernel says so", () => {
  assertEquals(name(struct("pt_regs"), KPROBE), "bpf_user_pt_regs_t");
  assertEquals(name(struct("user_pt_regs"), PERF_EVENT), "bpf_perf_event_data");
  assertEquals(name((b) => b.addPtr(b.addInt("u64", 8)), RAW_TRACEPOINT), "bpf_raw_tracepoint_args");
  assertEquals(name((b) => b.addPtr(b.addInt("u32", 4)), RAW_TRACEPOINT), undefined);
  assertEquals(name(struct("pt_regs"), XDP), undefined);
});

Deno.test("a context that has its name already, and what is no pointer, stay as they are", () => {
  assertEquals(name(struct("xdp_md"), XDP), undefined);
  const typedef = (b: BtfBuilder) =>
    b.addPtr(b.addTypedef("bpf_user_pt_regs_t", b.addStruct("pt_regs", 4, [])));
  assertEquals(name(typedef, KPROBE), undefined);
  assertEquals(name((b) => b.addInt("int", 4), XDP), undefined);
});

Deno.test("only tags of parameters of global functions count", () => {
  const tagged = (
    options: { linkage?: number; tag?: string },
  ) => [...contextArguments(types((b) => b.addPtr(0), options).btf).values()];
  assertEquals(tagged({}), [[0]]);
  assertEquals(tagged({ linkage: 0 }), []);
  assertEquals(tagged({ tag: "arg:nonnull" }), []);
  const builder = new BtfBuilder(), pointer = builder.addPtr(0);
  builder.addDeclTag("arg:ctx", builder.addVar("variable", pointer), -1);
  const fn = builder.addFunc("fn", builder.addFuncProto(0, [{ name: "ctx", type: pointer }]), 1);
  builder.addDeclTag("arg:ctx", fn, -1);
  builder.addDeclTag("arg:ctx", fn, 1);
  builder.addDeclTag("arg:ctx", builder.addFunc("damaged", pointer, 1), 0);
  assertEquals(contextArguments(Btf.parse(builder.build())), new Map());
});

Deno.test("ids, strings and all other parameters stay; each kind of program has a copy of its own", () => {
  const builder = new BtfBuilder();
  const int = builder.addInt("int", 4, { signed: true }), pointer = builder.addPtr(0);
  const parameters = ["a", "b", "c", "d"].map((name, i) => ({ name, type: i % 2 ? pointer : int }));
  const fn = builder.addFunc("fn", builder.addFuncProto(int, parameters), 1);
  builder.addDeclTag("arg:ctx", fn, 1);
  builder.addDeclTag("arg:ctx", fn, 3);
  const btf = Btf.parse(builder.build());
  const { bytes, functions } = nameContexts(btf, [XDP, KPROBE, XDP, TRACEPOINT])!;
  const after = Btf.parse(bytes);
  for (let id = 1; id < btf.endId; id++) {
    assertEquals([0, 1, 2].map((k) => after.word(id, k)), [0, 1, 2].map((k) => btf.word(id, k)));
    assertEquals(after.name(id), btf.name(id));
  }
  assertEquals([...functions.keys()], [XDP, KPROBE]);
  for (const [type, name] of [[XDP, "xdp_md"], [KPROBE, "bpf_user_pt_regs_t"]] as const) {
    const copy = functions.get(type)!.get(fn)!, prototype = after.sizeOrType(copy);
    assertEquals([after.name(copy), after.funcLinkage(copy), after.sizeOrType(prototype)], ["fn", 1, int]);
    assertEquals([0, 1, 2, 3].map((i) => after.paramName(prototype, i)), ["a", "b", "c", "d"]);
    const pointees = [1, 3].map((i) => after.name(after.sizeOrType(after.paramType(prototype, i))));
    assertEquals([after.paramType(prototype, 0), ...pointees, after.paramType(prototype, 2)], [
      int,
      name,
      name,
      int,
    ]);
  }
});
