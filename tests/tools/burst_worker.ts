/**
 * A thread that opens files, up to 100,000 a second, so that the one that reads the tool's output goes on reading.
 *
 * @module
 */

import { libc, NR } from "../../lib/sys/door.ts";
import { AT_FDCWD } from "./harness.ts";

/** The part of a worker's global scope that is used here. */
const scope = self as unknown as {
  onmessage: (message: MessageEvent<{ path: string; count: number }>) => void;
  postMessage(message: unknown): void;
};

scope.onmessage = ({ data: { path, count } }) => {
  const bytes = new TextEncoder().encode(path + "\0");
  const before = performance.now();
  for (let i = 0; i < count; i++) {
    libc().call(NR.openat, AT_FDCWD, bytes, 0, 0, null);
    while (i % 100 === 0 && performance.now() - before < i / 100) { /* ahead of time */ }
  }
  scope.postMessage(performance.now() - before);
};
scope.postMessage("ready");
