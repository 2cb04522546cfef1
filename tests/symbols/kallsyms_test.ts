import { assert, assertEquals, assertThrows } from "@std/assert";
import { DetraceError } from "../../lib/error.ts";
import { Kallsyms } from "../../lib/symbols/kallsyms.ts";

const parse = (text: string) => Kallsyms.parse(new TextEncoder().encode(text));

const kallsyms = parse(
  `0000000000000000 A fixed_percpu_data
ffffffff81000000 T _stext
ffffffff81000000 T _text
ffffffff81000100 t helper
ffffffff81000200 W weak_one
ffffffff81000300 D jiffies
ffffffff81000380 d table.llvm.1234
ffffffff81000390 t cold.llvm.99
ffffffffc0002000 t helper	[zfs]
ffffffffc0001000 T init_module	[zfs]
ffffffffc0003000 t bpf_prog_6deef7357e7b4530_f	[bpf]
`,
);

Deno.test("an address belongs to the function before it, in the kernel or a module", () => {
  assertEquals(kallsyms.resolve(0xffffffff81000000n), { name: "_stext", offset: 0 });
  assertEquals(kallsyms.resolve(0xffffffff810001ffn), { name: "helper", offset: 0xff });
  assertEquals(kallsyms.resolve(0xffffffffc0001fffn), { name: "init_module", offset: 0xfff, module: "zfs" });
  assertEquals(kallsyms.resolve(0xffffffffc0002001n), { name: "helper", offset: 1, module: "zfs" });
  assertEquals(kallsyms.resolve(0xffffffffc0003000n)?.module, "bpf");
});

Deno.test("data is no function, and neither is what lies far behind one or before all", () => {
  assertEquals(kallsyms.resolve(0xffffffff81000310n), { name: "weak_one", offset: 0x110 });
  assertEquals(kallsyms.resolve(0xffffffff91000000n), undefined);
  assertEquals(kallsyms.resolve(0xffffffff80ffffffn), undefined);
  assertEquals(kallsyms.resolve(0x401000n), undefined);
});

Deno.test("a name is looked up exactly, with all its addresses", () => {
  assertEquals(kallsyms.lookup("helper"), [0xffffffff81000100n, 0xffffffffc0002000n]);
  assertEquals(kallsyms.lookup("jiffies"), [0xffffffff81000300n]);
  assertEquals(kallsyms.lookup("fixed_percpu_data"), [0n]);
  for (const name of ["help", "elper", "T", "zfs", "", "no_such"]) {
    assertEquals(kallsyms.lookup(name), []);
  }
});

Deno.test("what the compiler puts behind a name counts for functions, not for data", () => {
  assertEquals(kallsyms.lookup("table"), [0xffffffff81000380n]);
  assertEquals(kallsyms.lookup("cold"), []);
  assertEquals(kallsyms.lookup("cold.llvm.99"), [0xffffffff81000390n]);
});

Deno.test("addresses that the kernel hides are an error that says what to do", () => {
  const hidden = "0000000000000000 T _stext\n0000000000000000 T _text\n";
  const error = assertThrows(() => parse(hidden), DetraceError, "does not show the addresses");
  assert((error as DetraceError).hint?.includes("kptr_restrict"));
  assertThrows(() => parse(""), DetraceError);
});

Deno.test("lines that are none are left out", () => {
  const odd = parse("hello\n\nffffffff81000000 T\nffffffff81000000  T two\n  T f\nffffffff81000010 T last");
  assertEquals(odd.resolve(0xffffffff81000011n), { name: "last", offset: 1 });
  assertEquals(odd.lookup("last"), [0xffffffff81000010n]);
  assertEquals([odd.lookup("f"), odd.lookup("two")], [[], []]);
});

Deno.test({
  name: "the running kernel's symbols are those of a plain reading",
  ignore: Deno.permissions.querySync({ name: "ffi" }).state !== "granted" || Deno.uid() !== 0,
  fn() {
    const live = Kallsyms.load();
    const names = new Map<bigint, string>();
    const addresses = new Map<string, bigint[]>();
    for (const line of Deno.readTextFileSync("/proc/kallsyms").split("\n")) {
      const [digits, type, name, module] = line.split(/[ \t]/);
      const address = BigInt(`0x${digits || 0}`);
      if (/^[tw]$/i.test(type!) && !names.has(address)) names.set(address, `${name} ${module}`);
      if (name) addresses.set(name, [...(addresses.get(name) ?? []), address]);
    }
    for (const [address, name] of names) {
      const found = live.resolve(address)!;
      if (`${found.name} ${found.module && `[${found.module}]`}` !== name || found.offset !== 0) {
        assertEquals(found, name as never);
      }
    }
    for (const name of [...addresses.keys()].filter((_, i) => i % 10000 === 0)) {
      assertEquals(live.lookup(name), addresses.get(name)!);
    }
  },
});
