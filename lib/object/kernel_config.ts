/**
 * The configuration that the running kernel was built with: text, or gzip of a text.
 *
 * @module
 */

import type zlib from "node:zlib";
import { DetraceError } from "../error.ts";
import { readFile } from "../sys/file.ts";
import { kernelRelease } from "../sys/process.ts";

const LIMIT = 1 << 24; // bytes; configurations have a quarter of a megabyte

// Importing node:zlib would cost every tool 40 ms at its start. This needs no permission either.
function gunzip(bytes: Uint8Array): Uint8Array {
  const { process } = globalThis as unknown as { process: { getBuiltinModule(id: string): typeof zlib } };
  return process.getBuiltinModule("node:zlib").gunzipSync(bytes, { maxOutputLength: LIMIT });
}

/**
 * Reads `/boot/config-<release>`, or else `/lib/modules/<release>/config`, or else `/proc/config.gz`.
 *
 * @returns Lines like `CONFIG_HZ=250` and `# CONFIG_X86_X32_ABI is not set`.
 * @throws {DetraceError} There is none.
 *
 * @example
 * ```ts ignore
 * import { readKernelConfig } from "detrace/lib/object/kernel_config.ts";
 *
 * const hz = /^CONFIG_HZ=(\d+)$/m.exec(readKernelConfig())?.[1];
 * ```
 */
export function readKernelConfig(): string {
  const release = kernelRelease();
  const paths = [`/boot/config-${release}`, `/lib/modules/${release}/config`, "/proc/config.gz"];
  let cause: unknown;
  for (const path of paths) {
    try {
      const bytes = readFile(path, LIMIT);
      return new TextDecoder().decode(bytes[0] === 0x1f && bytes[1] === 0x8b ? gunzip(bytes) : bytes);
    } catch (error) {
      cause = error;
    }
  }
  throw new DetraceError(`cannot read the kernel's configuration, neither ${paths.join(" nor ")}`, {
    cause,
    hint: "try modprobe configs, which may bring /proc/config.gz",
  });
}
