// The process that is watched. As "workload.ts mark PATH MICROSECONDS" it opens a file that often, until it is killed.
// As "workload.ts" it takes commands from standard input, one a line, and answers each on standard output with a line:
//
//   mark PATH            opens the file every millisecond, until the next command, under the name "mark"; answers {}
//   open PATH SECONDS N  opens and closes it for so long, N times a second (0: as fast as it goes), under the name "flood";
//                        answers {"opened": ..., "cpu": ns, "wall": ns}

import { cstring, extra, libc, NR } from "../../lib/sys/door.ts";
import { clock } from "../../lib/sys/process.ts";

const CLOCK_MONOTONIC = 1, CLOCK_THREAD_CPUTIME_ID = 3, AT_FDCWD = -100;
const { call, control } = libc();
const { usleep } = extra({ usleep: { parameters: ["u32"], result: "i32" } });

function open(path: Uint8Array<ArrayBuffer>, times: number): void {
  for (let i = 0; i < times; i++) control(NR.close, call(NR.openat, AT_FDCWD, path, 0, 0, null), 0, 0, null);
}

const rename = (comm: string) => Deno.writeTextFileSync("/proc/self/comm", comm);

function flood(path: Uint8Array<ArrayBuffer>, seconds: number, rate: number) {
  const start = clock(CLOCK_MONOTONIC), cpu = clock(CLOCK_THREAD_CPUTIME_ID);
  let opened = 0, wall = 0;
  while (wall < seconds * 1e9) {
    const times = rate ? Math.round(rate * wall / 1e9) - opened : 500;
    open(path, times);
    opened += times;
    if (rate) usleep(200);
    wall = Number(clock(CLOCK_MONOTONIC) - start);
  }
  return { opened, cpu: Number(clock(CLOCK_THREAD_CPUTIME_ID) - cpu), wall };
}

if (Deno.args[0] === "mark") {
  for (const path = cstring(Deno.args[1]!), pause = Number(Deno.args[2]);;) {
    open(path, 1);
    usleep(pause);
  }
}

let marking: ReturnType<typeof setInterval> | undefined;
for await (const line of lines()) {
  clearInterval(marking);
  const [command, name, seconds, rate] = line.split(" "), path = cstring(name!);
  rename(command === "mark" ? "mark" : "flood");
  if (command === "mark") marking = setInterval(() => open(path, 1), 1);
  console.log(JSON.stringify(command === "mark" ? {} : flood(path, Number(seconds), Number(rate))));
}

async function* lines() {
  let rest = "";
  for await (const text of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
    const parts = (rest + text).split("\n");
    rest = parts.pop()!;
    yield* parts;
  }
}
