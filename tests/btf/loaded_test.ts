import { assert, assertEquals, assertThrows } from "@std/assert";
import { BTF_KIND_DATASEC } from "../../lib/btf/btf.ts";
import { BtfBuilder } from "../../lib/btf/build.ts";
import { loadKernelBtf } from "../../lib/btf/kernel.ts";
import { loadBtfById, loadBtfOfMap, loadBtfOfProgram } from "../../lib/btf/loaded.ts";
import { DetraceError } from "../../lib/error.ts";
import { openObject } from "../../lib/object/open.ts";
import { btfLoad, nextId } from "../../lib/sys/bpf.ts";
import { Fd } from "../../lib/sys/door.ts";
import { kernelVersion } from "../../lib/sys/process.ts";
import { rootTest } from "../root.ts";
import { withoutRights } from "../tools/harness.ts";

rootTest("the types of a program and of a map are found by their ids", async () => {
  const bytes = Deno.readFileSync(new URL("../fixtures/object/rooms.bpf.o", import.meta.url));
  using object = openObject(bytes, "rooms");
  await object.load({ kconfig: "CONFIG_DETRACE_NOWHERE=n\n" });
  for (const program of object.programs.values()) {
    const btf = loadBtfOfProgram(program.info().id);
    assert(btf.find(program.name) !== undefined && btf.base === undefined);
  }
  const { btf, key, value } = loadBtfOfMap(object.maps.get(".bss")!.id);
  assertEquals([key, btf.kind(value), btf.name(value)], [0, BTF_KIND_DATASEC, ".bss"]);
});

rootTest("BTF is found by its id, that of a module on top of the kernel's", () => {
  const builder = new BtfBuilder();
  builder.addInt("detrace_int", 4);
  using _fd = new Fd(btfLoad(builder.build()));
  const vmlinux = loadKernelBtf(), found = new Set<string>();
  for (let id = nextId("btf", 0); id !== undefined; id = nextId("btf", id)) {
    try {
      const btf = loadBtfById(id);
      if (btf.base) assertEquals(btf.firstId, vmlinux.endId);
      else if (btf.endId === vmlinux.endId) found.add("vmlinux");
      else if (btf.find("detrace_int") !== undefined) found.add("ours");
    } catch (error) {
      if (!(error instanceof DetraceError && error.message.startsWith("there is no BTF"))) throw error; // gone by now
    }
  }
  // Before 5.11 the kernel's own types have no id.
  assertEquals([...found], kernelVersion() < 0x050b00 ? ["ours"] : ["vmlinux", "ours"]);
});

rootTest("what is not there, or has no types, is an error", () => {
  assertThrows(() => loadBtfById(2 ** 31), DetraceError, "there is no BTF 2147483648");
  assertThrows(() => loadBtfOfProgram(2 ** 32 + 1), DetraceError, "there is no program 4294967297");
  assertThrows(() => loadBtfOfMap(2 ** 31), DetraceError, "there is no map 2147483648");
});

rootTest("who may not open programs by their ids is told what it takes", () => {
  const { message, hint } = withoutRights(() => assertThrows(() => loadBtfOfProgram(1), DetraceError));
  assertEquals(message, "cannot open program 1: this needs the capability CAP_SYS_ADMIN");
  assertEquals(hint, "run it as root, for example with sudo");
});
