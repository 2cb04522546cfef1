/**
 * What the loader needs for programs that are relocated, and for messages about those that are refused: types. Most of a
 * tool's start-up is the loading of its own code, so object.ts imports this when it is needed.
 *
 * @module
 */

export { Btf } from "../btf/btf.ts";
export { loadKernelBtf, loadModuleBtfs } from "../btf/kernel.ts";
export { CoreRelocator } from "../core/core.ts";
