// The benchmark: `deno task bench [name...]`, as root. Compares with the C opensnoop and bpftrace and prints markdown.
// Times on a busy machine mean little, so whatever is compared takes turns, and the ratios count.
//
// Names: startup, flood, btf, size, load, large (all if none is given); --rounds=N for more or fewer rounds.
// Environment: DETRACE_ANCHORS, where newer tools than the system's are unpacked; DENORT_BIN, for `deno compile`.

import { flood } from "./flood.ts";
import { kernelBtf } from "./btf.ts";
import { large } from "./large.ts";
import { load } from "./load.ts";
import { size } from "./size.ts";
import { startup } from "./startup.ts";
import { type Report, type Target, verdicts } from "./table.ts";

const figures: Record<string, [(folder: string, rounds: number) => Promise<Report>, number]> = {
  startup: [startup, 21],
  flood: [flood, 7],
  btf: [kernelBtf, 21],
  size: [size, 1],
  load: [load, 21],
  large: [large, 11],
};

if (Deno.uid() !== 0) {
  console.log("The benchmark needs root.");
  Deno.exit(0);
}
const names = Deno.args.filter((arg) => arg in figures);
const given = Number(Deno.args.find((arg) => arg.startsWith("--rounds="))?.slice(9));
const folder = Deno.makeTempDirSync({ dir: "/dev/shm", prefix: "detrace-bench-" });
const targets: Target[] = [];
const cpu = /^model name\s*: (.*)$/m.exec(Deno.readTextFileSync("/proc/cpuinfo"))?.[1] ?? Deno.build.arch;
console.log(
  `Linux ${Deno.osRelease()}, ${navigator.hardwareConcurrency} × ${cpu}, Deno ${Deno.version.deno}\n`,
);
try {
  for (const name of names.length ? names : Object.keys(figures)) {
    const [measure, rounds] = figures[name]!;
    try {
      const report = await measure(folder, given || rounds);
      console.log(`### ${report.title}\n\n${report.body}`);
      targets.push(...report.targets);
    } catch (error) {
      console.log(`### ${name}\n\nNot measured: ${error instanceof Error ? error.message : error}\n`);
    }
  }
  if (targets.length) console.log(`### Targets\n\n${verdicts(targets)}`);
  console.log(`To repeat: \`deno task bench${names.map((name) => " " + name).join("")}\`, as root.`);
} finally {
  Deno.removeSync(folder, { recursive: true });
}
Deno.exit(0);
