/**
 * detrace: BPF tracing in TypeScript. What a script imports.
 *
 * ```ts ignore
 * import { Opensnoop } from "https://example.org/detrace/mod.ts";
 *
 * using opensnoop = new Opensnoop();
 * opensnoop.load().attach();
 * for await (const event of opensnoop.events) console.log(event.pid, event.path);
 * ```
 *
 * @module
 */

export { DetraceError } from "./lib/error.ts";
