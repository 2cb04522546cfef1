// Prints [step, milliseconds][] for one start of opensnoop. With --calls: what of it is spent in calls of libc.

const calls = Deno.args.includes("--calls");
let spent = 0;
if (calls) {
  const { dlopen } = Deno;
  const timed = <T>(work: () => T): T => {
    const start = performance.now();
    try {
      return work();
    } finally {
      spent += performance.now() - start;
    }
  };
  Deno.dlopen = ((name: string, symbols: Deno.ForeignLibraryInterface) => {
    const library = timed(() => dlopen(name, symbols));
    const wrapped = Object.entries(library.symbols).map(([name, symbol]) => {
      const call = symbol as (...args: unknown[]) => unknown;
      return [name, (...args: unknown[]) => timed(() => call(...args))];
    });
    return { symbols: Object.fromEntries(wrapped), close: () => library.close() };
  }) as typeof Deno.dlopen;
}

const clock = () => calls ? spent : performance.now();
let last = clock();
const steps: [string, number][] = [];
const step = (name: string) => {
  steps.push([name, clock() - last]);
  last = clock();
};

const { Opensnoop } = await import("../../bpf/opensnoop.ts");
await Promise.all(["command", "output", "tool"].map((name) => import(`../../lib/cli/${name}.ts`)));
step("import");
(await import("../../lib/sys/door.ts")).libc();
step("open libc");
using bpf = new Opensnoop();
step("`new Opensnoop()`: read the object");
bpf.globals.targetPid = Deno.pid;
const present = ["open", "openat", "openat2"].filter((call) => bpf.keepIfPresent(`enter_${call}`));
step("look for tracepoints");
await bpf.load();
step("`load()`: BTF, maps, relocation, verifier");
bpf.attach();
for (const call of present) bpf.attachProgram("leave_any", `syscalls/sys_exit_${call}`);
step("attach");
const stop = new AbortController();
const done = bpf.events.forEach(() => {
  if (stop.signal.aborted) return;
  step("the first event");
  stop.abort();
}, stop);
Deno.openSync("/dev/null").close();
await done;
step("behind the first event, until all is read");
console.log(JSON.stringify(steps));
Deno.exit();
