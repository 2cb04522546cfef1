/**
 * `deno task test:libbpf`: relocates the objects inside of Debian's libbpf-tools, and those of bpf/, against the running kernel,
 * and compares each instruction with what libbpf's log says that it makes of it (as `bpftool -d prog loadall` shows it).
 *
 * Needs root, libbpf1, libbpf-tools, clang-19. Prints a line for each object that differs, and at the end what was compared.
 *
 * @module
 */

import { loadKernelBtf, loadModuleBtfs } from "../../lib/btf/kernel.ts";
import { CoreRelocator } from "../../lib/core/core.ts";
import { readObject } from "../../lib/object/read.ts";
import type { BpfObjectSpec } from "../../lib/object/spec.ts";
import { objects } from "./objects.ts";

const BPF_MAP_TYPE_STACK_TRACE = 7;

const UTF8 = new TextEncoder();
let log = "";

/** libbpf, as far as it is asked. Its log comes as a format and its arguments, which libc puts together. */
function openLibbpf(): { load: (path: string) => void; [Symbol.dispose]: () => void } {
  const { symbols: libc } = Deno.dlopen("libc.so.6", {
    vsnprintf: { parameters: ["buffer", "usize", "pointer", "pointer"], result: "i32" },
  });
  const { symbols: libbpf } = Deno.dlopen("libbpf.so.1", {
    libbpf_set_print: { parameters: ["function"], result: "pointer" },
    bpf_object__open_file: { parameters: ["buffer", "pointer"], result: "pointer" },
    bpf_object__next_program: { parameters: ["pointer", "pointer"], result: "pointer" },
    bpf_program__set_autoload: { parameters: ["pointer", "bool"], result: "i32" },
    bpf_object__next_map: { parameters: ["pointer", "pointer"], result: "pointer" },
    bpf_map__max_entries: { parameters: ["pointer"], result: "u32" },
    bpf_map__set_max_entries: { parameters: ["pointer", "u32"], result: "i32" },
    bpf_map__type: { parameters: ["pointer"], result: "i32" },
    bpf_map__set_value_size: { parameters: ["pointer", "u32"], result: "i32" },
    bpf_object__load: { parameters: ["pointer"], result: "i32" },
    bpf_object__close: { parameters: ["pointer"], result: "void" },
  });
  const buffer = new Uint8Array(1 << 16);
  const print = new Deno.UnsafeCallback(
    { parameters: ["i32", "pointer", "pointer"], result: "i32" },
    (_level, format, values) => {
      const length = libc.vsnprintf(buffer, BigInt(buffer.length), format, values);
      log += new TextDecoder().decode(buffer.subarray(0, Math.min(length, buffer.length - 1)));
      return length;
    },
  );
  libbpf.libbpf_set_print(print.pointer);
  return {
    load: (path) => {
      const object = libbpf.bpf_object__open_file(UTF8.encode(path + "\0"), null);
      if (!object) throw new Error(`libbpf cannot open ${path}\n${log}`);
      // What a tool would set before loading: all programs, and a size where the object leaves it open.
      for (let p = libbpf.bpf_object__next_program(object, null); p;) {
        libbpf.bpf_program__set_autoload(p, true);
        p = libbpf.bpf_object__next_program(object, p);
      }
      for (let m = libbpf.bpf_object__next_map(object, null); m;) {
        if (libbpf.bpf_map__max_entries(m) === 0) libbpf.bpf_map__set_max_entries(m, 4096);
        if (libbpf.bpf_map__type(m) === BPF_MAP_TYPE_STACK_TRACE) libbpf.bpf_map__set_value_size(m, 1016);
        m = libbpf.bpf_object__next_map(object, m);
      }
      libbpf.bpf_object__load(object); // relocations come before what this kernel may refuse
      libbpf.bpf_object__close(object);
    },
    [Symbol.dispose]: () => {
      libbpf.libbpf_set_print(null);
      print.close();
    },
  };
}

const RELOCATION = // two forms of the same line: a new value, or an instruction that must not be reached
  /^(?:libbpf: )?prog '(\w+)': relo #\d+: (?:patched insn #(\d+) \([\w/]+\) (?:imm64|imm|off) \S+ -> (\S+)|substituting insn #(\d+))/gm;

/** What libbpf says of each relocation: `FUNCTION INSN` → the new value, or `poison`. */
function theirs(libbpf: ReturnType<typeof openLibbpf>, file: string): Map<string, string> {
  log = "";
  libbpf.load(file);
  const found = new Map<string, string>();
  for (const [, name, insn, value, poisoned] of log.matchAll(RELOCATION)) {
    if (poisoned !== undefined) found.set(`${name} ${poisoned}`, "poison");
    else found.set(`${name} ${insn}`, value!.replace(/,$/, ""));
  }
  return found;
}

/** The same from our relocator. */
function ours(spec: BpfObjectSpec, relocator: CoreRelocator): Map<string, string> {
  const found = new Map<string, string>();
  for (const fn of [...spec.programs.values(), ...spec.functions.values()]) {
    const insns = fn.insns.slice(), view = new DataView(insns.buffer);
    const poisoned = new Set(relocator.relocate(insns, fn.coreRelocations, fn.name).map(({ insn }) => insn));
    for (const { offset } of fn.coreRelocations) {
      const code = insns[offset]!, key = `${fn.name} ${offset / 8}`, kind = code & 7;
      if (poisoned.has(offset / 8)) found.set(key, "poison");
      else if (code === 0x18) { // 64-bit immediate
        const value = BigInt(view.getUint32(offset + 4, true)) |
          BigInt(view.getUint32(offset + 12, true)) << 32n;
        found.set(key, String(value));
      } else if (kind === 4 || kind === 7) found.set(key, String(view.getInt32(offset + 4, true))); // ALU
      else found.set(key, String(view.getInt16(offset + 2, true)));
    }
  }
  return found;
}

using libbpf = openLibbpf();
const directory = await Deno.makeTempDir();
let count = 0, differ = 0, relocations = 0, unread = 0;
try {
  const vmlinux = loadKernelBtf(), modules = () => [...loadModuleBtfs(vmlinux).values()];
  for await (const { name, file, bytes } of objects(directory)) {
    count++;
    const expected = theirs(libbpf, file);
    let actual: Map<string, string>;
    try {
      const spec = readObject(bytes, name);
      actual = ours(spec, new CoreRelocator(spec.btf!, { vmlinux, modules }));
    } catch (error) {
      unread++;
      console.log(`${name}: ${error instanceof Error ? error.message : error}`);
      continue;
    }
    relocations += actual.size;
    const wrong = [...actual].filter(([key, value]) => expected.get(key) !== value);
    if (!wrong.length && expected.size === actual.size) continue;
    differ++;
    console.log(`${name}: ${actual.size} relocations, libbpf has ${expected.size}`);
    for (const [key, value] of wrong.slice(0, 5)) {
      console.log(`  ${key}: ${value}, libbpf ${expected.get(key) ?? "does not say"}`);
    }
  }
} finally {
  await Deno.remove(directory, { recursive: true });
}
console.log(
  `${count} objects, ${relocations} relocations: ${differ} objects differ, ${unread} were not read`,
);
Deno.exitCode = differ || unread || count < 40 ? 1 : 0;
