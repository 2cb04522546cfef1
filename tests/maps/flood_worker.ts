// Runs a program again and again from a thread of its own, and tells the sum of what it returned.

import { progTestRun } from "../../lib/sys/bpf.ts";

const scope = self as unknown as {
  onmessage: (event: MessageEvent<{ fd: number; runs: number }>) => void;
  postMessage(message: number): void;
};
scope.onmessage = ({ data: { fd, runs } }) => {
  let sum = 0;
  for (let i = 0; i < runs; i++) sum += progTestRun(fd).retval;
  scope.postMessage(sum);
};
