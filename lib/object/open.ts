/**
 * An object file → an object, with all that the loader can do.
 *
 * @module
 */

import { arena } from "./arena.ts";
import { mapError } from "./map_types.ts";
import { BpfObject, type LoaderParts } from "./object.ts";
import { verifierAdvice } from "../programs/hints.ts";
import { argCtx, externs, sanitize } from "./parts.ts";
import { pinning } from "./pinning.ts";
import { readObject } from "./read.ts";
import { newerThan } from "./sections.ts";
import { structOps } from "./struct_ops.ts";
import { target } from "./target.ts";
import { WAYS } from "./ways.ts";

/** All parts of the loader. */
export const ALL_PARTS: LoaderParts = {
  advise: verifierAdvice,
  arena,
  argCtx,
  externs,
  mapError,
  newerThan,
  pinning,
  sanitize,
  structOps,
  target,
  ways: WAYS,
};

/**
 * Opens an object file made by clang for the BPF target. Nothing is asked of the kernel before `load()`.
 *
 * @param bytes The file.
 * @param name The object's name, for messages.
 * @throws {DetraceError} If it is no BPF object, is damaged, or uses what the loader does not know.
 *
 * @example
 * ```ts
 * import { openObject } from "detrace/lib/object/open.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const object = openObject(Deno.readFileSync("tests/fixtures/object/rooms.bpf.o"), "rooms");
 * assertEquals(object.spec.license, "GPL");
 * ```
 */
export function openObject(bytes: Uint8Array<ArrayBuffer>, name: string): BpfObject {
  return new BpfObject(readObject(bytes, name), ALL_PARTS);
}
