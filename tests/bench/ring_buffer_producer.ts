// A thread that runs a program at a steady pace.

import { progTestRun } from "../../lib/sys/bpf.ts";
import { clock } from "../../lib/sys/process.ts";

const CLOCK_THREAD_CPUTIME_ID = 3;
const scope = self as unknown as {
  onmessage: (event: MessageEvent<{ fd: number; runs: number; pause: number }>) => void;
  postMessage(message: unknown): void;
};
const gate = new Int32Array(new SharedArrayBuffer(4));
scope.onmessage = ({ data: { fd, runs, pause } }) => {
  const before = clock(CLOCK_THREAD_CPUTIME_ID);
  let dropped = 0;
  for (let i = 0; i < runs; i++) {
    dropped += progTestRun(fd).retval;
    Atomics.wait(gate, 0, 0, pause);
  }
  scope.postMessage({ cpu: Number(clock(CLOCK_THREAD_CPUTIME_ID) - before) / 1e9, dropped });
};
scope.postMessage("ready");
