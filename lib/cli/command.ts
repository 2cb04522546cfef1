// deno-lint-ignore-file no-import-prefix -- a tool that is run from a URL has no import map
/**
 * The command line of a tool, in the shape of Cliffy's `Command` (https://cliffy.io), which takes 25 ms to load: this one
 * file is all that stands between the tools and the real one. It parses as argp does, so that what is typed at a
 * libbpf-tool works here. Beyond Cliffy: `min`, `max` and `choices` of options, `section()`.
 *
 * @module
 */

// Loaded with the rest: Deno takes 4 ms longer for a package that is imported when it is needed.
// @ts-types="./parse_args.d.ts"
import { parseArgs } from "npm:deno-std@1.4.0/cli/parse_args.js";
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
export class ValidationError extends DetraceError {}

/** Thrown by {@linkcode Command.parse} when all that is wanted is a text: help, usage or version. */
export class CommandExit extends Error {
  /**
   * Made by the command.
   *
   * @param text What to print: on standard output if the status is 0, else on standard error.
   * @param status The exit status.
   */
  constructor(readonly text: string, readonly status: number) {
    super(text);
  }
}

/** What a value's type is called, and what it is. */
export interface Types {
  /** Any text, the type of a value that names none. */
  string: string;
  /** A whole number that a JavaScript number holds exactly. */
  integer: number;
  /** Any finite number, in decimal. */
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
}

/** The type of `name`, `name:integer` or `name:integer[]`. */
export type Value<V extends string, C = string> = V extends `${string}:${infer T}[]` ? Value<`:${T}`, C>[]
  : V extends `${string}:${infer T}` ? T extends "string" ? C : T extends keyof Types ? Types[T] : never
  : C;
/** `full-path` as `fullPath`. */
export type Camel<N extends string> = N extends `${infer A}-${infer B}` ? `${A}${Capitalize<Camel<B>>}` : N;
/** The texts that an option is limited to, if it is. */
export type Choice<S> = S extends { choices: readonly (infer C)[] } ? C : string;
/** A property that is there always, given a default, or when the option was given. */
export type Given<N extends string, S, T> = S extends { default: string | number } ? { [K in Camel<N>]: T }
  : { [K in Camel<N>]?: T };
/** The property that `-p, --pid <pid:integer>` adds to the options. */
export type OptionOf<F extends string, S> = F extends `${string}--${infer N} <${infer V}>`
  ? Given<N, S, Value<V, Choice<S>>>
  : F extends `${string}--${infer N}` ? { [K in Camel<N>]?: boolean }
  : F extends `-${infer N} <${infer V}>` ? Given<N, S, Value<V, Choice<S>>>
  : F extends `-${infer N}` ? { [K in N]?: boolean }
  : never;
/** The tuple that `<function:string> [count:integer]` stands for. */
export type ArgumentsOf<A extends string> = A extends `${infer First} ${infer Rest}`
  ? [...ArgumentsOf<First>, ...ArgumentsOf<Rest>]
  : A extends `<${string}...${infer T}>` ? [Value<T>, ...Value<T>[]]
  : A extends `[${string}...${infer T}]` ? Value<T>[]
  : A extends `<${infer V}>` ? [Value<V>]
  : A extends `[${infer V}]` ? [Value<V>?]
  : [];
/** An intersection as one object type, for the sake of messages. */
export type Flat<T> = { [K in keyof T]: T[K] };

type Declaration = readonly [flags: string, description: string, settings?: OptionSettings];

/** What makes a value of a word. */
interface Valued {
  /** How messages call it: `--full-path`, or the argument's name. */
  label: string;
  /** `integer`, `integer[]` ... */
  type: string;
  settings: OptionSettings;
}

/** An option, its flags taken apart. */
interface Option extends Valued {
  short: string | undefined;
  /** `full-path`; the letter where there is no long name. */
  name: string;
  /** Property of the result: `fullPath`. */
  key: string;
  /** `PID`, for a value in the help; undefined for a flag. */
  value: string | undefined;
  description: string;
}

function option([flags, description, settings = {}]: Declaration): Option {
  const [names = "", spec] = flags.split(" <"),
    [value, type = "string"] = spec?.slice(0, -1).split(":") ?? [];
  const label = names.slice(Math.max(0, names.indexOf("--"))), long = label[1] === "-";
  const name = label.slice(long ? 2 : 1), short = names[1] === "-" ? undefined : names[1];
  const [first, ...more] = name.split("-");
  const key = first + more.map((part) => part[0]?.toUpperCase() + part.slice(1)).join("");
  return { short, name, label, key, value: value?.toUpperCase(), type, description, settings };
}

/** The value that a word stands for. */
function convert({ label, type, settings }: Valued, word: string): unknown {
  if (type.endsWith("[]")) {
    return word.split(",").map((part) => convert({ label, type: type.slice(0, -2), settings }, part));
  }
  const integer = type === "integer", limit = integer ? Number.MAX_SAFE_INTEGER : Number.MAX_VALUE;
  const { min = -limit, max = limit, choices } = settings;
  const fail = (what: string) => new ValidationError(`${label} needs ${what}, not '${word}'`);
  if (type === "string") {
    if (choices && !choices.includes(word)) throw fail(`one of ${choices.join(", ")}`);
    return word;
  }
  const number = Number(word), what = integer ? "a whole number" : "a number";
  const form = integer ? /^[-+]?\d+$/ : /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i;
  if (!form.test(word)) throw fail(what);
  if (number < min) throw fail(`${what} of at least ${min}`);
  if (number > max) throw fail(`${what} of at most ${max}`);
  return number;
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
  const short = rows.map(([term]) => term.length).filter((length) => length <= 30);
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
    return 80; // not a terminal
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
  readonly #options: Declaration[] = [];
  #arguments = "";
  #argumentSettings: OptionSettings = {};
  readonly #examples: [string, string][] = [];
  readonly #sections: [string, string | Record<string, string>][] = [];
  #action: ((options: O, ...args: A) => unknown) | undefined;

  /**
   * Sets the name.
   *
   * @param name What the tool is called.
   * @returns This command.
   */
  name(name: string): this {
    this.#name = name;
    return this;
  }

  /**
   * Sets the version.
   *
   * @param version What `--version` prints behind the name.
   * @returns This command.
   */
  version(version: string): this {
    this.#version = version;
    return this;
  }

  /**
   * Sets the description, with which the help begins.
   *
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
   *   `number`, or a comma-separated list of them (`integer[]`), which may be given in parts. Either name may be missing.
   *   The result is called by the long name: `--full-path` is `fullPath`.
   * @param description What it does, for the help.
   * @param settings Default, bounds and the like.
   * @returns This command.
   */
  option<const F extends string, const S extends OptionSettings = OptionSettings>(
    flags: F,
    description: string,
    settings?: S,
  ): Command<Flat<O & OptionOf<F, S>>, A> {
    this.#options.push([flags, description, settings ?? {}]);
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
    this.#arguments = spec;
    this.#argumentSettings = settings;
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
   * @param body A paragraph, or terms with their meanings.
   * @returns This command.
   */
  section(title: string, body: string | Record<string, string>): this {
    this.#sections.push([title, body]);
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

  /** What the tool is called. */
  getName(): string {
    return this.#name;
  }

  /** The tool's own options, then those that every tool has. */
  #all(): Option[] {
    const common: Declaration[] = [
      ["-v, --verbose", "Details on standard error"],
      ["-?, --help", "Show this help and exit"],
      ["--usage", "Show a short usage message and exit"],
      ["-V, --version", "Show the version and exit"],
    ];
    return [...this.#options, ...common].map(option);
  }

  /** The usage line. */
  #usage(options: string[], width: number): string {
    const operands = this.#arguments.replace(/:\w+/g, "").replace(/[<>]/g, "").toUpperCase();
    return wrap(["Usage:", this.#name, ...options, operands].join(" ").trimEnd(), width, 12) + "\n";
  }

  /**
   * The text of `--help`.
   *
   * @param width Columns of the terminal.
   * @returns Text that ends with a newline.
   */
  getHelp(width = 80): string {
    const options = this.#all().map(({ short, label, value, description, settings }) => {
      const { choices, default: initial } = settings, long = label[1] === "-";
      return [
        (long ? short ? `-${short}, ` : "    " : "") + label + (value ? (long ? "=" : " ") + value : ""),
        description + (choices ? `: ${choices.join(", ")}` : "") +
        (initial === undefined ? "" : ` (default ${initial})`),
      ] as const;
    });
    let help = this.#usage(["[OPTION...]"], width) + wrap(this.#description, width, 0) + "\n";
    const sections = [["Options", options], ["Examples", this.#examples], ...this.#sections] as const;
    for (const [title, body] of sections) {
      const text = typeof body === "string"
        ? wrap(`  ${body}`, width, 2) + "\n"
        : table(Array.isArray(body) ? body : Object.entries(body), width);
      if (text.length > 1) help += `\n${title}:\n${text}`;
    }
    return help;
  }

  /**
   * Spells a command line out for parseArgs, which knows neither abbreviations nor values behind grouped letters:
   * `--name` or `--name=value` for each option, in order, then `--` and the positional arguments.
   */
  #spellOut(argv: readonly string[], options: Option[]): string[] {
    const words: string[] = [], operands: string[] = [];
    let at = 0;
    const add = ({ name, value }: Option, label: string, attached: string | undefined) => {
      const given = value ? attached ?? argv[at++] : attached;
      if (value && given === undefined) throw new ValidationError(`${label} needs a value`);
      if (!value && given !== undefined) throw new ValidationError(`${label} takes no value`);
      words.push(value ? `--${name}=${given}` : `--${name}`);
      if (name === "help") throw new CommandExit(this.getHelp(terminal()), 0);
      if (name === "version") throw new CommandExit(`${this.#name} ${this.#version}\n`, 0);
      if (name === "usage") {
        const all = options.map(({ label, value }) => `[${label}${value ? `=${value}` : ""}]`);
        throw new CommandExit(this.#usage(all, terminal()), 0);
      }
    };
    while (at < argv.length) {
      const word = argv[at++]!;
      if (word === "--") {
        operands.push(...argv.slice(at));
        break;
      }
      if (word.startsWith("--")) {
        const [label = ""] = word.split("=", 1);
        const found = options.filter((option) => option.label.startsWith(label));
        const one = found.find((option) => option.label === label) ?? found[0];
        if (!one) throw new ValidationError(`unknown option ${label}`);
        if (found.length > 1 && one.label !== label) {
          throw new ValidationError(
            `${label} is ambiguous: ${found.map((option) => option.label).join(", ")}`,
          );
        }
        add(one, one.label, label === word ? undefined : word.slice(label.length + 1));
      } else if (word.length > 1 && word[0] === "-") {
        for (let i = 1; i < word.length; i++) {
          const label = `-${word[i]}`, one = options.find(({ short }) => short === word[i]);
          if (!one && label === "-h") throw new CommandExit(this.getHelp(terminal()), USAGE_STATUS);
          if (!one) throw new ValidationError(`unknown option ${label}`);
          add(one, label, one.value && word.slice(i + 1) || undefined);
          if (one.value) break;
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
    const options: Record<string, unknown> = {}, args: unknown[] = [];
    for (const declaration of this.#options) {
      const initial = declaration[2]?.default;
      if (initial !== undefined) options[option(declaration).key] = initial;
    }
    let operands: string[] = [];
    if (argv.length > 0) {
      const all = this.#all(), words = this.#spellOut(argv, all);
      const names = (kind: (option: Option) => unknown) => all.filter(kind).map(({ name }) => name);
      const given = parseArgs(words, {
        string: names(({ value }) => value),
        collect: names(({ type }) => type.endsWith("[]")),
      });
      operands = given._;
      for (const option of all) {
        const values = [given[option.name] ?? []].flat();
        if (values.length > 0) options[option.key] = option.value ? convert(option, values.join()) : true;
      }
    }
    for (const spec of this.#arguments ? this.#arguments.split(" ") : []) {
      const [name = "", type = "string"] = spec.slice(1, -1).split(":"), label = name.replace("...", "");
      const words = operands.splice(0, label === name ? 1 : Infinity);
      if (spec[0] === "<" && words.length === 0) {
        throw new ValidationError(`missing argument ${label.toUpperCase()}`);
      }
      args.push(...words.map((word) => convert({ label, type, settings: this.#argumentSettings }, word)));
    }
    if (operands.length > 0) throw new ValidationError(`surplus argument '${operands[0]}'`);
    await this.#action?.(options as O, ...args as A);
    return { options: options as O, args: args as A };
  }
}
