/**
 * Objects of one program, `main`, which counts how often it runs.
 *
 * @module
 */

import { Assembler, DW, R0, R1, R2 } from "detrace/lib/asm/assembler.ts";
import { buildSpec, type Code } from "detrace/lib/object/build.ts";
import { BpfObject } from "detrace/lib/object/object.ts";
import { ALL_PARTS } from "detrace/lib/object/open.ts";
import type { Program } from "detrace/lib/programs/program.ts";

/** The program's code: it counts, and always gives the same verdict. */
export function counting(verdict: number): Assembler {
  return new Assembler().loadData(R1, ".bss", 0).mov(R2, 1).atomic("+=", DW, R1, 0, R2).mov(R0, verdict)
    .exit();
}

/** Loads one program, `main`. */
export function load(section: string, code: Code, maps = {}): Promise<BpfObject> {
  const data = { ".bss": new Uint8Array(8) };
  return new BpfObject(
    buildSpec({ name: "counting", programs: { main: { section, code } }, data, maps }),
    ALL_PARTS,
  ).load();
}

/** The program. */
export function main(object: BpfObject): Program {
  return object.programs.get("main")!;
}

/** How often it has run. */
export function count(object: BpfObject): number {
  return Number(object.data(".bss").getBigUint64(0, true));
}
