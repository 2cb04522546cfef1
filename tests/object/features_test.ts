import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { DetraceError } from "../../lib/error.ts";
import { type Feature, type FeatureName, FEATURES, has, require } from "../../lib/object/features.ts";
import { readDir } from "../../lib/sys/file.ts";
import { capabilities, kernelRelease, kernelVersion } from "../../lib/sys/process.ts";

const NAMES = Object.keys(FEATURES) as FeatureName[];
const CAP_SYS_ADMIN = 1n << 21n;
// Red Hat's kernels have BPF of later versions than their own.
const live = Deno.build.os === "linux" && (capabilities() & CAP_SYS_ADMIN) !== 0n &&
  !/\.el\d/.test(kernelRelease());

function isNew(name: FeatureName): boolean {
  const [major, minor] = FEATURES[name].version.split(".").map(Number) as [number, number];
  return kernelVersion() >= (major << 16) + (minor << 8);
}

for (const name of NAMES) {
  Deno.test({ name: `${name}: the kernel's answer agrees with its version (root)`, ignore: !live }, () => {
    if (name === "fentry" && !has(name)) return; // some kernels forbid it
    assertEquals(has(name), isNew(name), kernelRelease());
    if (isNew(name)) return require(name, "a test");
    const { name: feature, version } = FEATURES[name];
    const { message } = assertThrows(() => require(name, "a test"), DetraceError);
    assertEquals(
      message,
      `a test needs ${feature}, which Linux ${version} brought; this is ${kernelRelease()}`,
    );
  });
}

Deno.test({ name: "probes close what they open (root)", ignore: !live }, () => {
  const open = () => readDir("/proc/self/fd").length;
  for (const name of NAMES) FEATURES[name].probe();
  const before = open();
  for (const name of NAMES) FEATURES[name].probe();
  assertEquals(open(), before);
});

Deno.test("the kernel is asked once; a missing feature is named with its version", async () => {
  // A fresh copy of the module, with nothing known yet.
  const path = "../../lib/object/features.ts?fresh";
  const fresh: typeof import("../../lib/object/features.ts") = await import(path);
  let asked = 0;
  const features = fresh.FEATURES as Record<string, Feature>;
  features.ringBuffer = { ...features.ringBuffer!, probe: () => (asked++, false) };
  features.perfLink = { ...features.perfLink!, probe: () => (asked++, true) };
  for (let i = 0; i < 2; i++) {
    assertEquals(fresh.has("ringBuffer"), false);
    const { message } = assertThrows(() => fresh.require("ringBuffer", "opensnoop"), DetraceError);
    assertMatch(message, /^opensnoop needs ring buffers, which Linux 5\.8 brought; this is \d+\.\d+/);
    fresh.require("perfLink", "opensnoop");
  }
  assertEquals(asked, 2);
});

Deno.test("features are listed by the version that brought them", () => {
  const versions = NAMES.map((name) => {
    assertMatch(FEATURES[name].version, /^\d+\.\d+$/);
    const [major, minor] = FEATURES[name].version.split(".").map(Number) as [number, number];
    return major * 1000 + minor;
  });
  assert(versions.every((version, i) => i === 0 || version >= versions[i - 1]!));
});
