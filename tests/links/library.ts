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

/** Its functions. */
export const { symbols: call } = Deno.dlopen(LIBRARY, {
  ...{ registers: plain, constants: plain, memory: plain, sums: plain, beyond: plain },
  ...{ first_site: plain, second_site: plain, third_site: plain, near: plain, far: plain, guarded: plain },
  pointer: { parameters: ["usize"], result: "void" },
});

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

// A program cannot wait until a page of the file is in memory, and a busy machine drops pages: so they are held there.
const { mlock } = Deno.dlopen("libc.so.6", {
  mlock: { parameters: ["usize", "usize"], result: "i32" },
}).symbols;
for (const line of Deno.readTextFileSync("/proc/self/maps").split("\n")) {
  const [, start, end] = /^([\da-f]+)-([\da-f]+) r/.exec(line) ?? [];
  if (!start || !line.endsWith(` ${LIBRARY}`)) continue;
  if (mlock(BigInt(`0x${start}`), BigInt(`0x${end}`) - BigInt(`0x${start}`)) < 0) {
    console.warn(`cannot keep ${LIBRARY} in memory: its arguments may be read as errors`);
  }
}
