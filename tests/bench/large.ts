// An object with hundreds of relocations, loaded in a cold process: start, kernel BTF, relocation and verifier included.

import { Btf, BTF_KIND_INT, BTF_KIND_STRUCT } from "../../lib/btf/btf.ts";
import { loadKernelBtf } from "../../lib/btf/kernel.ts";
import { DENO, here, output } from "./contenders.ts";
import { digits, median, ratio, type Report, table } from "./table.ts";

const STRUCTS = 100, FIELDS = 6, PROGRAMS = 10;

const C = `
#include <bpf/libbpf.h>

static int quiet(enum libbpf_print_level level, const char *format, va_list values)
{
	return 0;
}

int main(int argc, char **argv)
{
	struct bpf_object *object;

	libbpf_set_print(quiet);
	object = bpf_object__open_file(argv[1], NULL);
	return argc != 2 || !object || bpf_object__load(object) ? 1 : 0;
}
`;

/** A program's source that reads integers of this kernel's structs. */
function source(btf: Btf): { text: string; relocations: number } {
  const types: string[] = [], reads: string[] = [], seen = new Set<string>();
  for (let id = 1; id < btf.endId && types.length < STRUCTS; id += 7) {
    const name = btf.name(id);
    if (btf.kind(id) !== BTF_KIND_STRUCT || !name || seen.has(name)) continue;
    const fields: string[] = [];
    for (let i = 0; i < btf.vlen(id) && fields.length < FIELDS; i++) {
      const type = btf.skip(btf.memberType(id, i)), field = btf.memberName(id, i);
      if (btf.kind(type) !== BTF_KIND_INT || btf.sizeOf(type) !== 4 || btf.memberBitfieldSize(id, i)) {
        continue;
      }
      if (field && !/^(?:int|long|short|char|register|default|asm|new)$/.test(field)) fields.push(field);
    }
    if (!fields.length) continue;
    seen.add(name);
    types.push(
      `struct ${name} {\n${
        fields.map((f) => `\tint ${f};\n`).join("")
      }} __attribute__((preserve_access_index));`,
    );
    for (const field of fields) reads.push(`READ(${name}, ${field})`);
  }
  const programs = Array.from({ length: PROGRAMS }, (_, i) =>
    `SEC("raw_tp/sys_enter")
int p${i}(void *ctx)
{
	int value, sum = 0;
	void *at = ctx;

	${reads.filter((_, n) => n % PROGRAMS === i).join("\n\t")}
	return sum;
}
`);
  return {
    relocations: reads.length,
    text: `typedef unsigned int __u32;
typedef unsigned long long __u64;
typedef __u32 __wsum;
#include <linux/types.h>
#include <bpf/bpf_helpers.h>
#define READ(type, field) bpf_probe_read_kernel(&value, 4, __builtin_preserve_access_index(&((struct type *)at)->field)); sum += value;
${types.join("\n")}
${programs.join("\n")}
char LICENSE[] SEC("license") = "GPL";
`,
  };
}

/** Measures both in turns. */
export async function large(folder: string, rounds: number): Promise<Report> {
  const { text, relocations } = source(loadKernelBtf()), object = `${folder}/large.bpf.o`;
  Deno.writeTextFileSync(`${folder}/large.bpf.c`, text);
  const include = Deno.build.arch === "x86_64" ? "x86_64-linux-gnu" : "aarch64-linux-gnu";
  const flags = ["-O2", "-g", "-target", "bpf", "-mcpu=v3", `-I/usr/include/${include}`];
  if (await output("clang-19", [...flags, "-c", `${folder}/large.bpf.c`, "-o", object]) === undefined) {
    throw new Error("this needs clang-19 and libbpf-dev");
  }
  Deno.writeTextFileSync(`${folder}/load.c`, C);
  const cc = await output("cc", ["-O2", "-o", `${folder}/load`, `${folder}/load.c`, "-lbpf"]);

  const ours: number[] = [], theirs: number[] = [];
  for (let round = -2; round < rounds; round++) {
    const times = [];
    for (
      const [command, ...args] of [
        [DENO, "run", "--no-check", "--allow-ffi", here("large_child.ts"), object],
        [`${folder}/load`, object],
      ] as const
    ) {
      const start = performance.now(),
        text = cc === undefined && command !== DENO ? undefined : await output(command, [...args]);
      times.push(text === undefined ? NaN : performance.now() - start);
    }
    if (round < 0) continue;
    ours.push(times[0]!);
    theirs.push(times[1]!);
  }
  if (ours.every(Number.isNaN)) throw new Error("the object could not be loaded");
  const measured = ratio(ours, theirs);
  return {
    title: `An object with ${relocations} relocations, from exec to loaded`,
    body: table(["", "ms", "detrace ÷ this"], [
      ["detrace: `openObject()`, `load()`", digits(median(ours)), "1.00"],
      ["libbpf: `bpf_object__open_file()`, `bpf_object__load()`", digits(median(theirs)), digits(measured)],
    ]) + (cc === undefined ? "\nNothing to compare with: this needs cc and libbpf-dev.\n" : "\n"),
    targets: [{ what: "large object, exec to loaded / libbpf", measured, most: 1.5 }],
  };
}
