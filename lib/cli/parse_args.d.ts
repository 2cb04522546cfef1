/**
 * Types of `npm:deno-std@1.4.0/cli/parse_args.js`, which comes without: only the options that command.ts uses.
 *
 * @module
 */

/** What parseArgs is told about the options. */
export interface ParseOptions {
  /** Names of options whose value stays text, as written; all others are turned into numbers where they look like one. */
  string?: string[];
  /** Names of options that may be given several times: all their values come, as a list. */
  collect?: string[];
}

/**
 * Takes a command line apart.
 *
 * @param args The words after the program's name.
 * @param options What to know about the options.
 * @returns Positional arguments as `_`, and one property an option that was given.
 */
export function parseArgs(
  args: string[],
  options?: ParseOptions,
): { [name: string]: unknown; _: string[] };
