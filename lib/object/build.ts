/**
 * Programs written in TypeScript → {@link BpfObjectSpec}: the front end that needs neither ELF nor a compiler.
 *
 * @module
 */

import type { Assembled, Assembler } from "../asm/assembler.ts";
import { Btf } from "../btf/btf.ts";
import { DetraceError } from "../error.ts";
import { MAP } from "./unpack.ts";
import { parseSection } from "./sections.ts";
import type { BpfObjectSpec, ExternSpec, FunctionSpec, MapSpec } from "./spec.ts";

const BPF_MAP_TYPE_ARRAY = 2, BPF_F_RDONLY_PROG = 1 << 7, BPF_F_MMAPABLE = 1 << 10;

/** Instructions: an assembler that is done, or what it made. */
export type Code = Assembler | Assembled;

/** What {@link buildSpec} builds from. */
export interface SpecSource {
  /** The object's name, for messages. */
  readonly name: string;
  /** License, `GPL` if not given. */
  readonly license?: string;
  /** Programs by name: a section's name as `SEC()` has it, and the code. `typeId`: a FUNC in {@link btf}. */
  readonly programs: Readonly<Record<string, { section: string; code: Code; typeId?: number }>>;
  /** Subprograms by name, which `call` and `loadFunction` of the assembler refer to. */
  readonly functions?: Readonly<Record<string, { code: Code; typeId?: number }>>;
  /** Maps by name; all but the type may be left out where the type does not need it. */
  readonly maps?: Readonly<Record<string, Partial<MapSpec> & Pick<MapSpec, "type">>>;
  /** Global data by section: `.data`, `.bss`, `.rodata` (read only), with its initial bytes. */
  readonly data?: Readonly<Record<string, Uint8Array>>;
  /** Externs by name. */
  readonly externs?: Readonly<Record<string, Omit<ExternSpec, "name">>>;
  /** Types (a whole BTF, as BtfBuilder makes it) that maps, functions and externs refer to. */
  readonly btf?: Uint8Array<ArrayBuffer>;
}

/**
 * Builds a spec, for `new BpfObject(spec, ALL_PARTS)`.
 *
 * @param source Programs, maps, data.
 * @throws {DetraceError} A section that the loader does not know, code with a label that is not there, or a map of what is
 * not there.
 *
 * @example
 * ```ts
 * import { Assembler, R0 } from "detrace/lib/asm/assembler.ts";
 * import { buildSpec } from "detrace/lib/object/build.ts";
 * import { BpfObject } from "detrace/lib/object/object.ts";
 * import { ALL_PARTS } from "detrace/lib/object/open.ts";
 * import { getuid } from "detrace/lib/sys/process.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const spec = buildSpec({
 *   name: "seven",
 *   programs: { seven: { section: "raw_tp", code: new Assembler().mov(R0, 7).exit() } },
 * });
 * if (getuid() === 0) {
 *   using object = await new BpfObject(spec, ALL_PARTS).load();
 *   assertEquals(object.programs.get("seven")!.testRun().retval, 7);
 * }
 * ```
 */
export function buildSpec(source: SpecSource): BpfObjectSpec {
  const { name, license = "GPL", btf: btfBytes } = source;
  const spec: BpfObjectSpec = {
    name,
    license,
    version: 0,
    btf: btfBytes && Btf.parse(btfBytes, { name: `${name}'s BTF`, pointerSize: 8 }),
    btfBytes,
    programs: new Map(),
    functions: new Map(),
    maps: new Map(),
    globals: new Map(),
    externs: new Map(),
  };
  for (const [key, map] of Object.entries(source.maps ?? {})) {
    spec.maps.set(key, { ...MAP, extra: 0n, ...map, name: key });
  }
  for (const [section, bytes] of Object.entries(source.data ?? {})) {
    spec.maps.set(section, {
      ...MAP,
      name: section,
      type: BPF_MAP_TYPE_ARRAY,
      keySize: 4,
      valueSize: bytes.length,
      maxEntries: 1,
      flags: BPF_F_MMAPABLE | (section.startsWith(".rodata") ? BPF_F_RDONLY_PROG : 0),
      extra: 0n,
      data: bytes.slice(),
    });
  }
  for (const [key, extern] of Object.entries(source.externs ?? {})) {
    spec.externs.set(key, { ...extern, name: key });
  }
  for (const [key, { code, typeId = 0 }] of Object.entries(source.functions ?? {})) {
    spec.functions.set(key, functionSpec(key, code, typeId));
  }
  for (const [key, { section, code, typeId = 0 }] of Object.entries(source.programs)) {
    const parsed = parseSection(section);
    if (!parsed) throw new DetraceError(`program ${key}: the loader knows no section "${section}"`);
    spec.programs.set(key, { ...functionSpec(key, code, typeId), ...parsed });
  }
  for (const { name: map, inner, values } of spec.maps.values()) {
    for (const value of values?.values() ?? []) {
      if ((inner ? spec.maps : spec.programs).has(value)) continue;
      throw new DetraceError(`map ${map}: there is no ${inner ? "map" : "program"} ${value} to put into it`);
    }
  }
  return spec;
}

function functionSpec(name: string, code: Code, typeId: number): FunctionSpec {
  const { insns, references } = "build" in code ? code.build() : code;
  return { name, insns, references, coreRelocations: [], typeId, lines: new Uint32Array() };
}
