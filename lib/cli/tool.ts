/**
 * The frame of every tool: reads the command line, runs the tool, ends it in an orderly way however it ends.
 *
 * | ends by | exit status |
 * | --- | --- |
 * | its own end, Ctrl-C, SIGTERM, `--duration`, a closed pipe (`\| head`) | 0 |
 * | an error, one sentence on standard error | 1 |
 * | a wrong command line | 64 |
 *
 * @module
 */

import { DetraceError } from "../error.ts";
import { type Command, CommandExit, USAGE_STATUS, ValidationError } from "./command.ts";
import { printable } from "./escape.ts";
import { Output, writeAll } from "./output.ts";

/** What a running tool has at hand. */
export class Tool<A extends unknown[] = unknown[]> {
  /** Aborted by Ctrl-C, SIGTERM or {@linkcode stopAfter}: the tool's main function should return then. */
  readonly signal: AbortSignal;
  /** Standard output; flushed at the end. */
  readonly output: Output = new Output();
  readonly #stop = new AbortController();

  /**
   * Made by {@linkcode runTool}.
   *
   * @param name What messages begin with.
   * @param args The positional arguments.
   */
  constructor(readonly name: string, readonly args: A) {
    this.signal = this.#stop.signal;
  }

  /** Stops the tool, as Ctrl-C does. */
  stop(): void {
    this.#stop.abort();
  }

  /**
   * Stops the tool after a while. To be called when everything is attached, so that loading does not count.
   *
   * @param seconds How long; never if not given.
   */
  stopAfter(seconds: number | undefined): void {
    if (seconds !== undefined) this.sleep(seconds).then(() => this.stop());
  }

  /**
   * Waits, until the time is over or the tool is stopped.
   *
   * @param seconds How long; `Infinity` if not given.
   */
  async sleep(seconds = Infinity): Promise<void> {
    const end = performance.now() + 1000 * seconds;
    const { promise, resolve } = Promise.withResolvers<void>();
    let timer: ReturnType<typeof setTimeout> | undefined;
    // A timer takes no more than 2^31 ms.
    const wait = () => {
      const left = end - performance.now();
      if (left <= 0 || this.signal.aborted) resolve();
      else timer = setTimeout(wait, Math.min(left, 1e9));
    };
    this.signal.addEventListener("abort", resolve as () => void);
    wait();
    await promise;
    clearTimeout(timer);
    this.signal.removeEventListener("abort", resolve as () => void);
  }

  /**
   * The rhythm of a summary tool: comes round after each interval, and a last time when the tool is stopped.
   *
   * @param seconds Length of an interval; until the tool is stopped if not given.
   * @param count How many; without end if not given.
   *
   * @example
   * ```ts
   * import { Tool } from "detrace/lib/cli/tool.ts";
   * import { assertEquals } from "@std/assert";
   *
   * const tool = new Tool("runqlat", []);
   * let rounds = 0;
   * for await (const _ of tool.intervals(0.001, 3)) rounds++;
   * assertEquals(rounds, 3);
   * ```
   */
  async *intervals(seconds = Infinity, count = Infinity): AsyncGenerator<void> {
    while (count-- > 0 && !this.signal.aborted) {
      await this.sleep(seconds);
      yield;
    }
  }

  /**
   * Prints a message on standard error, behind what was printed before.
   *
   * @param message One sentence, no full stop.
   */
  warn(message: string): void {
    this.output.flush();
    complain(`${this.name}: ${message}\n`);
  }
}

/** Prints on standard error; if that is closed, nobody wants to know. */
function complain(text: string): void {
  try {
    writeAll((bytes) => Deno.stderr.writeSync(bytes), new TextEncoder().encode(printable(text, "\n\t")));
  } catch { /* see above */ }
}

/**
 * Runs a tool and ends the process. What `main` holds with `using` is released before that, also at Ctrl-C, for which it
 * has to return soon after the signal is aborted; a second Ctrl-C ends the process at once.
 *
 * @param command The command line.
 * @param main The tool itself. It may throw `DetraceError` for what the person should know, `ValidationError` for a
 *   command line that makes no sense; anything else is a bug.
 * @param argv The command line: all words behind the tool's name, unless the first ones were a sub-command's.
 */
export async function runTool<O extends { verbose?: boolean }, A extends unknown[]>(
  command: Command<O, A>,
  main: (options: O, tool: Tool<A>) => void | Promise<void>,
  argv: readonly string[] = Deno.args,
): Promise<never> {
  const name = command.getName();
  let tool: Tool<A> | undefined, verbose: boolean | undefined, status = 0;
  try {
    const { options, args } = await command.parse(argv);
    verbose = options.verbose;
    const running = tool = new Tool(name, args);
    for (const signal of ["SIGINT", "SIGTERM"] as const) {
      Deno.addSignalListener(signal, () => {
        if (running.signal.aborted) Deno.exit(signal === "SIGINT" ? 130 : 143);
        running.stop();
      });
    }
    await main(options, tool);
    tool.output.flush();
  } catch (error) {
    status = report(error);
  }
  Deno.exit(status);

  function report(error: unknown): number {
    if (error instanceof Deno.errors.BrokenPipe || tool?.signal.aborted && error === tool.signal.reason) {
      return 0;
    }
    if (error instanceof CommandExit) {
      if (error.status) complain(error.text);
      else new Output().text(error.text).flush();
      return error.status;
    }
    try {
      tool?.output.flush();
    } catch { /* the first error is the one to report */ }
    const message = error instanceof Error ? error.message : String(error);
    if (error instanceof ValidationError) {
      complain(`${name}: ${message}\nTry '${name} --help' or '${name} --usage' for more information.\n`);
      return USAGE_STATUS;
    }
    if (error instanceof DetraceError) {
      complain(`${name}: ${message}${error.hint ? ` (${error.hint})` : ""}\n`);
    } else complain(`${name}: ${message} (this is a bug in detrace${verbose ? "" : "; -v shows where"})\n`);
    if (verbose) console.error(error);
    return 1;
  }
}
