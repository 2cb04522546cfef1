import { assert, assertEquals, assertRejects } from "@std/assert";
import { Assembler, R0 } from "detrace/lib/asm/assembler.ts";
import { DetraceError } from "detrace/lib/error.ts";
import { attachCgroup } from "detrace/lib/links/cgroup.ts";
import { canAttachFentry } from "detrace/lib/links/tracing.ts";
import { buildSpec } from "detrace/lib/object/build.ts";
import { FEATURES } from "detrace/lib/object/features.ts";
import { BpfObject } from "detrace/lib/object/object.ts";
import { ALL_PARTS } from "detrace/lib/object/open.ts";
import { VerifierError } from "detrace/lib/programs/verifier_error.ts";
import { kernelVersion } from "detrace/lib/sys/process.ts";
import { openFds, rootTest } from "../root.ts";
import { withCgroup } from "./cgroups.ts";
import { fixture, withOverlay } from "./fixture.ts";

/** One program, `main`, that returns a number. */
function program(section: string, result = 0): BpfObject {
  const code = new Assembler().mov(R0, result).exit();
  return new BpfObject(buildSpec({ name: "target", programs: { main: { section, code } } }), ALL_PARTS);
}

for (
  const [section, message] of [
    ["fentry/no_such_function", "this kernel has no function no_such_function"],
    ["fexit/no_such_module:vfs_open", "this kernel has no function no_such_module:vfs_open"],
    ["fmod_ret/btf_trace_sys_enter", "this kernel has no function btf_trace_sys_enter"],
    ["fentry", "its section does not say what it is for"],
    ["tp_btf/no_such_event", "this kernel has no tracepoint no_such_event"],
    ["iter/no_such_things", "this kernel has no iterator no_such_things"],
    ["lsm/no_such_hook", "this kernel has no security hook no_such_hook"],
    ["freplace/answer", "which program it extends is not set"],
  ]
) {
  rootTest(`"${section}": the load says what is missing, and leaves nothing open`, async () => {
    const before = openFds();
    using object = program(section!);
    const error = await assertRejects(() => object.load(), DetraceError);
    assertEquals(error.message, `cannot load program main: ${message}`);
    assert(openFds() <= before, "descriptors were left open");
  });
}

rootTest("a function without a description is told from one that is not there", async () => {
  const error = await assertRejects(
    () => program("fentry/_stext").load(),
    DetraceError,
    "the kernel's types do not describe function _stext",
  );
  assertEquals(error.hint, "attach a kprobe to it instead");
});

rootTest("a program without types has no functions to trace", async () => {
  using target = await program("raw_tp").load();
  using object = program("fentry/main");
  object.spec.programs.get("main")!.attachTo = target.programs.get("main")!;
  await assertRejects(() => object.load(), DetraceError, "the program was loaded without BTF");
});

rootTest(
  "what is loaded for a function of a module leaves the module's types closed",
  () =>
    withOverlay(async () => {
      // BTF of modules came with 5.11, and some kernels forbid such programs.
      const old = kernelVersion() < 0x050b00, allowed = canAttachFentry(), before = openFds();
      using object = fixture("tracing", "module");
      if (old) await assertRejects(() => object.load(), DetraceError, "ovl_open is one (Linux 5.11)");
      else if (!allowed) await assertRejects(() => object.load(), DetraceError);
      else await object.load();
      object.close();
      assert(openFds() <= before, "descriptors were left open");
    }),
);

rootTest("fentry is found out by trying, once, and leaves nothing open", () => {
  canAttachFentry();
  const before = openFds(), start = performance.now();
  for (let i = 0; i < 1000; i++) canAttachFentry();
  assert(performance.now() - start < 1000);
  assertEquals(FEATURES.fentry.probe(), canAttachFentry());
  assert(openFds() <= before, "descriptors were left open");
});

rootTest(
  "a security hook of a cgroup is loaded and attached, or its load names the Linux that brought it",
  () =>
    withCgroup(async (path) => {
      using object = program("lsm_cgroup/socket_post_create", 1);
      if (kernelVersion() < 0x060000) {
        return void await assertRejects(() => object.load(), DetraceError, "(Linux 6.0)");
      }
      if (!canAttachFentry()) {
        return assertEquals((await assertRejects(() => object.load(), VerifierError)).code, "EPERM");
      }
      await object.load();
      using link = attachCgroup(object.programs.get("main")!, path, { attachType: 43 });
      assert(link.id! > 0);
    }),
);
