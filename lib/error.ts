/**
 * The one base class of every error that detrace throws on purpose.
 *
 * @module
 */

/**
 * An error whose message is one sentence for the person at the keyboard: what failed, on what, and why.
 *
 * @example
 * ```ts
 * import { DetraceError } from "detrace/lib/error.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const error = new DetraceError("cannot read the kernel's BTF", { hint: "give a file with --btf" });
 * assertEquals(error.hint, "give a file with --btf");
 * ```
 */
export class DetraceError extends Error {
  /** The class's name, for those who print errors themselves. */
  override readonly name: string = "DetraceError";
  /** What the person can do about it, if we know. */
  readonly hint: string | undefined;

  /**
   * Makes an error.
   *
   * @param message What failed, on what, and why: one sentence, no full stop.
   * @param options `cause`: the error underneath; `hint`: what to do about it.
   */
  constructor(message: string, options?: { cause?: unknown; hint?: string }) {
    super(message, options?.cause === undefined ? undefined : { cause: options.cause });
    this.hint = options?.hint;
  }
}
