/**
 * A bpf file system of a test's own: not every machine has one mounted.
 *
 * @module
 */

import { assert } from "@std/assert";

function run(command: string, ...args: string[]): void {
  const { success, stderr } = new Deno.Command(command, { args }).outputSync();
  assert(success, `${command}: ${new TextDecoder().decode(stderr)}`);
}

/** Mounts one in a new directory while the function runs. */
export function withBpffs<T>(use: (directory: string) => T): T {
  const directory = Deno.makeTempDirSync();
  const end = () => {
    run("umount", directory);
    Deno.removeSync(directory);
  };
  run("mount", "-t", "bpf", "none", directory);
  let result: T;
  try {
    result = use(directory);
  } catch (error) {
    end();
    throw error;
  }
  if (result instanceof Promise) return result.finally(end) as T;
  end();
  return result;
}
