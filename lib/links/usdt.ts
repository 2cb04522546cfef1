/**
 * USDT: the places that a program's author marked for tracing, with their arguments.
 *
 * A probe is a uprobe at each of its places. Its arguments are read by the program, with usdt_arg() of bpf/usdt.bpf.h, by
 * specs in two maps that this file fills: what the notes in the traced file say, as struct usdt_spec. A place gets the
 * number of its spec as its BPF cookie; where the kernel has none (before 5.15), the program finds the number by the last
 * bits of the place's address. The user's cookie is part of the spec.
 *
 * @module
 */

import { type Elf, PF_W, PF_X, SHN_UNDEF } from "../elf/elf.ts";
import { DetraceError } from "../error.ts";
import type { BpfMap } from "../maps/map.ts";
import { fileOffset, withElf } from "../symbols/elf_file.ts";
import { findFile } from "../symbols/find_file.ts";
import { parseUsdtArguments, type UsdtArgument, usdtSites } from "../symbols/usdt.ts";
import { linkCreate } from "../sys/bpf.ts";
import { ARCH, type Buffer, closeFd } from "../sys/door.ts";
import { SyscallError } from "../sys/errno.ts";
import { attachAll, type AttachWay, type HasFd, Link } from "./link.ts";
import { attachAt, type FilePlace, isFound } from "./uprobe.ts";

const BPF_PERF_EVENT = 41;
const SYMBOL_LIMIT = 1 << 16; // symbols that arguments name, and which any user can plant
const USDT_BASE = 1, USDT_INDEX = 2, USDT_MEMORY = 4, USDT_SIGNED = 8, USDT_MAX_ARGS = 12; // bpf/usdt.bpf.h

/** Which probe, and how it is attached. */
export interface UsdtTarget {
  /** The file, or a name that `findFile()` finds: `libc.so.6`, `libpython3.11`, `postgres`. */
  readonly path: string;
  /** The probe's first name. */
  readonly provider: string;
  /** The probe's second name. */
  readonly name: string;
  /** Only in this process; the file is then looked for as that process sees it. */
  readonly pid?: number | undefined;
  /** What `usdt_cookie()` gives. */
  readonly cookie?: bigint | undefined;
}

/**
 * Attaches to all places of a probe. A counter that says whether someone traces (a semaphore) is raised meanwhile.
 *
 * @param program A BPF_PROG_TYPE_KPROBE program (`SEC("usdt")`).
 * @param target The probe.
 * @param maps The maps of the program's object, with `usdt_specs` and `usdt_places`. Without those (the program does not use
 *   bpf/usdt.bpf.h) it has no arguments, and the cookie is the BPF cookie.
 * @throws {DetraceError} There is no such file or probe, the maps are full, or the kernel refuses.
 *
 * @example
 * ```ts
 * import { Assembler, R0 } from "detrace/lib/asm/assembler.ts";
 * import { DetraceError } from "detrace/lib/error.ts";
 * import { attachUsdt } from "detrace/lib/links/usdt.ts";
 * import { buildSpec } from "detrace/lib/object/build.ts";
 * import { BpfObject } from "detrace/lib/object/object.ts";
 * import { getuid } from "detrace/lib/sys/process.ts";
 * import { assertThrows } from "@std/assert";
 *
 * if (getuid() === 0) {
 *   const code = new Assembler().mov(R0, 0).exit();
 *   using object = await new BpfObject(buildSpec({ name: "o", programs: { p: { section: "usdt", code } } })).load();
 *   const probe = { path: "libc.so.6", provider: "libc", name: "no_such_probe" };
 *   assertThrows(() => attachUsdt(object.programs.get("p")!, probe), DetraceError, "there is no USDT probe");
 * }
 * ```
 */
export function attachUsdt(
  program: HasFd,
  target: UsdtTarget,
  maps: ReadonlyMap<string, BpfMap> = new Map(),
): Link {
  const { pid, cookie } = target;
  const sites = locate(target);
  const [specMap, placeMap] = [maps.get("usdt_specs"), maps.get("usdt_places")];
  const attach = ({ refCounterOffset, ...place }: Site, cookie: bigint | undefined) =>
    attachAt(program, place, { refCounterOffset, pid, cookie });
  if (!specMap || !placeMap) return attachAll(sites, (site) => attach(site, cookie));

  const specs = entriesOf(specMap), places = entriesOf(placeMap), byCookie = hasCookies(program);
  const releases: (() => void)[] = [];
  const cleanup = () => releases.splice(0).forEach((release) => release());
  try {
    const link = attachAll(sites, (site) => {
      const { key, release } = specs.take(encode(site.args, cookie));
      releases.push(release);
      if (!byCookie) releases.push(places.take(word(key), site.address % 4096).release);
      return attach(site, byCookie ? BigInt(key) : undefined);
    });
    return new Link("group", [], { parts: link.kind === "group" ? link.parts : [link], cleanup });
  } catch (error) {
    cleanup();
    throw error;
  }
}

/** A place of a probe, with the place of its counter (0: none), its address and its arguments. */
interface Site extends FilePlace {
  readonly refCounterOffset: number;
  readonly address: number;
  readonly args: readonly UsdtArgument[];
}

function locate({ path: name, provider, name: probe, pid }: UsdtTarget): Site[] {
  const path = findFile(name, pid);
  return withElf(path, (elf) => {
    const sites = usdtSites(elf, (first, second) => first === provider && second === probe);
    if (sites.length === 0) throw new DetraceError(`there is no USDT probe ${provider}:${probe}`);
    const found = sites.map(({ address, semaphore, args }): Site => {
      const offset = fileOffset(elf, address, PF_X);
      const refCounterOffset = semaphore === 0 ? 0 : fileOffset(elf, semaphore, PF_W);
      if (offset === undefined || refCounterOffset === undefined) {
        throw new DetraceError(
          `the USDT probe ${provider}:${probe} is outside of code, or its semaphore of data`,
        );
      }
      return { path, offset, refCounterOffset, address, args: parseUsdtArguments(args, ARCH) };
    });
    return resolveSymbols(elf, [...new Map(found.map((site) => [site.offset, site])).values()]);
  });
}

/** Arguments that a symbol names get its distance from their place. Those whose symbol is not to be found cannot be read. */
function resolveSymbols(elf: Elf, sites: Site[]): Site[] {
  const names = new Set(sites.flatMap(({ args }) => args.flatMap(({ symbol }) => symbol ?? [])));
  if (names.size === 0) return sites;
  let left = SYMBOL_LIMIT;
  const wanted = (name: string) => names.has(name) && left-- > 0;
  const symbols = [...elf.symbols("static", wanted), ...elf.symbols("dynamic", wanted)];
  const found = Map.groupBy(symbols.filter(({ shndx }) => shndx !== SHN_UNDEF), ({ name }) => name);
  return sites.map((site) => ({
    ...site,
    args: site.args.map((arg) => {
      if (arg.symbol === undefined) return arg;
      const [address, ...others] = new Set(found.get(arg.symbol)?.map(({ value }) => value));
      if (address === undefined || others.length > 0) return { ...arg, size: 0 };
      return { ...arg, add: arg.add + BigInt(address - site.address) };
    }),
  }));
}

/** struct usdt_spec of bpf/usdt.bpf.h. */
function encode(args: readonly UsdtArgument[], cookie = 0n): Buffer {
  const spec: Buffer = new Uint8Array(16 + USDT_MAX_ARGS * 16), view = new DataView(spec.buffer);
  view.setBigUint64(0, cookie, true);
  view.setUint32(8, args.length, true);
  for (
    const [i, { add, base, index, shift = 0, size, inMemory, signed }] of args.slice(0, USDT_MAX_ARGS)
      .entries()
  ) {
    const at = 16 + i * 16;
    view.setBigUint64(at, add, true);
    view.setUint16(at + 8, base ?? 0, true);
    view.setUint16(at + 10, index ?? 0, true);
    view.setUint8(at + 12, shift);
    view.setUint8(at + 13, size);
    view.setUint8(
      at + 14,
      (base === undefined ? 0 : USDT_BASE) | (index === undefined ? 0 : USDT_INDEX) |
        (inMemory ? USDT_MEMORY : 0) | (signed ? USDT_SIGNED : 0),
    );
  }
  return spec;
}

function word(value: number): Buffer {
  return new Uint8Array(Uint32Array.of(value).buffer);
}

/** Entries of an array map that several links share. What nobody uses any more stays until its place is needed. */
class SharedEntries {
  readonly #map: BpfMap;
  readonly #entries = new Map<number, { content: string; uses: number }>();

  constructor(map: BpfMap) {
    this.#map = map;
  }

  /** Takes an entry of this content, at this key or at any but 0. */
  take(value: Buffer, wanted?: number): { key: number; release: () => void } {
    const content = value.toHex(), key = wanted ?? this.#keyFor(content);
    let entry = this.#entries.get(key);
    if (!entry) {
      this.#map.set(word(key), value);
      this.#entries.set(key, entry = { content, uses: 0 });
    } else if (entry.content !== content) {
      throw new DetraceError("this kernel does not tell the places of these probes apart (Linux 5.15 does)");
    }
    entry.uses++;
    const release = () => {
      if (--entry.uses === 0) this.#entries.delete(key);
    };
    return { key, release };
  }

  #keyFor(content: string): number {
    for (const [key, entry] of this.#entries) if (entry.content === content) return key;
    for (let key = 1; key < this.#map.maxEntries; key++) if (!this.#entries.has(key)) return key;
    throw new DetraceError(`the USDT probes have arguments in more than ${this.#map.maxEntries - 1} ways`, {
      hint: "define USDT_MAX_SPECS before usdt.bpf.h is included",
    });
  }
}

const shared = new WeakMap<BpfMap, SharedEntries>();

function entriesOf(map: BpfMap): SharedEntries {
  let entries = shared.get(map);
  if (!entries) shared.set(map, entries = new SharedEntries(map));
  return entries;
}

/** Whether perf events have cookies: a kernel that has looks for the event, which is not there. */
function hasCookies(program: HasFd): boolean {
  try {
    closeFd(linkCreate({ progFd: program.fd, targetFd: -1, attachType: BPF_PERF_EVENT }));
    return true;
  } catch (error) {
    return error instanceof SyscallError && error.code !== "EINVAL";
  }
}

function parseTarget(text: string): Pick<UsdtTarget, "path" | "provider" | "name"> {
  const [, path, provider, name] = /^(.+):([^:]+):([^:]+)$/s.exec(text) ?? [];
  if (path !== undefined && provider !== undefined && name !== undefined) return { path, provider, name };
  throw new DetraceError(`"${text}" is no target of a USDT probe`, { hint: "write PATH:PROVIDER:NAME" });
}

/** `SEC("usdt/PATH:PROVIDER:NAME")`. */
export const usdt: AttachWay = {
  attach: (program, { target, cookie, pid, maps }) =>
    attachUsdt(program, { ...parseTarget(target), cookie, pid }, maps),
  present: ({ target, pid }) => {
    const wanted = parseTarget(target);
    return isFound(() => locate({ ...wanted, pid }));
  },
};
