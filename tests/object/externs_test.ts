import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { Btf } from "../../lib/btf/btf.ts";
import { BtfBuilder } from "../../lib/btf/build.ts";
import { DetraceError } from "../../lib/error.ts";
import { type ExternSources, type ExternValue, resolveExterns } from "../../lib/object/externs.ts";
import { readKernelConfig } from "../../lib/object/kernel_config.ts";
import type { BpfObjectSpec, ExternSpec } from "../../lib/object/spec.ts";
import { kernelRelease } from "../../lib/sys/process.ts";

/** The types that the tests declare externs with, and ones that are like none of them. */
const builder = new BtfBuilder();
const bool = builder.addInt("_Bool", 1, { bool: true });
const char = builder.addInt("char", 1, { signed: true });
const u8 = builder.addInt("unsigned char", 1);
const s16 = builder.addInt("short", 2, { signed: true });
const u16 = builder.addInt("unsigned short", 2);
const s32 = builder.addInt("int", 4, { signed: true });
const u32 = builder.addInt("unsigned int", 4);
const u64 = builder.addInt("unsigned long", 8);
const s64 = builder.addInt("long", 8, { signed: true });
const tristate = builder.addEnum("libbpf_tristate", 4, [
  { name: "TRI_NO", value: 0 },
  { name: "TRI_YES", value: 1 },
  { name: "TRI_MODULE", value: 2 },
]);
const wideTristate = builder.addEnum64("libbpf_tristate", 8, [{ name: "TRI_NO", value: 0 }]);
const text8 = builder.addArray(char, s32, 8);
const bytes3 = builder.addArray(u8, s32, 3);
const size_t = builder.addTypedef("size_t", builder.addConst(u64));
const constVoid = builder.addConst(0);
const none = builder.addArray(char, s32, 0);
const texts = builder.addArray(text8, s32, 2);
const bools = builder.addArray(bool, s32, 2);
const wideBool = builder.addInt("bool4", 4, { bool: true });
const u128 = builder.addInt("__int128", 16);
const pointer = builder.addPtr(char);
const other = builder.addEnum("tristate", 4, [{ name: "A", value: 0 }]);
const float = builder.addFloat("float", 4);
const vast = builder.addArray(char, s32, 0x7fffffff);
const task = builder.addStruct("task_struct", 4, [{ name: "pid", type: s32, bitOffset: 0 }]);
const taskPtr = builder.addPtr(task);
const acquire = builder.addFunc(
  "bpf_task_acquire___new",
  builder.addFuncProto(taskPtr, [{ name: "", type: taskPtr }]),
  2,
);
const wrong = builder.addFunc("bpf_task_acquire", builder.addFuncProto(0, [{ name: "", type: taskPtr }]), 2);
const absent = builder.addFunc("bpf_absent", builder.addFuncProto(0, []), 2);
const loop = builder.nextId;
builder.addTypedef("loop", loop);
const btf = Btf.parse(builder.build());

/** A small kernel. */
const kernelBuilder = new BtfBuilder();
const kernelInt = kernelBuilder.addInt("int", 4, { signed: true });
const kernelTask = kernelBuilder.addPtr(kernelBuilder.addStruct("task_struct", 0, []));
const kernelAcquire = kernelBuilder.addFunc(
  "bpf_task_acquire",
  kernelBuilder.addFuncProto(kernelTask, [{ name: "p", type: kernelTask }]),
  1,
);
kernelBuilder.addTypedef("bpf_prog_active", kernelInt); // of the same name, but no variable
const kernelActive = kernelBuilder.addVar("bpf_prog_active", kernelBuilder.addVolatile(kernelInt));
const kernelBtf = Btf.parse(kernelBuilder.build(), { name: "the kernel" });

type Declared = Partial<ExternSpec> & { typeId: number };

function spec(externs: Record<string, Declared>): BpfObjectSpec {
  const all = Object.entries(externs).map(([name, declared]): [string, ExternSpec] => [
    name,
    { name, section: ".kconfig", weak: false, isFunction: false, ...declared },
  ]);
  const [programs, functions, maps, globals] = [new Map(), new Map(), new Map(), new Map()];
  const btfBytes = undefined;
  return {
    ...{ name: "test", license: "GPL", version: 0, btf, btfBytes, programs, functions, maps, globals },
    externs: new Map(all),
  };
}

/** Sources that must not be asked, but for those that are given. */
function sources(given: Partial<ExternSources>): ExternSources {
  const no = (): never => {
    throw new Error("a source was asked for nothing");
  };
  return {
    ...{ kernelBtf: no, kallsyms: no, readKconfig: no, kernelVersion: no, hasBpfCookie: no },
    hasSyscallWrapper: no,
    ...given,
  };
}

/** The bytes of one `.kconfig` extern of a type, where the configuration has a value for it. */
function value(typeId: number, text: string): number[] {
  const { values, kconfig } = resolveExterns(
    spec({ CONFIG_A: { typeId } }),
    sources({ kconfig: `CONFIG_AB=y\n# CONFIG_A is not set\nCONFIG_A=${text}\nCONFIG_A=1\n` }),
  );
  assertEquals(values, new Map<string, ExternValue>([["CONFIG_A", { kind: "data", offset: 0 }]]));
  return [...kconfig!];
}

function refused(make: () => unknown, message: RegExp): void {
  assertMatch(assertThrows(make, DetraceError).message, message);
}

function unfit(typeId: number, text: string): void {
  refused(() => value(typeId, text), /^test: extern CONFIG_A is a .*, which .* does not fit$/);
}

Deno.test("y, n and m fit bool (but m), tristate and char", () => {
  assertEquals(value(bool, "y"), [1]);
  assertEquals(value(bool, "n"), [0]);
  unfit(bool, "m");
  assertEquals(value(tristate, "n"), [0, 0, 0, 0]);
  assertEquals(value(tristate, "y"), [1, 0, 0, 0]);
  assertEquals(value(tristate, "m"), [2, 0, 0, 0]);
  assertEquals(value(wideTristate, "m"), [2, 0, 0, 0, 0, 0, 0, 0]);
  assertEquals(value(char, "y"), ["y".charCodeAt(0)]);
  assertEquals(value(u8, "m"), ["m".charCodeAt(0)]);
  for (const type of [s16, s32, u64, text8]) unfit(type, "y");
  for (const type of [bool, tristate, char]) unfit(type, "yes");
});

Deno.test("quoted text fits a char array, cut so that its NUL has room", () => {
  assertEquals(value(text8, '"abc"'), [97, 98, 99, 0, 0, 0, 0, 0]);
  assertEquals(value(text8, '""'), [0, 0, 0, 0, 0, 0, 0, 0]);
  assertEquals(value(text8, '"12345678"'), [49, 50, 51, 52, 53, 54, 55, 0]);
  assertEquals(value(bytes3, '"ä"'), [0xc3, 0xa4, 0]);
  assertEquals(value(bytes3, '"=\\""'), [61, 92, 0]);
  for (const type of [bool, tristate, char, s32, u64]) unfit(type, '"abc"');
  for (const text of ['"', '"abc', 'abc"', "abc", "5", "", "m"]) unfit(text8, text);
});

Deno.test("numbers fit int and char within their range", () => {
  assertEquals(value(s32, "250"), [250, 0, 0, 0]);
  assertEquals(value(s32, "-1"), [255, 255, 255, 255]);
  assertEquals(value(s32, "+1"), [1, 0, 0, 0]);
  assertEquals(value(u32, "0x1A2b3C4d"), [0x4d, 0x3c, 0x2b, 0x1a]);
  assertEquals(value(s16, "010"), [8, 0]);
  assertEquals(value(u8, "0"), [0]);
  assertEquals(value(u8, "255"), [255]);
  assertEquals(value(char, "-128"), [128]);
  assertEquals(value(size_t, "0xffffffff80000000"), [0, 0, 0, 128, 255, 255, 255, 255]);
  assertEquals(value(s64, "-2"), [254, 255, 255, 255, 255, 255, 255, 255]);
  assertEquals(value(u64, "-1"), [255, 255, 255, 255, 255, 255, 255, 255]);
  assertEquals(value(s16, "32767 \r"), [255, 127]);

  for (const [type, text] of [[u8, "256"], [u8, "-1"], [char, "128"], [char, "-129"]] as const) {
    unfit(type, text);
  }
  for (const [type, text] of [[s16, "32768"], [u16, "65536"], [s32, "0x80000000"]] as const) {
    unfit(type, text);
  }
  for (
    const text of ["0x10000000000000000", "18446744073709551616", "", "0x", "08", "1e3", "1 2", "--1", "N"]
  ) {
    unfit(u64, text);
  }
  for (const type of [bool, tristate, text8]) for (const text of ["0", "1"]) unfit(type, text);
});

Deno.test("a type that no value fits is refused, whatever the value", () => {
  for (const typeId of [0, none, texts, bools, wideBool, u128, pointer, other, float, task, acquire]) {
    refused(
      () => resolveExterns(spec({ CONFIG_A: { typeId, weak: true } }), sources({})),
      /^test: extern CONFIG_A is of a type that no configuration value fits$/,
    );
  }
  refused(() => resolveExterns(spec({ CONFIG_A: { typeId: loop } }), sources({})), /./);
  refused(() => resolveExterns(spec({ CONFIG_A: { typeId: 99999 } }), sources({})), /./);
  refused(() => resolveExterns(spec({ CONFIG_A: { typeId: vast } }), sources({})), /too much to believe/);
});

Deno.test(".kconfig is laid out by alignment, then size, then name", () => {
  const { values, kconfig } = resolveExterns(
    spec({
      CONFIG_TEXT: { typeId: text8 },
      CONFIG_B: { typeId: bool },
      CONFIG_A: { typeId: char },
      CONFIG_SHORT: { typeId: s16 },
      CONFIG_LONG: { typeId: size_t },
      CONFIG_TRI: { typeId: tristate },
      CONFIG_INT: { typeId: s32 },
      CONFIG_SMALL: { typeId: bytes3 },
    }),
    sources({
      kconfig: 'CONFIG_TEXT="x"\nCONFIG_B=y\nCONFIG_A=2\nCONFIG_SHORT=3\nCONFIG_LONG=4\nCONFIG_TRI=m\n' +
        'CONFIG_INT=5\nCONFIG_SMALL="zz"',
    }),
  );
  const at = Object.fromEntries([...values].map(([name, v]) => [name, v.kind === "data" ? v.offset : -1]));
  assertEquals(at, {
    ...{ CONFIG_LONG: 0, CONFIG_INT: 8, CONFIG_TRI: 12, CONFIG_SHORT: 16, CONFIG_A: 18, CONFIG_B: 19 },
    ...{ CONFIG_SMALL: 20, CONFIG_TEXT: 23 },
  });
  const tail = [120, 0, 0, 0, 0, 0, 0, 0];
  assertEquals([...kconfig!], [
    4,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    5,
    0,
    0,
    0,
    2,
    0,
    0,
    0,
    3,
    0,
    2,
    1,
    122,
    122,
    0,
    ...tail,
  ]);
});

Deno.test("the caller's lines win, and the kernel's file is read only for what they leave open", () => {
  const both = { CONFIG_HZ: { typeId: s32 }, CONFIG_PREEMPT: { typeId: bool } };
  const bytes = (given: Partial<ExternSources>) => [...resolveExterns(spec(both), sources(given)).kconfig!];
  const readKconfig = () => "CONFIG_HZ=250\nCONFIG_PREEMPT=y\n";
  assertEquals(bytes({ readKconfig }), [250, 0, 0, 0, 1]);
  assertEquals(bytes({ readKconfig, kconfig: "CONFIG_HZ=100\n" }), [100, 0, 0, 0, 1]);
  assertEquals(bytes({ kconfig: "CONFIG_PREEMPT=n\nCONFIG_HZ=100" }), [100, 0, 0, 0, 0]);
});

Deno.test("a weak option that is not set is zero, a strong one is refused by name", () => {
  const externs = { CONFIG_A: { typeId: s32, weak: true }, CONFIG_B: { typeId: s32 } };
  const { values, kconfig } = resolveExterns(spec(externs), sources({ readKconfig: () => "CONFIG_B=7" }));
  assertEquals(values.get("CONFIG_A"), { kind: "data", offset: 0 });
  assertEquals([...kconfig!], [0, 0, 0, 0, 7, 0, 0, 0]);
  refused(
    () =>
      resolveExterns(spec(externs), sources({ readKconfig: () => "CONFIG_A=7\n# CONFIG_B is not set\n" })),
    /^test: extern CONFIG_B is not set in the kernel's configuration$/,
  );
});

Deno.test("without any configuration even weak options are refused", () => {
  const readKconfig = () => {
    throw new DetraceError("no configuration");
  };
  const externs = spec({ CONFIG_A: { typeId: s32, weak: true } });
  assertThrows(() => resolveExterns(externs, sources({ readKconfig })), DetraceError, "no configuration");
});

Deno.test("the loader's own values need no configuration", () => {
  const externs = {
    LINUX_KERNEL_VERSION: { typeId: u32 },
    LINUX_HAS_BPF_COOKIE: { typeId: bool },
    LINUX_HAS_SYSCALL_WRAPPER: { typeId: s64 },
    LINUX_IN_2050: { typeId: bool, weak: true },
  };
  const own = { kernelVersion: () => 0x060c29, hasBpfCookie: () => true, hasSyscallWrapper: () => true };
  const { values, kconfig } = resolveExterns(spec(externs), sources(own));
  assertEquals([...kconfig!], [1, 0, 0, 0, 0, 0, 0, 0, 0x29, 0x0c, 6, 0, 1, 0]);
  assertEquals(values.get("LINUX_IN_2050"), { kind: "data", offset: 13 });

  const kernelVersion = () => 0x060c29;
  for (const typeId of [bool, u16, tristate, text8]) {
    refused(
      () => resolveExterns(spec({ LINUX_KERNEL_VERSION: { typeId } }), sources({ kernelVersion })),
      /^test: extern LINUX_KERNEL_VERSION is a .*, which 396329 does not fit$/,
    );
  }
});

Deno.test("names that are neither options nor the loader's are refused", () => {
  for (const [name, weak] of [["LINUX_IN_2050", false], ["HZ", true], ["constructor", true]] as const) {
    refused(
      () => resolveExterns(spec({ [name]: { typeId: s32, weak } }), sources({})),
      new RegExp(`^test: extern ${name} is neither a CONFIG_ option nor known to the loader$`),
    );
  }
});

const symbol = (typeId: number, weak = false): Declared => ({ section: ".ksyms", typeId, weak });
const kfunc = (typeId: number, weak = false): Declared => ({ ...symbol(typeId, weak), isFunction: true });

Deno.test("a symbol without type is its address", () => {
  const addresses: Record<string, bigint[]> = {
    init_task: [0xffffffff82000000n],
    alias: [0xffffffff82000001n, 0xffffffff82000001n],
    first: [0n],
    twice: [0xffffffff82000002n, 0xffffffffc0000000n],
  };
  let loads = 0;
  const kallsyms = () => (loads++, { lookup: (name: string) => addresses[name] ?? [] });
  const find = (externs: Record<string, Declared>) => resolveExterns(spec(externs), sources({ kallsyms }));
  const { values, kconfig } = find({
    ...{ init_task: symbol(constVoid), alias: symbol(constVoid), first: symbol(0) },
    nothing: symbol(constVoid, true),
  });
  assertEquals(
    values,
    new Map<string, ExternValue>([
      ["init_task", { kind: "address", value: 0xffffffff82000000n }],
      ["alias", { kind: "address", value: 0xffffffff82000001n }],
      ["first", { kind: "address", value: 0n }],
      ["nothing", { kind: "missing" }],
    ]),
  );
  assertEquals(kconfig, undefined);
  assertEquals(loads, 1);
  refused(
    () => find({ nothing: symbol(constVoid) }),
    /^test: extern nothing was not found among the kernel's symbols$/,
  );
  refused(
    () => find({ twice: symbol(constVoid, true) }),
    /^test: extern twice is ambiguous: it is at 0xffffffff82000002 and 0xffffffffc0000000$/,
  );
});

const find = (externs: Record<string, Declared>) =>
  resolveExterns(spec(externs), sources({ kernelBtf: () => kernelBtf })).values;

Deno.test("a variable with a type is the kernel's variable of that name", () => {
  assertEquals(find({ bpf_prog_active: symbol(s32) }).get("bpf_prog_active"), {
    kind: "btf",
    id: kernelActive,
  });
  assertEquals(find({ runqueues: symbol(s32, true) }).get("runqueues"), { kind: "missing" });
  assertEquals(find({ bpf_prog_active___a: symbol(s32, true) }).get("bpf_prog_active___a"), {
    kind: "missing",
  });
  refused(
    () => find({ runqueues: symbol(s32) }),
    /^test: extern runqueues was not found among the variables of the kernel and its modules$/,
  );
  for (const weak of [true, false]) {
    refused(
      () => find({ bpf_prog_active: symbol(task, weak) }),
      /^test: extern bpf_prog_active is declared as struct task_struct, but the kernel has .*int$/,
    );
  }
});

Deno.test("a function is the kernel's function of that name without its flavor", () => {
  const name = "bpf_task_acquire___new";
  assertEquals(find({ [name]: kfunc(acquire) }).get(name), { kind: "btf", id: kernelAcquire });
  assertEquals(find({ bpf_absent: kfunc(absent, true) }).get("bpf_absent"), { kind: "missing" });
  refused(
    () => find({ bpf_absent: kfunc(absent) }),
    /^test: extern bpf_absent was not found among the functions of the kernel and its modules$/,
  );
});

Deno.test("a function of another prototype is missing if it is weak, else refused", () => {
  assertEquals(find({ bpf_task_acquire: kfunc(wrong, true) }).get("bpf_task_acquire"), { kind: "missing" });
  refused(
    () => find({ bpf_task_acquire: kfunc(wrong) }),
    /^test: extern bpf_task_acquire has other parameters or another result in the kernel$/,
  );
});

Deno.test("no extern asks for nothing; one without BTF is refused", () => {
  assertEquals(resolveExterns(spec({}), sources({})), { values: new Map(), kconfig: undefined });
  refused(
    () => resolveExterns({ ...spec({ CONFIG_A: { typeId: 1 } }), btf: undefined }, sources({})),
    /no BTF/,
  );
});

Deno.test("the running kernel's configuration can be read where it is there (root)", () => {
  let text: string;
  try {
    text = readKernelConfig();
  } catch (error) {
    assert(error instanceof DetraceError);
    assertMatch(error.message, /^cannot read the kernel's configuration, neither .* nor \/proc\/config.gz$/);
    return;
  }
  assertMatch(text, /^CONFIG_BPF_SYSCALL=y$/m);
  const version = /^# Linux\/\S+ (\d+\.\d+)/m.exec(text)?.[1];
  assert(version === undefined || kernelRelease().startsWith(version), `${version} ${kernelRelease()}`);
});
