import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { moduleNames } from "detrace/lib/btf/kernel.ts";
import { DetraceError } from "detrace/lib/error.ts";
import { attachExtension } from "detrace/lib/links/extension.ts";
import { attachLoaded, canAttachFentry } from "detrace/lib/links/tracing.ts";
import { VerifierError } from "detrace/lib/programs/verifier_error.ts";
import { kernelVersion } from "detrace/lib/sys/process.ts";
import { rootTest } from "../root.ts";
import { canOpen, fixture, global, read, run, setGlobal, tracing, withFile, withOverlay } from "./fixture.ts";

const BPF_TRACE_FENTRY = 24, BPF_LINK_TYPE_TRACING = 2;
const since = (major: number, minor: number) => kernelVersion() >= (major << 16) + (minor << 8);

/** A test that ends at once on a kernel that forbids such programs, or whose processor cannot run them. */
function fentryTest(name: string, fn: () => void | Promise<void>): void {
  rootTest(name, () => canAttachFentry() ? fn() : undefined);
}

rootTest(
  "a kernel that forbids fentry programs has none of their targets, and refuses to load them",
  async () => {
    using object = tracing("entry");
    assertEquals(object.keepIfPresent("entry"), canAttachFentry());
    if (canAttachFentry()) return;
    object.spec.programs.get("entry")!.autoload = true;
    assertEquals((await assertRejects(() => object.load(), VerifierError)).code, "EPERM");
  },
);

fentryTest(
  "fentry and fexit see a kernel function, its result, and only while they are attached",
  async () => {
    using object = tracing("entry", "leave");
    assert(object.keepIfPresent("entry"));
    await object.load();
    read("/proc/self/comm");
    assertEquals(global(object, "exits"), 0n);
    object.attach();
    for (const path of ["/proc/self/comm", "/dev/null", "/dev/zero", "/proc"]) {
      const result = read(path);
      assertEquals(global(object, "result"), result, path);
    }
    assertEquals([global(object, "entries"), global(object, "exits")], [4n, 4n]);
    for (const link of object.links) {
      assertEquals(link.info()?.type, BPF_LINK_TYPE_TRACING);
      link.detach();
    }
    read("/dev/zero");
    assertEquals(global(object, "exits"), 4n);
  },
);

fentryTest("a fentry program gets its cookie, or hears that Linux 5.19 brought them", async () => {
  using object = tracing("baked");
  // Before 5.19 the verifier does not let such a program ask for its cookie.
  if (!since(5, 19)) return void await assertRejects(() => object.load(), VerifierError);
  await object.load();
  object.attachProgram("baked", undefined, { cookie: 0x1234567890abcdefn });
  read("/dev/zero");
  assertEquals(global(object, "cookie"), 0x1234567890abcdefn);
});

fentryTest("a cookie that the kernel does not know is refused with a sentence", async () => {
  using object = tracing("entry");
  await object.load();
  const attach = () => object.attachProgram("entry", undefined, { cookie: 1n });
  if (since(5, 19)) return void attach();
  assertThrows(
    attach,
    DetraceError,
    "cannot attach program entry: this kernel has no cookies for such programs (Linux 5.19)",
  );
  object.attachProgram("entry");
});

fentryTest(
  "functions of modules are found by name, and by module and name, or Linux 5.11 is to bring their types",
  () =>
    withOverlay(async (path) => {
      // A kernel may have it built in.
      const targets = moduleNames().includes("overlay") ? ["ovl_open", "overlay:ovl_open"] : ["ovl_open"];
      for (const target of targets) {
        using object = tracing("module");
        object.spec.programs.get("module")!.target = target;
        if (!object.keepIfPresent("module")) return assert(!since(5, 11));
        await object.load();
        object.attach();
        Deno.openSync(path).close();
        assertEquals(global(object, "exits"), 1n);
      }
      using object = tracing("module");
      object.spec.programs.get("module")!.target = "no_such_module:ovl_open";
      assertEquals(object.keepIfPresent("module"), false);
    }),
);

rootTest("a BTF tracepoint's program runs", async () => {
  using object = tracing("event");
  assert(object.keepIfPresent("event"));
  await object.load();
  object.attach();
  read("/dev/zero");
  assert(global(object, "events") > 0n);
  object.spec.programs.get("event")!.target = "no_such_event";
  assertEquals(object.keepIfPresent("event"), false);
});

fentryTest(
  "a program at a security hook denies this process one file; a kernel that never asks it says so",
  () =>
    withFile(async (path, inode) => {
      using object = tracing("guard");
      const present = object.keepIfPresent("guard");
      object.spec.programs.get("guard")!.autoload = true;
      setGlobal(object, "inode", inode);
      await object.load();
      if (!Deno.readTextFileSync("/sys/kernel/security/lsm").split(",").includes("bpf")) {
        assertEquals(present, false);
        const { hint } = assertThrows(
          () => object.attach(),
          DetraceError,
          "cannot attach program guard: bpf is not among this kernel's security modules (",
        );
        assert(hint?.startsWith("boot it with lsm="));
        return;
      }
      assert(present);
      assert(canOpen(path));
      object.attach();
      assertEquals(canOpen(path), false);
      assertEquals(global(object, "denied"), 1n);
      assert(canOpen("/dev/shm"));
      object.links[0]!.close();
      assert(canOpen(path));
    }),
);

fentryTest(
  "fmod_ret changes what a kernel function returns",
  () =>
    withFile(async (path, inode) => {
      using object = tracing("change");
      setGlobal(object, "inode", inode);
      await object.load();
      object.attach();
      assertEquals(canOpen(path), false);
      object.links[0]!.close();
      assert(canOpen(path));
    }),
);

fentryTest(
  "freplace puts a program in place of a function of another, at a second one too, and takes it away",
  async () => {
    using target = await fixture("extension", "caller").load();
    using other = await fixture("extension", "second").load();
    assertEquals(run(target, "caller"), 42);
    using object = fixture("extension", "replacement");
    await assertRejects(
      () => fixture("extension", "replacement").load(),
      DetraceError,
      "cannot load program replacement: which program it extends is not set",
    );
    object.spec.programs.get("replacement")!.attachTo = target.programs.get("caller")!;
    await object.load();
    object.attach();
    assertEquals(run(target, "caller"), 82);
    const replacement = object.programs.get("replacement")!, { fd } = other.programs.get("second")!;
    assertThrows(
      () => attachExtension(replacement, { fd, function: "question" }),
      DetraceError,
      "the program has no function question",
    );
    {
      using _ = attachExtension(replacement, { fd, function: "answer" });
      assertEquals(run(other, "second"), 18);
    }
    assertEquals(run(other, "second"), 10);
    object.links[0]!.close();
    assertEquals(run(target, "caller"), 42);
  },
);

fentryTest("fentry and fexit trace a function of another program", async () => {
  using target = await fixture("extension", "caller").load();
  using object = fixture("extension", "entry", "leave");
  for (const name of ["entry", "leave"]) {
    object.spec.programs.get(name)!.attachTo = target.programs.get("caller")!;
  }
  await object.load();
  object.attach();
  assertEquals(run(target, "caller"), 42);
  const names = ["entered", "argument", "left", "result"];
  assertEquals(names.map((name) => global(object, name)), [1n, 41n, 1n, 42n]);
});

rootTest("a program is attached to what it was loaded for by descriptor alone", async () => {
  using object = await tracing("event").load();
  const program = object.programs.get("event")!;
  using link = attachLoaded(program);
  assertEquals(link.info()?.programId, program.info().id);
  read("/dev/zero");
  assert(global(object, "events") > 0n);
  if (canAttachFentry()) {
    using fentry = await tracing("entry").load();
    using _ = attachLoaded(fentry.programs.get("entry")!, { attachType: BPF_TRACE_FENTRY });
  }
});
