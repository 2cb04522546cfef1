// Where a tool's start goes: the steps from importing to the first event, in a fresh process.

import { DENO, here, output } from "./contenders.ts";
import { digits, median, type Report, table } from "./table.ts";

/** Measures the steps, in turns without and with a look at the system calls. */
export async function load(_folder: string, rounds: number): Promise<Report> {
  const plain = new Map<string, number[]>(), calls = new Map<string, number[]>();
  for (let round = -2; round < rounds; round++) {
    for (const [into, ...args] of [[plain] as const, [calls, "--calls"] as const]) {
      const text = await output(DENO, ["run", "-A", "--no-check", here("load_child.ts"), ...args]);
      if (text === undefined) throw new Error("the tool could not be loaded (are you root?)");
      if (round < 0) continue;
      for (const [step, ms] of JSON.parse(text) as [string, number][]) {
        into.set(step, [...into.get(step) ?? [], ms]);
      }
    }
  }
  let sum = 0;
  const rows = [...plain].map(([step, figures]) => {
    sum += median(figures);
    return [step, digits(median(figures)), digits(median(calls.get(step)!))];
  });
  rows.push(["sum", digits(sum), ""]);
  return {
    title: "opensnoop's start, step by step",
    body: table(["", "ms", "of it in libc and the kernel, ms"], rows) + `
Wall time inside the process, medians of ${rounds} fresh processes. What comes before, the start of Deno itself, is the floor of
the start-up table. The second column is from other runs, as looking takes time.
`,
    targets: [],
  };
}
