/**
 * The kernel's symbols, from /proc/kallsyms: lines of "address type name", with "\t[module]" behind a module's.
 *
 * @module
 */

import { DetraceError } from "../error.ts";
import { readFile } from "../sys/file.ts";
import { nameAt, SymbolTable } from "./symbol_table.ts";

const [TAB, NEWLINE, SPACE, ZERO] = [9, 10, 32, 48];
const FARTHEST = 1 << 20; // bytes into one symbol: beyond is no function, but the gap after the kernel's or a module's

/** A place in the kernel's code. */
export interface KernelSymbol {
  /** The function's name. */
  readonly name: string;
  /** Bytes from its start. */
  readonly offset: number;
  /** The module it is in, if it is in one. */
  readonly module?: string;
}

/**
 * The kernel's symbols.
 *
 * @example
 * ```ts
 * import { Kallsyms } from "detrace/lib/symbols/kallsyms.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const text = "ffffffff81000010 T one\nffffffffc0000000 t two\t[mod]\nffffffff82000000 D data.llvm.42\n";
 * const kallsyms = Kallsyms.parse(new TextEncoder().encode(text));
 * assertEquals(kallsyms.resolve(0xffffffff81000012n), { name: "one", offset: 2 });
 * assertEquals(kallsyms.resolve(0xffffffffc0000000n), { name: "two", offset: 0, module: "mod" });
 * assertEquals(kallsyms.lookup("data"), [0xffffffff82000000n]);
 * ```
 */
export class Kallsyms {
  readonly #bytes: Uint8Array;
  #text: string | undefined;
  #table: SymbolTable | undefined;

  /**
   * Reads the running kernel's symbols (5 MB, 0.1 s).
   *
   * @throws {DetraceError} The kernel does not show addresses, or not the file.
   */
  static load(): Kallsyms {
    return Kallsyms.parse(readFile("/proc/kallsyms"));
  }

  /**
   * Takes a text; it is read when it is first asked.
   *
   * @param bytes The text of /proc/kallsyms of a 64-bit kernel; kept.
   * @throws {DetraceError} All addresses are zero.
   */
  static parse(bytes: Uint8Array): Kallsyms {
    for (let line = 0; line < bytes.length; line = (bytes.indexOf(NEWLINE, line) + 1) || bytes.length) {
      for (let at = line; bytes[at]! > SPACE; at++) if (bytes[at] !== ZERO) return new Kallsyms(bytes);
    }
    throw new DetraceError("/proc/kallsyms does not show the addresses of kernel symbols", {
      hint: "run with CAP_SYSLOG (root has it), and with kernel.kptr_restrict below 2",
    });
  }

  private constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** The function that an address is in. Of several names for one address the first one counts, as in the kernel. */
  resolve(address: bigint): KernelSymbol | undefined {
    // As signed numbers the addresses of the kernel are small, and so exact.
    const found = (this.#table ??= this.#sort()).locate(Number(BigInt.asIntN(64, address)));
    if (!found || found.offset >= FARTHEST) return undefined;
    const name = nameAt(this.#bytes, found.place);
    const end = found.place + name.length;
    if (this.#bytes[end] !== TAB) return { name, offset: found.offset };
    return { name, offset: found.offset, module: nameAt(this.#bytes, end + 2).replace(/\]$/, "") };
  }

  /**
   * All addresses of a function or variable of exactly that name; more than one if files of the kernel or modules
   * chose the same. What the compiler put behind a variable's name (".llvm.123") is not looked at.
   */
  lookup(name: string): bigint[] {
    const text = this.#text ??= new TextDecoder().decode(this.#bytes);
    const addresses: bigint[] = [];
    for (let at = -1; (at = text.indexOf(` ${name}`, at + 1)) >= 0;) {
      const end = at + 1 + name.length;
      const suffixed = text.startsWith(".llvm.", end) && !isText(text.charCodeAt(at - 1));
      if (!suffixed && text[end] !== "\n" && text[end] !== "\t" && end < text.length) continue;
      const address = text.slice(Math.max(0, at - 18), Math.max(0, at - 2));
      if (/^[0-9a-f]{16}$/.test(address)) addresses.push(BigInt(`0x${address}`));
    }
    return addresses;
  }

  #sort(): SymbolTable {
    const bytes = this.#bytes;
    const limit = Math.ceil(bytes.length / 20); // the shortest line
    const [starts, places] = [new Float64Array(limit), new Uint32Array(limit)];
    let count = 0;
    for (let line = 0, at = 0; line + 19 < bytes.length; line = at) {
      let high = 0, low = 0;
      for (; at < line + 16; at++) {
        const c = bytes[at]!;
        const digit = c > 57 ? c - 87 : c - 48;
        if (at < line + 8) high = high << 4 | digit;
        else low = low << 4 | digit;
      }
      if (bytes[at] === SPACE && isText(bytes[at + 1]!) && bytes[at + 2] === SPACE) {
        starts[count] = high * 2 ** 32 + (low >>> 0);
        places[count++] = at + 3;
      }
      for (at = line; at < bytes.length && bytes[at++] !== NEWLINE;);
    }
    return new SymbolTable(
      bytes,
      starts.subarray(0, count),
      new Uint32Array(count),
      places.subarray(0, count),
    );
  }
}

/** Whether a symbol's type is T, W, t or w: code, as nm(1) says it. */
function isText(type: number): boolean {
  return (type | 32) === 116 || (type | 32) === 119;
}
