// The kernel's BTF made ready and one type found in it, in a cold process; libbpf's btf__parse for comparison.

import { DENO, here, output } from "./contenders.ts";
import { digits, median, ratio, type Report, table } from "./table.ts";

const C = `
#include <bpf/btf.h>
#include <stdio.h>
#include <time.h>

static double ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

int main(void)
{
	double start = ms(), parsed;
	struct btf *btf = btf__parse("/sys/kernel/btf/vmlinux", NULL);

	parsed = ms();
	if (!btf || btf__find_by_name_kind(btf, "task_struct", BTF_KIND_STRUCT) < 0)
		return 1;
	printf("%f %f %s\\n", parsed - start, ms() - start, libbpf_version_string());
	return 0;
}
`;

/** Measures both in turns. */
export async function kernelBtf(folder: string, rounds: number): Promise<Report> {
  const compiled = `${folder}/btf_parse`;
  Deno.writeTextFileSync(`${compiled}.c`, C.replace("<stdio.h>", "<bpf/libbpf.h>\n#include <stdio.h>"));
  const cc = await output("cc", ["-O2", "-o", compiled, `${compiled}.c`, "-lbpf"]);

  const ours: number[] = [], parse: number[] = [], find: number[] = [];
  let version = "";
  for (let round = -2; round < rounds; round++) {
    const ms = await output(DENO, ["run", "--no-check", "--allow-ffi", here("btf_child.ts")]);
    const theirs = cc === undefined ? undefined : await output(compiled, []);
    if (round < 0) continue;
    ours.push(Number(ms ?? NaN));
    const [parsed, found, name] = theirs?.trim().split(" ") ?? [];
    parse.push(Number(parsed ?? NaN));
    find.push(Number(found ?? NaN));
    version = name ?? version;
  }
  const notes = cc === undefined ? "Nothing to compare with: this needs cc and libbpf-dev." : "";
  const row = (name: string, figures: number[]) => [
    name,
    digits(median(figures)),
    digits(ratio(ours, figures)),
  ];
  return {
    title: "The kernel's BTF: parsed, and task_struct found",
    body: table(["", "ms", "detrace ÷ this"], [
      row("detrace: `loadKernelBtf()`, `find()`", ours),
      row(`libbpf ${version}: \`btf__parse()\``, parse),
      row(`libbpf ${version}: \`btf__parse()\`, \`btf__find_by_name_kind()\``, find),
    ]) + `
Time inside the process, medians of ${rounds} fresh processes each, in turns. ${notes}
`,
    targets: [{ what: "kernel BTF / libbpf's btf__parse", measured: ratio(ours, parse), most: 1 }],
  };
}
