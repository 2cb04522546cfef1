import { assert, assertEquals, assertThrows } from "@std/assert";
import { BTF_KIND_STRUCT, BtfError } from "../../lib/btf/btf.ts";
import { loadKernelBtf, loadModuleBtf, loadModuleBtfs, moduleNames } from "../../lib/btf/kernel.ts";
import { DetraceError } from "../../lib/error.ts";
import { SyscallError } from "../../lib/sys/errno.ts";

const fixture = (name: string) => new URL(`../fixtures/btf/${name}`, import.meta.url).pathname;

const noKernelBtf = (() => {
  try {
    return !Deno.statSync("/sys/kernel/btf/vmlinux").isFile;
  } catch {
    return true;
  }
})();

Deno.test(
  "the running kernel's BTF is found (needs /sys/kernel/btf/vmlinux)",
  { ignore: noKernelBtf },
  () => {
    const btf = loadKernelBtf();
    assertEquals(btf.label, "kernel BTF");
    const task = btf.find("task_struct", BTF_KIND_STRUCT)!;
    assert(btf.memberCount(task) > 50);
    assertEquals(loadModuleBtfs(btf).size, moduleNames().length);
    const error = assertThrows(() => loadModuleBtf("no_such_module", btf), SyscallError);
    assertEquals(error.code, "ENOENT");
  },
);

Deno.test("the .BTF section of an ELF file takes its place", () => {
  const btf = loadKernelBtf(fixture("shapes.bpf.o"));
  assert(btf.find("node", BTF_KIND_STRUCT));
  assertEquals(btf.label, fixture("shapes.bpf.o"));
});

Deno.test("a file that is not there, not BTF, or without BTF is refused", () => {
  assertEquals(assertThrows(() => loadKernelBtf("/no/such/file"), SyscallError).code, "ENOENT");
  assertThrows(
    () => loadKernelBtf(fixture("shapes.h")),
    BtfError,
    "shapes.h is damaged: it does not start with BTF's",
  );
  const error = assertThrows(
    () => loadKernelBtf(Deno.execPath()),
    DetraceError,
    "is an ELF file without a .BTF section",
  );
  assert(error.hint?.includes("--btf FILE"));
});
