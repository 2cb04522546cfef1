import { assertEquals, assertInstanceOf, assertRejects, assertStringIncludes } from "@std/assert";
import { BTF_KIND_VAR } from "detrace/lib/btf/btf.ts";
import { loadKernelBtf } from "detrace/lib/btf/kernel.ts";
import { has } from "detrace/lib/object/features.ts";
import { readKernelConfig } from "detrace/lib/object/kernel_config.ts";
import type { BpfObject } from "detrace/lib/object/object.ts";
import { openObject } from "detrace/lib/object/open.ts";
import { typedGlobal } from "detrace/lib/object/typed.ts";
import { VerifierError } from "detrace/lib/programs/verifier_error.ts";
import { Kallsyms } from "detrace/lib/symbols/kallsyms.ts";
import { kernelVersion } from "detrace/lib/sys/process.ts";
import { rootTest } from "../root.ts";

const KCONFIG = `CONFIG_DETRACE_BOOL=y
CONFIG_DETRACE_TRISTATE=m
CONFIG_DETRACE_CHAR=n
CONFIG_DETRACE_SHORT=-3
CONFIG_DETRACE_INT=0x12345678
CONFIG_DETRACE_LONG=0xfedcba9876543210
CONFIG_DETRACE_TEXT="detrace"
`;

/** Opens the object; programs beyond those that every kernel takes are named. */
function open(...more: string[]): BpfObject {
  const object = openObject(
    Deno.readFileSync(new URL("../fixtures/object/kernel.bpf.o", import.meta.url)),
    "kernel",
  );
  for (const name of more) object.spec.programs.get(name)!.autoload = true;
  return object;
}

const run = (object: BpfObject, program: string) => object.programs.get(program)!.testRun().retval;

rootTest(
  "configuration values of all types are read by a program: given ones, the kernel's, the loader's",
  async () => {
    using object = await open().load({ kconfig: KCONFIG });
    run(object, "configure");
    assertEquals(typedGlobal(object, "configuration").get(), {
      version: BigInt(kernelVersion()),
      cookie: BigInt(has("bpfCookie")),
      wrapper: 1n,
      unknown: 0n,
      bpf: 1n,
      boolean: 1n,
      tristate: 2n, // TRI_MODULE
      character: BigInt("n".charCodeAt(0)),
      number16: -3n,
      number32: 0x12345678n,
      number64: 0xfedcba9876543210n,
      nowhere: 0n,
      text: "detrace",
    });
  },
);

rootTest("addresses of symbols of the kernel and of its modules are those of /proc/kallsyms", async () => {
  // A module of most kernels, built in on others; nothing depends on whether it is there.
  try {
    await new Deno.Command("modprobe", { args: ["nf_conntrack"] }).output();
  } catch (error) {
    assertInstanceOf(error, Deno.errors.NotFound);
  }
  using object = await open().load({ kconfig: KCONFIG });
  run(object, "addresses");
  const symbols = Kallsyms.load();
  for (
    const [name, symbol] of [["kernel_address", "vfs_open"], ["module_address", "nf_conntrack_in"]] as const
  ) {
    assertEquals(typedGlobal(object, name).get(), symbols.lookup(symbol)[0] ?? 0n, symbol);
  }
});

rootTest("a variable of the kernel is read by its type", async () => {
  using object = open("variable");
  if (!/^CONFIG_KALLSYMS_ALL=y$/m.test(readKernelConfig())) {
    // The kernel itself does not know where its variables are.
    const error = await assertRejects(() => object.load({ kconfig: KCONFIG }), VerifierError);
    return assertStringIncludes(error.message, "failed to find the address for kernel symbol");
  }
  await object.load({ kconfig: KCONFIG });
  // Types of kernels that were built with pahole before 1.19 describe no variables (Debian's 5.10).
  const described = loadKernelBtf().find("bpf_prog_active", BTF_KIND_VAR) !== undefined;
  assertEquals(run(object, "variable"), described ? 1 : 0);
});

rootTest("a weak function of the kernel is called where it is there, and 0 elsewhere (6.2)", async () => {
  using object = await open().load({ kconfig: KCONFIG });
  assertEquals(run(object, "function"), kernelVersion() >= 0x060200 ? 1 : 0);
});

rootTest("callbacks are called: for each step of a loop (5.17), for each entry of a map (5.13)", async () => {
  const programs = [...has("loop") ? ["loop"] : [], ...kernelVersion() >= 0x050d00 ? ["walk"] : []];
  using object = await open(...programs).load({ kconfig: KCONFIG });
  const numbers = object.maps.get("numbers")!;
  for (const [i, value] of [5n, 6n, 7n, 8n].entries()) {
    numbers.set(new Uint8Array(Uint32Array.of(i).buffer), new Uint8Array(BigUint64Array.of(value).buffer));
  }
  const results: Record<string, number> = { loop: 55, walk: 5 + 2 * 6 + 3 * 7 + 4 * 8 };
  for (const name of programs) assertEquals(run(object, name), results[name], name);
});
