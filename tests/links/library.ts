/**
 * The library tests/fixtures/links/probes.*.so, which exists to be probed, open in this process.
 *
 * @module
 */

import { Elf } from "detrace/lib/elf/elf.ts";
import { parseMaps } from "detrace/lib/symbols/process.ts";
import { usdtSites } from "detrace/lib/symbols/usdt.ts";
import { ARCH } from "detrace/lib/sys/door.ts";

/** Its path. */
export const LIBRARY: string = new URL(`../fixtures/links/probes.${ARCH}.so`, import.meta.url).pathname;

const plain = { parameters: [], result: "void" } as const;

const { symbols } = Deno.dlopen(LIBRARY, {
  ...{ registers: plain, constants: plain, memory: plain, sums: plain, beyond: plain },
  ...{ first_site: plain, second_site: plain, third_site: plain, near: plain, far: plain, guarded: plain },
  pointer: { parameters: ["usize"], result: "void" },
});

/** A view of each of its pages. */
const pages = Deno.readTextFileSync("/proc/self/maps").split("\n").flatMap((line) => {
  const [, start, end] = /^([\da-f]+)-([\da-f]+) r/.exec(line) ?? [];
  if (!start || !line.endsWith(` ${LIBRARY}`)) return [];
  const base = parseInt(start, 16), count = (parseInt(end!, 16) - base) / 4096;
  const at = (page: number) => Deno.UnsafePointer.create(BigInt(base + 4096 * page))!;
  return Array.from({ length: count }, (_, page) => new Deno.UnsafePointerView(at(page)));
});

/**
 * Its functions. Before one is called, its pages are read: a program cannot wait until one is in memory, and a file system
 * such as virtiofs drops a file's pages whenever somebody opens the file.
 */
export const call = Object.fromEntries(
  Object.entries(symbols).map(([name, fn]) => [name, (...args: unknown[]) => {
    for (const page of pages) page.getUint8();
    return (fn as (...args: unknown[]) => unknown)(...args);
  }]),
) as typeof symbols;

/** The counter of the probe `guarded`: its place in the file, and its value in this process. */
export function counter(): { offset: number; value: () => number } {
  const elf = Elf.parse(Deno.readFileSync(LIBRARY));
  const [site] = usdtSites(elf, (_, name) => name === "guarded");
  const [code, data] = [5, 6].map((wanted) => elf.segments.find(({ flags }) => flags === wanted)!);
  const maps = parseMaps(Deno.readTextFileSync("/proc/self/maps"));
  const { start, offset } = maps.find(({ path }) => path === LIBRARY)!;
  const base = start - offset - (code!.vaddr - code!.offset);
  const view = new Deno.UnsafePointerView(Deno.UnsafePointer.create(BigInt(base + site!.semaphore))!);
  return { offset: site!.semaphore - data!.vaddr + data!.offset, value: () => view.getUint16() };
}
