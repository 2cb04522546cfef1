import { assert, assertEquals, assertThrows } from "@std/assert";
import { DetraceError } from "detrace/lib/error.ts";
import { hasTracepoint, tracefs, tracepointId } from "detrace/lib/links/tracefs.ts";
import { rootTest } from "../root.ts";

rootTest("tracepoints are found by name", () => {
  assert(hasTracepoint("syscalls/sys_enter_openat"));
  assert(tracepointId("syscalls/sys_enter_openat") > 0);
  assertEquals(hasTracepoint("syscalls/sys_enter_nothing"), false);
  assertEquals(hasTracepoint("../../etc"), false);
  assertThrows(
    () => tracepointId("syscalls/sys_enter_nothing"),
    DetraceError,
    "this kernel has no tracepoint",
  );
});

rootTest("where tracefs is not mounted it is opened without mounting it anywhere", () => {
  const script = `
    import { hasTracepoint, tracefs } from ${
    JSON.stringify(import.meta.resolve("../../lib/links/tracefs.ts"))
  };
    console.log(tracefs(), hasTracepoint("syscalls/sys_enter_openat"));`;
  const command = "umount -l /sys/kernel/debug/tracing /sys/kernel/tracing /sys/kernel/debug 2>/dev/null; " +
    `exec '${Deno.execPath()}' run --no-prompt --allow-ffi --no-check --cached-only -`;
  const child = new Deno.Command("unshare", {
    args: ["--mount", "sh", "-c", `${command} <<'END'\n${script}\nEND`],
  }).outputSync();
  const text = new TextDecoder();
  assertEquals(text.decode(child.stderr), "");
  assert(/^\/proc\/self\/fd\/\d+ true\n$/.test(text.decode(child.stdout)), text.decode(child.stdout));
  assert(tracefs().startsWith("/"));
});
