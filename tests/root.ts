/**
 * Tests that talk to the running kernel.
 *
 * @module
 */

/** A test that needs root, and says so in its name; without root it counts as ignored. */
export function rootTest(name: string, fn: () => void | Promise<void>): void {
  Deno.test({ name: `${name} (root)`, ignore: Deno.uid() !== 0, fn });
}
