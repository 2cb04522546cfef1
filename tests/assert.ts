/**
 * `@std/assert` for the tests: the npm copy, with types. Where JSR can be reached, `jsr:@std/assert` replaces this file.
 *
 * @module
 */

// @ts-types="./assert.d.ts"
export * from "npm:deno-std@1.4.0/assert/mod.js";
