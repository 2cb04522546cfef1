import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { DetraceError } from "../../lib/error.ts";
import { type Feature, type FeatureName, FEATURES, has, require } from "../../lib/object/features.ts";
import { BTF_KIND_FUNC } from "../../lib/btf/btf.ts";
import { loadKernelBtf } from "../../lib/btf/kernel.ts";
import { readKernelConfig } from "../../lib/object/kernel_config.ts";
import { progLoad } from "../../lib/sys/bpf.ts";
import { ARCH, closeFd } from "../../lib/sys/door.ts";
import { SyscallError } from "../../lib/sys/errno.ts";
import { exists, readDir, readText } from "../../lib/sys/file.ts";
import { capabilities, kernelRelease, kernelVersion } from "../../lib/sys/process.ts";

const NAMES = Object.keys(FEATURES) as FeatureName[];
const CAP_SYS_ADMIN = 1n << 21n;
// Red Hat's kernels have BPF of later versions than their own.
const live = Deno.build.os === "linux" && (capabilities() & CAP_SYS_ADMIN) !== 0n &&
  !/\.el\d/.test(kernelRelease());

/** The version that counts on this machine. */
function versionOf({ version, arm64 }: Feature): string {
  return ARCH === "arm64" && arm64 || version;
}

function isNew(feature: Feature): boolean {
  const [major, minor] = versionOf(feature).split(".").map(Number) as [number, number];
  return kernelVersion() >= (major << 16) + (minor << 8);
}

/** Whether the kernel was built and booted as a feature needs it. */
function isConfigured({ needs = "" }: Feature): boolean {
  const options = needs.match(/CONFIG_\w+/g) ?? [], config = options.length ? readKernelConfig() : "";
  return options.every((option) => new RegExp(`^${option}=[ym]$`, "m").test(config)) &&
    (!needs.includes("lsm=") || securityModules().includes("bpf"));
}

function securityModules(): string {
  const path = "/sys/kernel/security/lsm";
  return exists(path) ? readText(path) : "";
}

/** Whether this machine forbids programs at functions, even to root: then it does not so much as load them. */
function forbidsFunctions(): boolean {
  const attachBtfId = loadKernelBtf().find("bpf_fentry_test1", BTF_KIND_FUNC)!;
  const insns = new Uint8Array(new BigUint64Array([0xb7n, 0x95n]).buffer);
  try {
    closeFd(progLoad({ type: 26, expectedAttachType: 24, attachBtfId, insns, license: "GPL" }));
    return false;
  } catch (error) {
    return error instanceof SyscallError && error.code === "EPERM";
  }
}

const AT_FUNCTIONS: FeatureName[] = ["fentry", "lsm", "sleepable", "tracingCookie"];

for (const name of NAMES) {
  const feature = FEATURES[name], what = feature.needs ? "version and configuration" : "version";
  Deno.test({ name: `${name}: the kernel's answer agrees with its ${what} (root)`, ignore: !live }, () => {
    const forbidden = AT_FUNCTIONS.includes(name) && forbidsFunctions();
    const expected = isNew(feature) && isConfigured(feature) && !forbidden;
    assertEquals(has(name), expected, `${kernelRelease()}${forbidden ? ", which forbids it" : ""}`);
    if (expected) return require(name, "a test");
    const { message } = assertThrows(() => require(name, "a test"), DetraceError);
    const needs = feature.needs ? ` (with ${feature.needs})` : "";
    assertEquals(
      message,
      `a test needs ${feature.name}, which Linux ${
        versionOf(feature)
      } brought${needs}; this is ${kernelRelease()}`,
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
