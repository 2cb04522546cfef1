/**
 * What tools/btf.ts prints and writes, beside bpftool: the running kernel's types raw and as C, which has to compile; and the
 * least BTF for each object of objects.ts, type for type, against which the object's relocations come out as against all.
 *
 * Needs root, bpftool, libbpf-tools, clang-19. Prints a line for each difference, and at the end what was compared.
 *
 * @module
 */

import {
  Btf,
  BTF_KIND_ENUM,
  BTF_KIND_ENUM64,
  BTF_KIND_FLOAT,
  BTF_KIND_INT,
  BTF_KIND_STRUCT,
  BTF_KIND_UNION,
} from "../../lib/btf/btf.ts";
import { loadKernelBtf } from "../../lib/btf/kernel.ts";
import { CoreRelocator } from "../../lib/core/core.ts";
import { readObject } from "../../lib/object/read.ts";
import { objects } from "./objects.ts";

const KERNEL = "/sys/kernel/btf/vmlinux", BTF = new URL("../../tools/btf.ts", import.meta.url).pathname;
const decoder = new TextDecoder();
let failures = 0;

function fail(what: string): void {
  failures++;
  console.log(what);
}

/** Runs a command to its end. */
async function output(command: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command(command, { args }).output();
  if (code) throw new Error(`${command} ${args.join(" ")}: ${decoder.decode(stderr)}`);
  return decoder.decode(stdout);
}

const bpftool = (...args: string[]) => output("bpftool", ...args);
const btf = (...args: string[]) => output(Deno.execPath(), "run", "--no-prompt", "--allow-ffi", BTF, ...args);

/** Says where two texts part. */
function compare(what: string, ours: string, theirs: string): void {
  if (ours === theirs) return;
  const a = ours.split("\n"), b = theirs.split("\n"), at = a.findIndex((line, i) => line !== b[i]);
  fail(`${what}: line ${at + 1} is "${a[at]}", bpftool's "${b[at]}"`);
}

const SIZED = new Set([
  BTF_KIND_INT,
  BTF_KIND_STRUCT,
  BTF_KIND_UNION,
  BTF_KIND_ENUM,
  BTF_KIND_FLOAT,
  BTF_KIND_ENUM64,
]);

/** Each type without the ids in it, which depend on the order: a sorted list. */
function shapes(types: Btf): string[] {
  const all: string[] = [];
  for (let id = 1; id < types.endId; id++) {
    const kind = types.kind(id), size = SIZED.has(kind) ? types.sizeOrType(id) : "";
    all.push(`${kind} ${types.name(id)} ${types.vlen(id)} ${size}`);
  }
  return all.sort();
}

/** What the relocations of an object make of its instructions. */
function relocated(bytes: Uint8Array<ArrayBuffer>, name: string, target: Btf): string {
  const spec = readObject(bytes, name), relocator = new CoreRelocator(spec.btf!, { vmlinux: target });
  return [...spec.programs.values(), ...spec.functions.values()].map((fn) => {
    const insns = fn.insns.slice();
    const poisons = relocator.relocate(insns, fn.coreRelocations, fn.name);
    return `${fn.name} ${insns.toHex()} ${poisons.map(({ insn }) => insn)}`;
  }).join("\n");
}

compare("dump raw", await btf("dump", "raw"), await bpftool("btf", "dump", "file", KERNEL, "format", "raw"));
const c = await btf("dump", "c"), theirs = await bpftool("btf", "dump", "file", KERNEL, "format", "c");
// Older bpftools forget that an enumeration is a byte long.
const forgetful = !theirs.includes("mode(byte)");
compare("dump c", forgetful ? c.replaceAll(" __attribute__((mode(byte)))", "") : c, theirs);

const directory = await Deno.makeTempDir();
let count = 0;
try {
  const header = `${directory}/vmlinux.h`;
  Deno.writeTextFileSync(header, c);
  await output("clang-19", "-target", "bpf", "-fms-extensions", "-fsyntax-only", "-w", "-x", "c", header);
  const vmlinux = loadKernelBtf();
  for await (const { name, file, bytes } of objects(directory)) {
    const mine = `${directory}/ours.btf`, other = `${directory}/theirs.btf`;
    await btf("min", mine, file);
    await bpftool("gen", "min_core_btf", KERNEL, other, file);
    const least = Btf.parse(Deno.readFileSync(mine)), reference = Btf.parse(Deno.readFileSync(other));
    const own = shapes(least), others = shapes(reference);
    if (own.join("\n") !== others.join("\n")) {
      fail(`${name}: min has ${own.length} types, bpftool's ${others.length}`);
    }
    if (relocated(bytes, name, least) !== relocated(bytes, name, vmlinux)) {
      fail(`${name}: relocations differ between the least types and all`);
    }
    count++;
  }
} finally {
  await Deno.remove(directory, { recursive: true });
}
console.log(`the kernel's types raw and as C, the least types of ${count} objects: ${failures} differences`);
Deno.exitCode = failures || count < 40 ? 1 : 0;
