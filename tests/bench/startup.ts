// From exec to the first line for a known open.

import { bpftrace, bpftraceProgram, bundle, cTool, DENO, here, ours, output, TOOL } from "./contenders.ts";
import { Child, type Contender, now, pause } from "./process.ts";
import { digits, median, ratio, type Report, table, type Target } from "./table.ts";

/** Measures the start of each contender, one after the other, in rounds. */
export async function startup(folder: string, rounds: number): Promise<Report> {
  const mark = `${folder}/known-open`, notes: string[] = [];
  Deno.writeTextFileSync(mark, "");
  using opener = Child.start({
    name: "opener",
    argv: [DENO, "run", "-A", here("workload.ts"), "mark", mark, "300"],
  }, "/dev/null");
  const pid = String(opener.pid);

  const floor = `${folder}/floor.ts`;
  Deno.writeTextFileSync(floor, `console.log(${JSON.stringify(mark)});\n`);
  const contenders: Contender[] = [
    { name: "Deno, a script that prints one line (the floor)", argv: [DENO, "run", floor] },
    { ...ours("-p", pid), name: "detrace, from source" },
  ];
  const bundled = await bundle(folder);
  if (bundled) {
    contenders.push({
      name: "detrace, bundled",
      argv: [DENO, "run", "--no-prompt", "--allow-ffi", bundled, "-p", pid],
    });
  } else notes.push("`deno bundle` failed here.");
  const compiled = `${folder}/opensnoop`;
  if (!Deno.env.get("DENORT_BIN")) notes.push("Not compiled: DENORT_BIN is not set.");
  else if (await output(DENO, ["compile", "--quiet", "--allow-ffi", "-o", compiled, TOOL]) === undefined) {
    notes.push("`deno compile` failed here.");
  } else contenders.push({ name: "detrace, compiled", argv: [compiled, "-p", pid] });
  const c = cTool(), bt = await bpftrace();
  if (c) contenders.push({ name: `C opensnoop (${c.version})`, argv: [...c.argv, "-p", pid] });
  else notes.push("No C opensnoop at hand.");
  if (bt) contenders.push({ name: bt.version, argv: [bt.file, "-e", bpftraceProgram(opener.pid)] });
  else notes.push("No bpftrace at hand.");

  const wall = contenders.map(() => [] as number[]), cpu = contenders.map(() => [] as number[]);
  const failures = contenders.map(() => 0);
  // The first rounds fill the caches, V8's code cache among them, which Deno writes some time after the start.
  for (let round = -3; round < rounds; round++) {
    for (const [i, contender] of contenders.entries()) {
      if (failures[i]! > 2) continue;
      const start = now();
      using child = Child.start(contender);
      const end = child.waitFor(mark, 10000);
      failures[i] = Number.isNaN(end) ? failures[i]! + 1 : 0;
      if (round >= 0) {
        wall[i]!.push(end - start);
        cpu[i]!.push(Number.isNaN(end) ? NaN : child.cpu);
      } else child.interrupt(300, 3000);
      child[Symbol.dispose]();
      pause(10);
    }
  }

  const at = (name: string) => contenders.findIndex((contender) => contender.name.startsWith(name));
  const floorAt = at("Deno"), oursAt = at("detrace, from"), cAt = at("C "), btAt = at("bpftrace");
  const rows = contenders.map(({ name }, i) => [
    name,
    digits(median(wall[i]!)),
    digits(ratio(wall[i]!, wall[floorAt]!)),
    digits(median(cpu[i]!)),
    digits(ratio(cpu[i]!, cpu[floorAt]!)),
  ]);
  const targets: Target[] = [];
  const versus = (name: string, index: number, most: number) => {
    for (const [kind, figures] of [["wall", wall], ["CPU", cpu]] as const) {
      const measured = index < 0 ? NaN : ratio(figures[oursAt]!, figures[index]!);
      targets.push({ what: `start-up from source / ${name}, ${kind}`, measured, most });
    }
  };
  versus("the floor", floorAt, 1.4);
  versus("C", cAt, 1.5);
  versus("bpftrace", btAt, 0.2);
  return {
    title: "Start-up: from exec to the first line for a known open",
    body: table(["", "wall, ms", "× floor", "CPU, ms", "× floor"], rows) + `
Medians of ${rounds} rounds, all contenders one after the other in each, ratios within a round. Another process opens a file
every 0.3 ms; each tool watches that process (\`-p\`) and prints to a terminal of its own, where all of them print lines at
once. The process is stopped when the line with the file's name arrives, then its CPU clock is read, all threads included.
An unpacked C tool is started through its own dynamic linker. Caches are warm. ${notes.join(" ")}
`,
    targets,
  };
}
