/**
 * The kernel's functions by name alone, as probes need them: /proc/kallsyms lists names even where it hides addresses.
 *
 * @module
 */

import { type Buffer, closeFd } from "../sys/door.ts";
import { open, read } from "../sys/file.ts";

/**
 * Counts the kernel's functions of a name: files of the kernel and modules may have chosen the same. The list is read in
 * pieces (5 to 10 MB in all, 0.05 s), up to what is looked for.
 *
 * @param name `vfs_read`, or with its module `nf_tables:nft_do_chain`.
 * @param most Where to stop counting.
 * @throws {SyscallError} The list cannot be read.
 *
 * @example
 * ```ts
 * import { countFunctions } from "detrace/lib/symbols/kernel_functions.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(countFunctions("vfs_read", 1), 1);
 * assertEquals(countFunctions("no_such_function"), 0);
 * ```
 */
export function countFunctions(name: string, most = Infinity): number {
  const [symbol, module] = name.split(":").reverse() as [string, string?];
  // A line: address, type (T, t, W, w: code), name, and behind a tab the module in brackets.
  const line = new RegExp(
    `^\\S+ [TtWw] ${RegExp.escape(symbol)}${module ? `\\t\\[${RegExp.escape(module)}\\]` : "(\\t.*)?"}$`,
    "gm",
  );
  const fd = open("/proc/kallsyms");
  try {
    const bytes: Buffer = new Uint8Array(65536);
    const decoder = new TextDecoder();
    let count = 0, text = "";
    for (let length; count < most && (length = read(fd, bytes, "/proc/kallsyms")) > 0;) {
      text += decoder.decode(bytes.subarray(0, length));
      const end = text.lastIndexOf("\n") + 1;
      if (text.includes(symbol)) count += text.slice(0, end).match(line)?.length ?? 0;
      text = text.slice(end);
    }
    return count;
  } finally {
    closeFd(fd);
  }
}
