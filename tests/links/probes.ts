/**
 * Programs for the tests of probes, written in assembly, and calls for them to see.
 *
 * @module
 */

import { Assembler, DW, R0, R1, R10, R2, R6 } from "detrace/lib/asm/assembler.ts";
import { buildSpec } from "detrace/lib/object/build.ts";
import { BpfObject } from "detrace/lib/object/object.ts";
import { ALL_PARTS } from "detrace/lib/object/open.ts";

const GET_CURRENT_PID_TGID = 14, GET_ATTACH_COOKIE = 174;
const X86 = Deno.build.arch === "x86_64";

/** What a program of {@link load} has seen in this process. */
export interface Seen {
  /** How often it ran. */
  readonly count: number;
  /** What the function returned, if the program runs there, at the last run. */
  readonly result: bigint;
  /** The cookie at the last run. */
  readonly cookie: bigint;
}

/** An object of programs by their sections: each notes what it sees in this process. */
export interface Probes extends Disposable {
  /** The object. */
  readonly object: BpfObject;
  /** What the program of a section has seen. */
  readonly seen: (section: string) => Seen;
}

/**
 * Loads a program for each section; its name is {@link nameOf} it. `cookies`: the programs read their cookies (5.15).
 */
export async function load(sections: string[], options: { cookies?: boolean } = {}): Promise<Probes> {
  const programs = Object.fromEntries(
    sections.map((
      section,
      i,
    ) => [nameOf(section), { section, code: program(i * 24, options.cookies ?? false) }]),
  );
  const spec = buildSpec({
    name: "probes",
    programs,
    data: { ".bss": new Uint8Array(sections.length * 24) },
  });
  const object = await new BpfObject(spec, ALL_PARTS).load();
  return {
    object,
    seen: (section) => {
      const at = sections.indexOf(section) * 24, data = object.data(".bss");
      return {
        count: Number(data.getBigUint64(at, true)),
        result: data.getBigInt64(at + 8, true),
        cookie: data.getBigUint64(at + 16, true),
      };
    },
    [Symbol.dispose]: () => object.close(),
  };
}

/** The name of the program of a section. */
export function nameOf(section: string): string {
  return section.replace(/\W/g, "_");
}

function program(at: number, cookies: boolean): Assembler {
  const a = new Assembler();
  a.mov(R6, R1).call(GET_CURRENT_PID_TGID).alu(">>=", R0, 32).jump("!=", R0, Deno.pid, "out");
  // struct pt_regs: rax, or regs[0]
  a.ldx(DW, R1, R6, X86 ? 80 : 0).stx(DW, R10, -8, R1);
  a.mov(R0, 0);
  if (cookies) a.mov(R1, R6).call(GET_ATTACH_COOKIE);
  a.loadData(R1, ".bss", at).mov(R2, 1).atomic("+=", DW, R1, 0, R2);
  a.ldx(DW, R2, R10, -8).stx(DW, R1, 8, R2).stx(DW, R1, 16, R0);
  return a.label("out").mov(R0, 0).exit();
}

const { symbols: libc } = Deno.dlopen("libc.so.6", {
  getpgid: { parameters: ["i32"], result: "i32" },
  getsid: { parameters: ["i32"], result: "i32" },
});
const functionOf = (name: string) => X86 ? `__x64_sys_${name}` : `__arm64_sys_${name}`;

/** The kernel's function behind {@link callGetpgid}. */
export const GETPGID: string = functionOf("getpgid");
/** The kernel's function behind {@link callGetsid}. */
export const GETSID: string = functionOf("getsid");

/** Calls getpgid(2) so many times, which nothing else in this process does. Returns what it returned. */
export function callGetpgid(times: number): number {
  for (let i = 1; i < times; i++) libc.getpgid(0);
  return libc.getpgid(0);
}

/** Calls getsid(2) so many times, which nothing else in this process does. Returns what it returned. */
export function callGetsid(times: number): number {
  for (let i = 1; i < times; i++) libc.getsid(0);
  return libc.getsid(0);
}
