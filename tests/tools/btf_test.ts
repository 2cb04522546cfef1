import { assert, assertEquals, assertLess, assertMatch, assertStringIncludes } from "@std/assert";
import { Btf } from "../../lib/btf/btf.ts";
import { BtfBuilder } from "../../lib/btf/build.ts";
import { loadKernelBtf, moduleNames } from "../../lib/btf/kernel.ts";
import { printAll } from "../../lib/btf/print.ts";
import { openObject } from "../../lib/object/open.ts";
import { exists } from "../../lib/sys/file.ts";
import { kernelVersion } from "../../lib/sys/process.ts";
import { commandOf, hostTest, type Result, ROOT, rootTest, RunningTool, TempDir } from "./harness.ts";

const FIXTURES = `${ROOT}tests/fixtures/`;
const SHAPES = `${FIXTURES}btf/shapes.bpf.o`, ROOMS = `${FIXTURES}object/rooms.bpf.o`;
const LOCAL = `${FIXTURES}core/relocate.bpf.o`, KERNEL = `${FIXTURES}core/kernel.btf`;

const run = (...args: string[]): Promise<Result> => RunningTool.run("btf", args);

/** Runs it; it must be content. */
async function good(...args: string[]): Promise<Result> {
  const result = await run(...args);
  assertEquals([result.status, result.stderr], [0, ""], args.join(" "));
  return result;
}

const json = async (...args: string[]) => (await good(...args)).lines.map((line) => JSON.parse(line));

async function sentence(status: number, words: string, ...args: string[]): Promise<void> {
  const result = await run(...args);
  assertEquals([result.status, result.text], [status, ""], result.stderr);
  assertMatch(result.stderr, status === 1 ? /^btf [^\n]+\n$/ : /^btf[^\n]*: [^\n]+\nTry 'btf[^\n]+\n$/);
  assertStringIncludes(result.stderr, words);
  assert(!result.stderr.includes("bug in detrace"), result.stderr);
}

const GUARD = "#ifndef __VMLINUX_H__\n#define __VMLINUX_H__\n\n";
const PUSH = "#ifndef BPF_NO_PRESERVE_ACCESS_INDEX\n" +
  "#pragma clang attribute push (__attribute__((preserve_access_index)), apply_to = record)\n#endif\n\n";
const POP = "#ifndef BPF_NO_PRESERVE_ACCESS_INDEX\n#pragma clang attribute pop\n#endif\n";

Deno.test("dump prints what bpftool prints, raw and as C", async () => {
  const header = Deno.readTextFileSync(`${FIXTURES}btf/shapes.h`);
  assertEquals((await good("dump", "raw", SHAPES)).text, Deno.readTextFileSync(`${FIXTURES}btf/shapes.raw`));
  assertEquals((await good("dump", SHAPES)).text, Deno.readTextFileSync(`${FIXTURES}btf/shapes.raw`));
  assertEquals(
    (await good("dump", "c", SHAPES)).text,
    `${GUARD}${PUSH}${header}${POP}\n#endif /* __VMLINUX_H__ */\n`,
  );
});

Deno.test("dump --type prints some types alone, as C with what they need", async () => {
  const { text } = await good("dump", "c", SHAPES, "--type", "user", "-t", "bits,negative");
  for (const part of ["struct user {", "typedef struct later later_t;", "struct bits {", "enum negative {"]) {
    assertStringIncludes(text, part);
  }
  assert(!text.includes("struct node {"));
  const raw = await good("dump", "raw", SHAPES, "-t", "double", "-t", "float");
  assertEquals(raw.lines, ["[63] FLOAT 'double' size=8", "[64] FLOAT 'float' size=4"]);
  assertEquals(await json("dump", "--json", SHAPES, "-t", "double"), [
    { kind: "float", id: 63, name: "double", size: 8 },
  ]);
  await sentence(1, "has no type nosuch", "dump", SHAPES, "-t", "double,nosuch");
});

Deno.test("split BTF in a file stands on the base that is named", async () => {
  using dir = new TempDir();
  const builder = new BtfBuilder(), int = builder.addInt("int", 4, { signed: true }), bytes = builder.build();
  const more = new BtfBuilder(Btf.parse(bytes));
  more.addTypedef("mine", int);
  Deno.writeFileSync(`${dir.path}/base`, bytes);
  Deno.writeFileSync(`${dir.path}/split`, more.build());
  const at = ["--base", `${dir.path}/base`, `${dir.path}/split`];
  assertEquals((await good("dump", ...at)).lines, ["[2] TYPEDEF 'mine' type_id=1"]);
  assertEquals((await good("dump", "c", ...at)).text, `${PUSH}typedef int mine;\n\n${POP}`);
  assertEquals(await json("find", "*", "--json", ...at), [{ kind: "typedef", size: 4, id: 2, name: "mine" }]);
  await sentence(1, "--base", "dump", `${dir.path}/split`);
});

Deno.test("find lists types by pattern, and structs by their members", async () => {
  assertEquals((await good("find", "pack*d", SHAPES)).lines, [
    "KIND         SIZE      ID NAME",
    "struct         11      80 packed",
  ]);
  assertEquals((await json("find", "n*", SHAPES, "--json", "-m", "x")).map(({ name }) => name), ["node"]);
  assertEquals(await json("find", "use", SHAPES, "--json"), [{
    kind: "func",
    size: null,
    id: 43,
    name: "use",
  }]);
  await sentence(1, "has no type 'nosuch*'", "find", "nosuch*", SHAPES);
  await sentence(1, "with a member 'nosuch'", "find", "*", SHAPES, "-m", "nosuch");
});

Deno.test("diff shows what changed, and nothing where nothing did", async () => {
  using dir = new TempDir();
  const make = (file: string, shift: number) => {
    const builder = new BtfBuilder(), int = builder.addInt("int", 4, { signed: true });
    const names = shift ? ["first", "a", "b", "renamed", "c"] : ["a", "b", "old", "c"];
    builder.addStruct(
      "S",
      4 * names.length,
      names.map((name, i) => ({ name, type: int, bitOffset: 32 * i })),
    );
    builder.addEnum("E", 4, [{ name: "A", value: shift }, { name: shift ? "C" : "B", value: 5 }]);
    builder.addFunc("f", builder.addFuncProto(int, shift ? [{ name: "x", type: int }] : []));
    if (shift) builder.addUnion("U", 8, []);
    Deno.writeFileSync(file, builder.build());
    return file;
  };
  const a = make(`${dir.path}/a`, 0), b = make(`${dir.path}/b`, 1);
  assertEquals((await good("diff", a, a)).text, "");
  assertEquals((await good("diff", a, b)).lines, [
    "~ struct S, 16 -> 20 bytes",
    "    ~ a ... b: 2 moved by +4",
    "    ~ old -> renamed at 8 -> 12",
    "    ~ c at 12 -> 16",
    "    + first (int) at 0",
    "~ enum E",
    "    ~ A = 0 -> 1",
    "    - B = 5",
    "    + C = 5",
    "- int f(void)",
    "+ int f(int x)",
    "+ union U, 8 bytes",
  ]);
  assertEquals((await good("diff", a, b, "?")).lines.length, 12);
  assertEquals(await json("diff", "--json", b, a, "U*", "nothing"), [
    { kind: "union", name: "U", before: { size: 8, text: "" }, parts: [] },
  ]);
});

Deno.test("relocs shows both accesses and instructions, and why one is poisoned", async () => {
  const { lines } = await good("relocs", LOCAL, "--btf", KERNEL);
  const at = lines.findIndex((line) => line.startsWith("access+5 "));
  assertMatch(lines[at]!, /relocate\.bpf\.c:75: use\(n->wide\);$/);
  assertEquals(lines.slice(at + 1, at + 5), [
    "  byte offset of struct node.wide: 144 -> 40",
    `    struct node.wide, type 2 of ${KERNEL}`,
    "  before: (61) r2 = *(u32 *)(r1 +144)",
    "  after:  (79) r2 = *(u64 *)(r1 +40)",
  ]);
  const failed = await json("relocs", LOCAL, "--btf", KERNEL, "-x", "--json");
  const gone = failed.find((one) => one.function === "poison" && one.insn === 3);
  assertEquals({ ...gone, file: "" }, {
    function: "poison",
    insn: 3,
    file: "",
    line: 89,
    source: "use(n->gone);",
    relocation: "byte offset of struct node.gone",
    local: 168,
    target: null,
    types: [],
    poison: `struct node [2] of ${KERNEL}: struct node has no member gone`,
    before: "(79) r2 = *(u64 *)(r1 +168)",
    after: "(85) call unknown#195896080",
  });
  assert(failed.every(({ poison }) => poison));
});

Deno.test("min writes BTF with which relocations come out as with the whole", async () => {
  using dir = new TempDir();
  const least = `${dir.path}/least.btf`;
  await good("min", least, ROOMS, `${FIXTURES}fuzz/seed.bpf.o`, "--btf", `${FIXTURES}fuzz/target.bpf.o`);
  assertLess(Deno.statSync(least).size, Deno.statSync(`${FIXTURES}fuzz/target.bpf.o`).size);
  for (const object of [ROOMS, `${FIXTURES}fuzz/seed.bpf.o`]) {
    const answers = async (btf: string) =>
      (await json("relocs", "--json", object, "--btf", btf)).map((
        { types, poison, relocation, target, ...rest },
      ) => ({
        ...rest,
        relocation,
        poisoned: poison !== undefined,
        ...relocation.startsWith("target type id") ? { after: "" } : { target },
        types: types.map(({ access }: { access: string }) => access),
      }));
    assertEquals(await answers(least), await answers(`${FIXTURES}fuzz/target.bpf.o`));
  }
  Deno.copyFileSync(ROOMS, `${dir.path}/rooms.bpf.o`);
  await sentence(64, "the output comes first", "min", `${dir.path}/rooms.bpf.o`, ROOMS, "--btf", KERNEL);
  assertEquals(Deno.statSync(`${dir.path}/rooms.bpf.o`).size, Deno.statSync(ROOMS).size);
  await sentence(1, "open /nowhere/x: no such file", "min", "/nowhere/x", ROOMS, "--btf", KERNEL);
});

Deno.test("skeleton prints TypeScript that imports from where it is told", async () => {
  using dir = new TempDir();
  Deno.copyFileSync(ROOMS, `${dir.path}/my-rooms.bpf.o`);
  const { text } = await good("skeleton", `${dir.path}/my-rooms.bpf.o`, "--lib", `${ROOT}lib`);
  assertStringIncludes(text, "export class MyRooms extends Skeleton");
  Deno.writeTextFileSync(`${dir.path}/my.ts`, text);
  const { MyRooms } = await import(`file://${dir.path}/my.ts`);
  using rooms = new MyRooms();
  assertEquals(rooms.spec.license, "GPL");
  assertMatch((await good("skeleton", ROOMS)).text, /from "\.\.\/lib\/object\/skeleton\.ts"/);
});

Deno.test("names from files are shown escaped", async () => {
  using dir = new TempDir();
  const builder = new BtfBuilder();
  builder.addInt("a\x1b[31m\nb", 4);
  Deno.writeFileSync(`${dir.path}/evil`, builder.build());
  for (const args of [["dump"], ["dump", "c"], ["find", "*"], ["dump", "--json"], ["find", "*", "--json"]]) {
    assert(!(await good(...args, `${dir.path}/evil`)).text.includes("\x1b"), args.join(" "));
  }
  assertEquals((await good("dump", `${dir.path}/evil`)).lines, [
    "[1] INT 'a\\x1b[31m\\nb' size=4 bits_offset=0 nr_bits=32 encoding=(none)",
  ]);
});

Deno.test("help, version and a wrong command line need no permission", async () => {
  const bare = (...args: string[]) => RunningTool.run("btf", args, { command: commandOf("btf", []) });
  for (const command of [[], ["dump"], ["find"], ["diff"], ["relocs"], ["min"], ["skeleton"]]) {
    const { status, text, stderr } = await bare(...command, "--help");
    assertEquals([status, stderr], [0, ""]);
    assertMatch(text, new RegExp(`^Usage: ${["btf", ...command].join(" ")} \\[OPTION`));
  }
  assertEquals((await bare("--version")).text, "btf 0.1\n");
  for (
    const [args, words] of [
      [[], "missing argument COMMAND"],
      [["nosuch"], "unknown command 'nosuch'"],
      [["dump", "--nosuch"], "unknown option --nosuch"],
      [["find"], "missing argument PATTERN"],
      [["min", "x"], "missing argument OBJECT"],
      [["relocs", "a", "b"], "surplus argument 'b'"],
      [["diff", "a"], "missing argument SOURCE"],
    ] as const
  ) {
    const { status, stderr, text } = await bare(...args);
    assertEquals([status, text], [64, ""]);
    assertStringIncludes(stderr, words);
    assertMatch(stderr, /\nTry 'btf.* --help' or 'btf.* --usage' for more information\.\n$/);
  }
  await sentence(64, "surplus argument 'more'", "dump", "raw", SHAPES, "more");
  await sentence(64, "C has no --json", "dump", "c", SHAPES, "--json");
});

Deno.test("what cannot be read is one sentence", async () => {
  await sentence(1, "'nosuch' is neither a file nor a loaded module with BTF", "dump", "nosuch");
  await sentence(1, "'/dev/zero' is not a regular file", "dump", "/dev/zero");
  await sentence(
    1,
    "is damaged: it does not start with BTF's magic number",
    "find",
    "x",
    `${FIXTURES}btf/shapes.h`,
  );
  await sentence(1, "this is not an ELF file", "relocs", `${FIXTURES}btf/shapes.h`, "--btf", KERNEL);
  await sentence(1, "is not a regular file", "relocs", "/", "--btf", KERNEL);
  await sentence(1, "stat /nosuch: no such file", "skeleton", "/nosuch");
});

rootTest("the running kernel's types are dumped and found", async () => {
  const btf = loadKernelBtf(), id = btf.find("list_head", 4)!;
  const { text } = await good("dump", "c", "-t", "list_head");
  assertEquals(text, `${GUARD}${PUSH}${printAll(btf, [id])}${POP}\n#endif /* __VMLINUX_H__ */\n`);
  const [task] = await json("find", "task_struct", "--json", "-m", "real_parent");
  assertEquals([task.kind, task.size], ["struct", btf.sizeOf(task.id)]);
  await sentence(
    1,
    `neither a file nor a loaded module with BTF${
      kernelVersion() < 0x050b00 ? " (this kernel has no BTF of modules (Linux 5.11))" : ""
    }`,
    "find",
    "x",
    "no_such_module",
  );
});

rootTest("a module's types stand alone", async () => {
  const [module] = moduleNames();
  if (module === undefined) return; // none is loaded, or the kernel tells no types of modules
  const { lines } = await good("dump", "raw", module), first = Number(/^\[(\d+)\]/.exec(lines[0]!)![1]);
  assertEquals(first, loadKernelBtf().endId);
});

rootTest("the types of programs and maps are found by id", async () => {
  using object = openObject(Deno.readFileSync(ROOMS), "rooms");
  await object.load({ kconfig: "CONFIG_DETRACE_NOWHERE=n\n" });
  const program = object.programs.values().next().value!;
  const names = (await json("find", "*", "prog", String(program.info().id), "--json")).map(({ name }) =>
    name
  );
  assert(names.includes("counter") && names.includes("sum"));
  const { lines } = await good("dump", "map", String(object.maps.get(".bss")!.id));
  assertEquals(lines[0], "[0] UNKNOWN '(anon)'");
  assertMatch(lines[1]!, /DATASEC '\.bss'/);
});

rootTest("relocations are shown against the running kernel", async () => {
  const [one] = await json("relocs", ROOMS, "--json");
  assertEquals([one.function, one.after], ["poisoned", "(85) call unknown#195896080"]);
  assertMatch(
    one.poison,
    /^struct task_struct \[\d+\] of kernel BTF: struct task_struct has no member no_such_member$/,
  );
});

hostTest("it is one file that needs nothing else", async () => {
  using dir = new TempDir();
  const file = `${dir.path}/btf.js`;
  const { success } = await new Deno.Command(Deno.execPath(), {
    args: ["bundle", "--quiet", "--minify", "-o", file, "tools/btf.ts"],
    cwd: ROOT,
    stdout: "null",
    stderr: "null",
  }).output();
  assert(success && exists(file));
  const command = [Deno.execPath(), "run", "--no-prompt", "--no-remote", "--no-npm", "--allow-ffi", file];
  const { status, text } = await RunningTool.run("btf", ["skeleton", ROOMS], { command, cwd: dir.path });
  assertEquals(status, 0);
  assertStringIncludes(text, "export class Rooms");
});
