/**
 * Tests that talk to the running kernel.
 *
 * @module
 */

/** A test that needs root, and says so in its name; without root it counts as ignored. */
export function rootTest(name: string, fn: () => void | Promise<void>): void {
  Deno.test({ name: `${name} (root)`, ignore: Deno.uid() !== 0, fn });
}

/**
 * How many descriptors this process has open. A test that compares asks for no more than before: the thread of an earlier
 * test file may still be closing its own.
 */
export function openFds(): number {
  return [...Deno.readDirSync("/proc/self/fd")].length;
}
