/**
 * Objects of tests/fixtures/links, for the tests here: some programs of them, and their global variables.
 *
 * @module
 */

import type { BpfObject } from "detrace/lib/object/object.ts";
import { openObject } from "detrace/lib/object/open.ts";

/** Opens an object, of which only these programs will be loaded. */
export function fixture(name: string, ...programs: string[]): BpfObject {
  const bytes = Deno.readFileSync(new URL(`../fixtures/links/${name}.bpf.o`, import.meta.url));
  const object = openObject(bytes, name);
  for (const program of object.spec.programs.values()) program.autoload = programs.includes(program.name);
  return object;
}

/** A global variable of 4 or 8 bytes, read. */
export function global(object: BpfObject, name: string): bigint {
  const { map, offset } = object.spec.globals.get(name)!;
  return object.data(map).getBigInt64(offset, true);
}

/** A global variable of 4 or 8 bytes, written. */
export function setGlobal(object: BpfObject, name: string, value: number | bigint): void {
  const { map, offset, size } = object.spec.globals.get(name)!;
  const view = object.data(map);
  if (size === 4) view.setUint32(offset, Number(value), true);
  else view.setBigUint64(offset, BigInt(value), true);
}
