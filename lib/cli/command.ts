// deno-lint-ignore-file no-import-prefix -- a tool that is run from a URL has no import map
/**
 * The command line of a tool, in the shape of Cliffy's `Command` (https://cliffy.io), which takes 25 ms to load: this one
 * file is all that stands between the tools and the real one. It parses as argp does, so that what is typed at a
 * libbpf-tool works here. Beyond Cliffy: `min`, `max` and `choices` of options, `section()`.
 *
 * @module
 */

import { DetraceError } from "../error.ts";

/** Exit status of a wrong command line, as argp has it (`EX_USAGE`, sysexits.h). */
export const USAGE_STATUS = 64;

/**
 * The command line cannot be obeyed. A tool may throw it too; `runTool` points at `--help` and exits with
 * {@linkcode USAGE_STATUS}.
 *
 * @example
 * ```ts
 * import { Command, ValidationError } from "detrace/lib/cli/command.ts";
 * import { assertRejects } from "@std/assert";
 *
 * const command = new Command().name("opensnoop").option("-p, --pid <pid:integer>", "Only this process", { min: 1 });
 * await assertRejects(() => command.parse(["--pid=abc"]), ValidationError, "--pid needs a whole number, not 'abc'");
 * ```
 */
export class ValidationError extends DetraceError {
  override readonly name = "ValidationError";
}

/** Thrown by {@linkcode Command.parse} when all that is wanted is a text: help, usage or version. */
export class CommandExit extends Error {
  override readonly name = "CommandExit";

  /**
   * @param text What to print: on standard output if the status is 0, else on standard error.
   * @param status The exit status.
   */
  constructor(readonly text: string, readonly status: number) {
    super(text);
  }
}

interface Types {
  string: string;
  integer: number;
  number: number;
}

/** What an option may be told. */
export interface OptionSettings {
  /** Its value when it is not given. */
  default?: string | number;
  /** The least number. */
  min?: number;
  /** The greatest number. */
  max?: number;
  /** The only values (text). */
  choices?: readonly string[];
  /** May be given more than once: the values become an array. */
  collect?: boolean;
  /** Names of options (`kernel-stacks-only`) that cannot be given together with it. */
  conflicts?: readonly string[];
}

/** The type of `name`, `name:integer` or `name:integer[]`. */
type Value<V extends string, C = string> = V extends `${string}:${infer T}[]` ? Value<`:${T}`, C>[]
  : V extends `${string}:${infer T}` ? T extends "string" ? C : T extends keyof Types ? Types[T] : never
  : C;
type Camel<N extends string> = N extends `${infer A}-${infer B}` ? `${A}${Capitalize<Camel<B>>}` : N;
type Choice<S> = S extends { choices: readonly (infer C)[] } ? C : string;
type Collected<S, T> = S extends { collect: true } ? T[] : T;
type Given<N extends string, S, T> = S extends { default: string | number } ? { [K in Camel<N>]: T }
  : { [K in Camel<N>]?: T };
/** The property that `-p, --pid <pid:integer>` adds to the options. */
type OptionOf<F extends string, S> = F extends `${string}--${infer N} <${infer V}>`
  ? Given<N, S, Collected<S, Value<V, Choice<S>>>>
  : F extends `${string}--${infer N}` ? { [K in Camel<N>]?: boolean }
  : F extends `-${infer N} <${infer V}>` ? Given<N, S, Collected<S, Value<V, Choice<S>>>>
  : F extends `-${infer N}` ? { [K in N]?: boolean }
  : never;
/** The tuple that `<function:string> [count:integer]` stands for. */
type ArgumentsOf<A extends string> = A extends `${infer First} ${infer Rest}`
  ? [...ArgumentsOf<First>, ...ArgumentsOf<Rest>]
  : A extends `<${string}...${infer T}>` ? [Value<T>, ...Value<T>[]]
  : A extends `[${string}...${infer T}]` ? Value<T>[]
  : A extends `<${infer V}>` ? [Value<V>]
  : A extends `[${infer V}]` ? [Value<V>?]
  : [];
type Flat<T> = { [K in keyof T]: T[K] };

/** An option or positional argument, its flags taken apart. */
interface Option {
  short: string | undefined;
  long: string | undefined;
  /** How messages call it: `--pid`, or the argument's name. */
  label: string;
  /** `PID`, for a value in help; undefined for a flag. */
  value: string | undefined;
  type: string;
  list: boolean;
  description: string;
  settings: OptionSettings;
}

const FLAGS = /^(?:-([\w?]))?(?:, )?(?:--([\w-]+))?(?: <([\w-]+)(?::(string|integer|number)(\[\])?)?>)?$/;

function option(flags: string, description: string, settings: OptionSettings): Option {
  const found = FLAGS.exec(flags);
  if (!found) throw new TypeError(`bad option: ${flags}`);
  const [, short, long, value, type = "string", list] = found;
  const label = long ? `--${long}` : `-${short}`;
  return { short, long, label, value: value?.toUpperCase(), type, list: !!list, description, settings };
}

/** The value that a word stands for. */
function convert({ label, type, list, settings }: Option, word: string): unknown {
  if (list) return word.split(",").map((part) => one(part));
  return one(word);

  function one(word: string): string | number {
    const { min = -Infinity, max = Infinity, choices } = settings;
    const fail = (what: string) => new ValidationError(`${label} needs ${what}, not '${word}'`);
    if (type === "string") {
      if (choices && !choices.includes(word)) throw fail(choices.join(", ").replace(/, ([^,]*)$/, " or $1"));
      return word;
    }
    const integer = type === "integer", number = Number(word), what = integer ? "a whole number" : "a number";
    const fits = integer ? /^[-+]?\d+$/.test(word) : /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(word);
    if (!fits) throw fail(what);
    if (number < min || number > max || !(integer ? Number.isSafeInteger : Number.isFinite)(number)) {
      const range = max === Infinity ? `of at least ${min}` : `from ${min} to ${max}`;
      throw fail(`${what} ${min === -Infinity ? `of at most ${max}` : range}`);
    }
    return number;
  }
}

/** Breaks text into lines of at most `width`; those after the first begin with so many blanks. */
function wrap(text: string, width: number, indent: number): string {
  let column = 0;
  return text.replace(/\n|( *)(\S+)/g, (all, _blanks, word = "") => {
    if (all !== "\n" && (column <= indent || column + all.length <= width)) {
      column += all.length;
      return all;
    }
    column = indent + word.length;
    return "\n" + " ".repeat(indent) + word;
  });
}

/** Two columns: terms, and what they mean. */
function table(rows: readonly (readonly [string, string])[], width: number): string {
  const short = rows.map(([term]) => term.length).filter((length) => length <= 26);
  const indent = Math.max(0, ...short) + 4, blanks = " ".repeat(indent);
  return rows.map(([term, meaning]) => {
    const left = `  ${term}`.padEnd(indent);
    return (left.length > indent ? `${left}\n${blanks}` : left) +
      wrap(blanks + meaning, width, indent).slice(indent);
  }).join("\n") + "\n";
}

/** Columns of the terminal. */
function terminal(): number {
  try {
    return Math.max(40, Deno.consoleSize().columns);
  } catch {
    return 80;
  }
}

/**
 * A command line: its options, arguments and help.
 *
 * @typeParam O What the options become.
 * @typeParam A What the positional arguments become.
 *
 * @example
 * ```ts
 * import { Command } from "detrace/lib/cli/command.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const command = new Command()
 *   .name("filetop")
 *   .version("0.1")
 *   .description("Reads and writes by file and thread.")
 *   .option("-p, --pid <pid:integer>", "Only this process", { min: 1 })
 *   .option("-s, --sort <sort:string>", "Sort by", { choices: ["all", "reads"], default: "all" })
 *   .option("-C, --noclear", "Do not clear the screen")
 *   .arguments("[interval:integer] [count:integer]", { min: 1 })
 *   .example("filetop -p 181 5", "process 181, every 5 seconds");
 * const { options, args } = await command.parse(["-Cp5", "1", "--so", "reads"]);
 * const pid: number | undefined = options.pid;
 * const sort: "all" | "reads" = options.sort;
 * assertEquals([pid, sort, options.noclear, ...args], [5, "reads", true, 1]);
 * ```
 */
export class Command<O = { verbose?: boolean }, A extends unknown[] = []> {
  #name = "";
  #version = "";
  #description = "";
  readonly #options: Option[] = [];
  readonly #arguments: (Option & { required: boolean; variadic: boolean })[] = [];
  readonly #examples: [string, string][] = [];
  readonly #sections: [string, string | Record<string, string>][] = [];
  #action: ((options: O, ...args: A) => unknown) | undefined;

  /**
   * @param name What the tool is called.
   * @returns This command.
   */
  name(name: string): this {
    this.#name = name;
    return this;
  }

  /**
   * @param version What `--version` prints behind the name.
   * @returns This command.
   */
  version(version: string): this {
    this.#version = version;
    return this;
  }

  /**
   * @param description The tool's purpose.
   * @returns This command.
   */
  description(description: string): this {
    this.#description = description;
    return this;
  }

  /**
   * Adds an option.
   *
   * @param flags `-x, --failed` for a flag, `-p, --pid <pid:integer>` for a value: `string` (or nothing), `integer`,
   *   `number`, or a comma-separated list of them (`integer[]`). Either name may be missing. The result is called by the
   *   long name: `--full-path` is `fullPath`.
   * @param description What it does, for the help.
   * @param settings Default, bounds and the like.
   * @returns This command.
   * @throws {TypeError} When the flags are not of that form: a bug in the tool.
   */
  option<const F extends string, const S extends OptionSettings = OptionSettings>(
    flags: F,
    description: string,
    settings?: S,
  ): Command<Flat<O & OptionOf<F, S>>, A> {
    this.#options.push(option(flags, description, settings ?? {}));
    return this as unknown as Command<Flat<O & OptionOf<F, S>>, A>;
  }

  /**
   * Declares the positional arguments.
   *
   * @param spec `<function:string> [count:integer]`: required, then optional ones; the last may be `[more...:string]`.
   * @param settings Bounds of their values.
   * @returns This command.
   */
  arguments<const P extends string>(
    spec: P,
    settings: Pick<OptionSettings, "min" | "max"> = {},
  ): Command<O, ArgumentsOf<P>> {
    for (const [, bracket, name, dots, type] of spec.matchAll(/([<[])([\w-]+)(\.\.\.)?:?(\w+)?[>\]]/g)) {
      const argument = option(`--${name} <${name}:${type ?? "string"}>`, "", settings);
      this.#arguments.push({ ...argument, label: name!, required: bracket === "<", variadic: !!dots });
    }
    return this as unknown as Command<O, ArgumentsOf<P>>;
  }

  /**
   * Adds an example to the help.
   *
   * @param name What to type.
   * @param description What it does.
   * @returns This command.
   */
  example(name: string, description: string): this {
    this.#examples.push([name, description]);
    return this;
  }

  /**
   * Adds a section to the help, after the examples: what the columns mean, say.
   *
   * @param title Its title.
   * @param text A paragraph, or terms with their meanings.
   * @returns This command.
   */
  section(title: string, text: string | Record<string, string>): this {
    this.#sections.push([title, text]);
    return this;
  }

  /**
   * Sets what {@linkcode parse} calls with the result. Tools leave that to `runTool`.
   *
   * @param action Takes the options, then the arguments.
   * @returns This command.
   */
  action(action: (options: O, ...args: A) => unknown): this {
    this.#action = action;
    return this;
  }

  /** @returns What the tool is called. */
  getName(): string {
    return this.#name;
  }

  /** The tool's own options, then those that every tool has. */
  #all(): Option[] {
    return [
      ...this.#options,
      option("-v, --verbose", "Details on standard error", {}),
      option("-?, --help", "Show this help and exit", {}),
      option("--usage", "Show a short usage message and exit", {}),
      option("-V, --version", "Show the version and exit", {}),
    ];
  }

  /** What stands for the positional arguments in the usage line. */
  #operands(): string[] {
    return this.#arguments.map(({ value, required, variadic }) => {
      const word = value + (variadic ? "..." : "");
      return required ? word : `[${word}]`;
    });
  }

  /**
   * The text of `--help`.
   *
   * @param width Columns of the terminal.
   * @returns Text that ends with a newline.
   */
  getHelp(width = 80): string {
    const options = this.#all().map(({ short, long, value, description, settings }) => {
      const name = long ? `--${long}${value ? `=${value}` : ""}` : value ?? "";
      const choices = settings.choices ? `: ${settings.choices.join(", ")}` : "";
      const initial = settings.default === undefined ? "" : ` (default ${settings.default})`;
      return [
        (short ? `-${short}${long ? ", " : " "}` : "    ") + name,
        description + choices + initial,
      ] as const;
    });
    const sections: [string, string | Record<string, string>][] = this.#sections;
    let text = wrap(["Usage:", this.#name, "[OPTION...]", ...this.#operands()].join(" "), width, 12) + "\n";
    text += wrap(this.#description, width, 0) + "\n";
    text += `\nOptions:\n${table(options, width)}`;
    if (this.#examples.length) text += `\nExamples:\n${table(this.#examples, width)}`;
    for (const [title, body] of sections) {
      text += `\n${title}:\n`;
      text += typeof body === "string"
        ? wrap(`  ${body}`, width, 2) + "\n"
        : table(Object.entries(body), width);
    }
    return text;
  }

  /** The text of `--usage`. */
  #usage(width: number): string {
    const all = this.#all(), words = ["Usage:", this.#name];
    words.push(`[-${all.map(({ short, value }) => value ? "" : short ?? "").join("")}]`);
    for (const { short, value } of all) if (short && value) words.push(`[-${short}\xa0${value}]`);
    for (const { long, value } of all) if (long) words.push(`[--${long}${value ? `=${value}` : ""}]`);
    return wrap([...words, ...this.#operands()].join(" "), width, 12).replaceAll("\xa0", " ") + "\n";
  }

  /**
   * Spells a command line out for parseArgs, which knows neither abbreviations nor values behind grouped letters:
   * `--name` or `--name=value` for each option, in order, then `--` and the positional arguments.
   */
  #spellOut(argv: readonly string[]): string[] {
    const options = this.#all(), words: string[] = [], operands: string[] = [];
    let at = 0;
    const add = (option: Option, label: string, attached: string | undefined) => {
      const { long, short, value } = option, width = terminal();
      let word = `--${long ?? short}`;
      if (value) {
        const given = attached ?? argv[at++];
        if (given === undefined) throw new ValidationError(`${label} needs a value`);
        word += `=${given}`;
      } else if (attached !== undefined) {
        throw new ValidationError(`${label} takes no value`);
      }
      if (long === "help") throw new CommandExit(this.getHelp(width), 0);
      if (long === "usage") throw new CommandExit(this.#usage(width), 0);
      if (long === "version") throw new CommandExit(`${this.#name} ${this.#version}\n`, 0);
      words.push(word);
    };
    while (at < argv.length) {
      const word = argv[at++]!;
      if (word === "--") {
        operands.push(...argv.slice(at));
        break;
      }
      if (word.startsWith("--")) {
        const equals = word.indexOf("="), label = equals < 0 ? word : word.slice(0, equals);
        const found = options.filter(({ long }) => long && `--${long}`.startsWith(label));
        const exact = found.find(({ long }) => `--${long}` === label);
        if (found.length === 0) throw new ValidationError(`unknown option ${label}`);
        if (found.length > 1 && !exact) {
          throw new ValidationError(
            `${label} is ambiguous: ${found.map((option) => option.label).join(", ")}`,
          );
        }
        const option = exact ?? found[0]!;
        add(option, option.label, equals < 0 ? undefined : word.slice(equals + 1));
      } else if (word.length > 1 && word.startsWith("-")) {
        for (let i = 1; i < word.length; i++) {
          const found = options.find(({ short }) => short === word[i]), label = `-${word[i]}`;
          if (!found && word[i] === "h") throw new CommandExit(this.getHelp(terminal()), USAGE_STATUS);
          if (!found) throw new ValidationError(`unknown option ${label}`);
          add(found, label, found.value && i + 1 < word.length ? word.slice(i + 1) : undefined);
          if (found.value) break;
        }
      } else {
        operands.push(word);
      }
    }
    return [...words, "--", ...operands];
  }

  /**
   * Reads a command line.
   *
   * @param argv The words after the tool's name.
   * @returns Options by name in camel case, absent where not given and without default; positional arguments in order.
   * @throws {ValidationError} When it is wrong.
   * @throws {CommandExit} When it asks for help, usage or version.
   */
  async parse(argv: readonly string[] = Deno.args): Promise<{ options: O; args: A }> {
    const spelled = this.#spellOut(argv), all = this.#all();
    const name = ({ long, short }: Option) => (long ?? short)!;
    const words = (name: string) => [given[name] ?? []].flat() as string[];
    let given: { [name: string]: unknown; _: string[] } = { _: [] };
    if (argv.length > 0) {
      // 3 ms, so only where there is something to parse.
      const { parseArgs } = await (
        // @ts-types="./parse_args.d.ts"
        import("npm:deno-std@1.4.0/cli/parse_args.js")
      );
      const string = all.filter(({ value }) => value).map(name);
      given = parseArgs(spelled, {
        string,
        collect: all.filter(({ settings }) => settings.collect).map(name),
      });
    }

    const options: Record<string, unknown> = {};
    for (const option of all) {
      const { settings, label } = option,
        key = name(option).replace(/-(.)/g, (_, letter) => letter.toUpperCase());
      const values = words(name(option)).map((word) => option.value ? convert(option, word) : true);
      const other = settings.conflicts?.find((other) => words(other).length > 0);
      if (values.length === 0) {
        if (settings.default !== undefined) options[key] = settings.default;
      } else if (other) {
        throw new ValidationError(`${label} and --${other} cannot be given together`);
      } else {
        options[key] = settings.collect ? values : values[0];
      }
    }

    const args: unknown[] = [];
    for (const argument of this.#arguments) {
      const words = given._.splice(0, argument.variadic ? Infinity : 1);
      if (argument.required && words.length === 0) {
        throw new ValidationError(`missing argument ${argument.value}`);
      }
      args.push(...words.map((word) => convert(argument, word)));
    }
    if (given._.length > 0) throw new ValidationError(`surplus argument '${given._[0]}'`);

    await this.#action?.(options as O, ...args as A);
    return { options: options as O, args: args as A };
  }
}
