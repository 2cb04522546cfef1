import { assert, assertEquals, assertRejects } from "@std/assert";
import { BTF_KIND_FUNC } from "detrace/lib/btf/btf.ts";
import { findInKernel, loadKernelBtf } from "detrace/lib/btf/kernel.ts";
import { DetraceError } from "detrace/lib/error.ts";
import { readKernelConfig } from "detrace/lib/object/kernel_config.ts";
import { openObject } from "detrace/lib/object/open.ts";
import { kernelVersion } from "detrace/lib/sys/process.ts";
import { openFds, rootTest } from "../root.ts";

const ENOENT = 2;

rootTest("a program calls functions of a kernel module", async () => {
  const modprobe = await Deno.readTextFile("/proc/sys/kernel/modprobe").catch(() => "");
  if (modprobe) await new Deno.Command(modprobe.trim(), { args: ["nf_conntrack"] }).output().catch(() => {});
  const bytes = Deno.readFileSync(new URL("../fixtures/object/module.bpf.o", import.meta.url));
  using object = openObject(bytes, "module");
  if (!findInKernel(loadKernelBtf(), BTF_KIND_FUNC, "bpf_xdp_ct_lookup")) {
    // It came with 5.18.
    assert(kernelVersion() < 0x051200 || !/^CONFIG_NF_CONNTRACK=[ym]$/m.test(readKernelConfig()));
    const before = openFds();
    await assertRejects(
      () => object.load(),
      DetraceError,
      "bpf_xdp_ct_lookup was not found among the functions",
    );
    assert(openFds() <= before, "descriptors were left open");
    return;
  }
  await object.load();
  const { retval } = object.programs.get("look_up")!.testRun({ dataIn: new Uint8Array(64) });
  assertEquals(retval, ENOENT);
});
