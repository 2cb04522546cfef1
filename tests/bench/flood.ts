// A flood of open(2): what an event costs the consumer and the producer, what gets lost, and how much memory it takes.

import { bpftrace, bpftraceProgram, cTool, DENO, here, ours, output } from "./contenders.ts";
import { Child, type Contender, now, pause } from "./process.ts";
import { digits, median, ratio, type Report, table } from "./table.ts";

const RATE = 100_000;
// Longer for the first: at that rate a second gives few events.
const PHASES = [{ file: "steady", rate: RATE, seconds: 2 }, { file: "full-speed", rate: 0, seconds: 1 }];

/** What one phase gave. */
interface Sample {
  /** Events made, and those that were printed. */
  opened: number;
  printed: number;
  /** CPU time of the consumer, ms. */
  consumer: number;
  /** CPU time of the producer for one open and close, ns. */
  producer: number;
  /** Opens a second. */
  rate: number;
}

/** The process that makes the events; see workload.ts. */
class Workload {
  readonly #child = new Deno.Command(DENO, {
    args: ["run", "-A", here("workload.ts")],
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  readonly #writer = this.#child.stdin.getWriter();
  readonly #lines = this.#child.stdout.pipeThrough(new TextDecoderStream()).getReader();

  get pid(): number {
    return this.#child.pid;
  }

  async ask(command: string): Promise<{ opened: number; cpu: number; wall: number }> {
    await this.#writer.write(new TextEncoder().encode(command + "\n"));
    return JSON.parse((await this.#lines.read()).value!);
  }

  async close(): Promise<void> {
    await this.#writer.close();
    await this.#lines.cancel();
    this.#child.kill("SIGKILL");
    await this.#child.status;
  }
}

/** Measures all contenders in turns. */
export async function flood(folder: string, rounds: number): Promise<Report> {
  const notes: string[] = [], workload = new Workload(), pid = String(workload.pid);
  for (const file of ["mark", ...PHASES.map(({ file }) => file)]) {
    Deno.writeTextFileSync(`${folder}/${file}`, "");
  }
  const contenders: (Contender & { silent?: boolean })[] = [
    ours("-p", pid),
    { ...ours("-p", pid, "--json"), name: "detrace, JSON" },
    { ...ours("-p", pid, "-n", "mark"), name: "detrace, nothing printed (`-n`)", silent: true },
  ];
  const c = cTool(), bt = await bpftrace();
  if (c) contenders.push({ name: `C opensnoop (${c.version})`, argv: [...c.argv, "-p", pid] });
  else notes.push("No C opensnoop at hand.");
  if (bt) contenders.push({ name: bt.version, argv: [bt.file, "-e", bpftraceProgram(workload.pid)] });
  else notes.push("No bpftrace at hand.");

  const untraced = PHASES.map(() => [] as number[]), memory = contenders.map(() => [] as number[]);
  const broken = new Set<Contender>();
  const samples = contenders.map(() => PHASES.map(() => [] as Sample[]));
  try {
    for (const { file } of PHASES) await workload.ask(`open ${folder}/${file} 0.5 0`); // compiled by V8 now
    for (let round = 0; round < rounds; round++) {
      for (const [phase, { file, rate, seconds }] of PHASES.entries()) {
        const { cpu, opened } = await workload.ask(`open ${folder}/${file} ${seconds / 2} ${rate}`);
        untraced[phase]!.push(cpu / opened);
      }
      for (const [i, contender] of contenders.entries()) {
        if (broken.has(contender)) continue;
        const { phases, peak } = await run(contender, workload, folder);
        for (const [phase, sample] of phases.entries()) samples[i]![phase]!.push(sample);
        memory[i]!.push(peak);
        if (Number.isNaN(peak)) broken.add(contender);
      }
    }
  } finally {
    await workload.close();
  }

  const of = (i: number, phase: number, figure: (sample: Sample) => number) =>
    (samples[i]?.[phase] ?? []).map(figure);
  /** CPU seconds for a million events, which are the same as µs for one. */
  const cost = (i: number, phase: number) =>
    of(
      i,
      phase,
      (sample) => 1000 * sample.consumer / (contenders[i]!.silent ? sample.opened : sample.printed),
    );
  const lost = (i: number, phase: number) =>
    of(i, phase, ({ opened, printed }) => contenders[i]!.silent ? NaN : (opened - printed) / opened);
  const body = PHASES.map(({ rate }, phase) => {
    const rows = contenders.map(({ name }, i) => [
      name,
      digits(median(cost(i, phase))),
      digits(ratio(cost(0, phase), cost(i, phase))),
      digits(100 * median(lost(i, phase))),
      digits(median(of(i, phase, ({ producer }) => producer))),
      digits(ratio(of(i, phase, ({ producer }) => producer), untraced[phase]!)),
      digits(median(of(i, phase, ({ rate }) => rate / 1000))),
      digits(median(memory[i]!)),
    ]);
    rows.unshift(["no tracer", "–", "–", "–", digits(median(untraced[phase]!)), "1.00", "–", "–"]);
    return `${rate ? `At ${rate.toLocaleString("en-US")} a second` : "As fast as it goes"}:\n\n` + table([
      "",
      "consumer, CPU s per million events",
      "detrace ÷ this",
      "lost, %",
      "open + close, CPU ns",
      "× untraced",
      "opens, 1,000/s",
      "peak memory, MB",
    ], rows);
  }).join("\n");

  const at = (name: string) => contenders.findIndex((contender) => contender.name.startsWith(name));
  const cAt = at("C "), btAt = at("bpftrace");
  const versus = (i: number, phase: number) => i < 0 ? NaN : ratio(cost(0, phase), cost(i, phase));
  return {
    title: "Flood: one process opens and closes one file",
    body: body + `
Medians of ${rounds} rounds, all contenders one after the other in each, ratios within a round. Each tool watches the process
(\`-p\`) and prints into a file in memory, whose lines are counted afterwards. Consumer: CPU time of the whole tool from the
start of the flood until it rests, divided by the events that it printed; half a second of the same goes before. With \`-n\`
detrace reads every event and prints none (the C tool cannot do that: it ends at the first event of another name).
Producer: CPU time of its thread. Memory: VmHWM after both floods. ${notes.join(" ")}
`,
    targets: [
      {
        what: "consumer's CPU per printed event / C, at 100,000/s",
        measured: versus(cAt, 0),
        most: 0.9,
      },
      { what: "consumer's CPU per printed event / C, flood", measured: versus(cAt, 1), most: 0.9 },
      {
        what: "consumer's CPU per printed event / bpftrace, at 100,000/s",
        measured: versus(btAt, 0),
        most: 0.15,
      },
      { what: "consumer's CPU per printed event / bpftrace, flood", measured: versus(btAt, 1), most: 0.15 },
      {
        what: "events lost at 100,000/s, all rounds",
        measured: of(0, 0, ({ opened, printed }) => opened - printed).reduce((sum, lost) => sum + lost, 0),
        most: 0,
        unit: "events",
      },
      { what: "peak memory", measured: median(memory[0]!), most: 55, unit: "MB" },
    ],
  };
}

/** One start of a tool, with both floods. */
async function run(
  contender: Contender & { silent?: boolean },
  workload: Workload,
  folder: string,
): Promise<{ phases: Sample[]; peak: number }> {
  const printed = `${folder}/printed`, phases: Sample[] = [];
  using child = Child.start(contender, printed);
  const broken = { phases: PHASES.map(() => NOTHING), peak: NaN };
  await workload.ask(`mark ${folder}/mark`);
  // Where lines are written in blocks, the first come late.
  for (const end = now() + 15000; !Deno.readTextFileSync(printed).includes("/mark");) {
    if (now() > end || child.ended()) return broken;
    pause(20);
  }
  for (const { file, rate, seconds } of PHASES) {
    // Ends the marks, and lets V8 compile what is often run.
    await workload.ask(`open ${folder}/mark 0.5 ${RATE}`);
    const before = rest(child);
    const { opened, cpu, wall } = await workload.ask(`open ${folder}/${file} ${seconds} ${rate}`);
    const consumer = rest(child) - before;
    phases.push({ opened, consumer, printed: 0, producer: cpu / opened, rate: opened / wall * 1e9 });
  }
  const peak = child.ended() ? NaN : child.peak;
  child.interrupt(0, 5000);
  for (const [phase, { file }] of PHASES.entries()) {
    phases[phase]!.printed = Number(await output("grep", ["-cE", `/${file}("|$)`, printed]) ?? 0);
  }
  return { phases, peak };
}

const NOTHING: Sample = { opened: NaN, printed: NaN, consumer: NaN, producer: NaN, rate: NaN };

/** Waits until a process has nothing to do, and returns its CPU time. */
function rest(child: Child): number {
  let cpu = child.cpu;
  for (let quiet = 0; quiet < 6 && !child.ended();) {
    pause(50);
    quiet = child.cpu - cpu < 1 ? quiet + 1 : 0;
    cpu = child.cpu;
  }
  return cpu;
}
