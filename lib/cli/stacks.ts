/**
 * Stacks as text: the names of the functions in a process that led to an event. Loaded only when a tool is asked for stacks.
 *
 * @module
 */

import { ProcessSymbols } from "../symbols/process.ts";

/**
 * A function that names the code at addresses of a process.
 *
 * @returns Takes the process id and addresses, gives a name for each that is not 0: the function's, else the module with
 * the offset in it, else the address.
 */
export function userStacks(): (pid: number, addresses: readonly bigint[]) => string[] {
  const symbols = new ProcessSymbols();
  return (pid, addresses) => {
    const known = addresses.filter((address) => address !== 0n);
    return symbols.resolve(pid, known).map((symbol, i) =>
      symbol?.name ??
        (symbol ? `${symbol.module}+0x${symbol.moduleOffset.toString(16)}` : `0x${known[i]!.toString(16)}`)
    );
  };
}
