import { assert, assertEquals, assertRejects } from "@std/assert";
import { DetraceError } from "detrace/lib/error.ts";
import { openObject } from "detrace/lib/object/open.ts";
import { packSpec } from "detrace/lib/object/pack.ts";
import { unpackSpec } from "detrace/lib/object/unpack.ts";
import { kernelVersion } from "detrace/lib/sys/process.ts";
import { rootTest } from "../root.ts";

const open = () =>
  openObject(Deno.readFileSync(new URL("../fixtures/object/table.bpf.o", import.meta.url)), "table");
const controls = () => Deno.readTextFileSync("/proc/sys/net/ipv4/tcp_available_congestion_control");

Deno.test("a struct_ops variable is a map with its programs", () => {
  const { spec } = open();
  const { structOps } = spec.maps.get("plain")!;
  assertEquals(structOps!.programs, new Map([[0, "ssthresh"], [8, "cong_avoid"], [16, "undo_cwnd"]]));
  assertEquals(new TextDecoder().decode(structOps!.bytes.subarray(24, 37)), "detrace_plain");
  assertEquals(spec.maps.get("linked")!.flags, 1 << 13);
  const { json, bytes } = packSpec(spec);
  assertEquals(unpackSpec(json, bytes).maps.get("linked"), spec.maps.get("linked"));
});

rootTest("a struct_ops table is the kernel's while it is attached", async () => {
  using object = open();
  const links = kernelVersion() >= 0x060400;
  if (!links) {
    using whole = open();
    const sentence =
      "cannot make map linked: it needs links to struct_ops, which Linux 6.4 brought; this is ";
    await assertRejects(() => whole.load(), DetraceError, sentence);
    object.spec.maps.delete("linked");
  }
  try {
    await object.load();
  } catch (error) {
    // This kernel has no BPF trampolines.
    assert(error instanceof DetraceError);
    assert(/ENOTSUPP|E524|struct tcp_congestion_ops/.test(error.message), error.message);
    return;
  }
  object.attach();
  assert(controls().includes("detrace_plain"));
  assertEquals(controls().includes("detrace_linked"), links);
  object.close();
  for (const until = Date.now() + 5000; controls().includes("detrace") && Date.now() < until;) {
    await new Promise((wake) => setTimeout(wake, 10));
  }
  assert(!controls().includes("detrace"), controls());
});

rootTest("a table that the kernel does not have is named", async () => {
  using object = open();
  object.spec.maps.delete("linked");
  const { spec } = object;
  const name = spec.btf!.name(spec.maps.get("plain")!.structOps!.typeId);
  // The same object with another name of the same length in its strings.
  const bytes = spec.btfBytes!, text = new TextEncoder().encode(name);
  const at = bytes.findIndex((_, i) => text.every((c, j) => bytes[i + j] === c));
  bytes[at] = 120;
  await assertRejects(
    () => object.load(),
    DetraceError,
    "this kernel does not take a struct xcp_congestion_ops",
  );
});
