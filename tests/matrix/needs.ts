/**
 * What a row of the matrix needs of a kernel beyond Linux 5.10, found out by other witnesses than the library: a kernel that
 * has it all must run the row, and of one that lacks some the library must say that in its own words.
 *
 * @module
 */

import { DetraceError } from "detrace/lib/error.ts";
import { readKernelConfig } from "detrace/lib/object/kernel_config.ts";
import { VerifierError } from "detrace/lib/programs/verifier_error.ts";
import { ARCH } from "detrace/lib/sys/door.ts";
import { exists } from "detrace/lib/sys/file.ts";
import { kernelRelease, kernelVersion } from "detrace/lib/sys/process.ts";

/** One thing that not every kernel has. */
export interface Need {
  /** Whether the running kernel has it; undefined where only trying tells. */
  readonly met: () => boolean | undefined;
  /** How the error reads if it has not. */
  readonly says: RegExp;
  /** The Linux that brought it. */
  readonly version?: string;
}

/** A version of Linux. */
export function since(version: string): Need {
  return { met: () => isSince(version), says: new RegExp(`Linux ${RegExp.escape(version)}\\b`), version };
}

function isSince(version: string): boolean {
  const [major, minor] = version.split(".").map(Number) as [number, number];
  return kernelVersion() >= (major << 16) + (minor << 8);
}

let config: string | undefined;

/** An option that the kernel is built with. `says`: the words for its absence, if they do not name it. */
export function built(option: string, says = new RegExp(`\\b${option}\\b`)): Need {
  return { met: () => new RegExp(`^${option}=[ym]$`, "m").test(config ??= readKernelConfig()), says };
}

/** Calls of programs from the kernel's functions: Linux 5.5, on arm64 6.0. */
export const TRAMPOLINES: Need = {
  met: () => ARCH === "x86" || isSince("6.0"),
  says: /BPF trampolines: Linux 5\.5, on arm64 6\.0/,
  version: "6.0",
};

/** What stands for the refusal of a whole type of program. */
const FORBIDDEN = "the kernel forbids such programs, even to root (EPERM)";

/** Debian's kernels forbid no program to root; the build host's forbids some. */
export const ALLOWED: Need = {
  met: () => /-(amd64|arm64)$/.test(kernelRelease()) || undefined,
  says: new RegExp(RegExp.escape(FORBIDDEN)),
};

/** The kernel asks BPF, among its security modules. */
export const SECURITY_MODULE: Need = {
  met() {
    const list = "/sys/kernel/security/lsm";
    return exists(list) ? Deno.readTextFileSync(list).trim().split(",").includes("bpf") : undefined;
  },
  says: /bpf is not among this kernel's security modules/,
};

/** The processor counts, and the kernel knows its counters. */
export const COUNTERS: Need = {
  met: () =>
    [...Deno.readDirSync("/sys/bus/event_source/devices")].some(({ name }) => /^(cpu|armv8)/.test(name)),
  says: /this machine does not count/,
};

/**
 * What an error says of the kernel.
 *
 * @returns A sentence without the program's or the map's name; undefined for what is no sentence.
 */
export function reasonOf(error: unknown): string | undefined {
  if (!(error instanceof DetraceError)) return undefined;
  if (error instanceof VerifierError && error.code === "EPERM") return FORBIDDEN;
  return error.message.replace(/^(cannot (load|attach|make) )?(program|map) \w+: /, "")
    .replace(/^program \w+: /, "").replace(/; this is \S+$|, or the program was not loaded for them$/, "");
}
