import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { Command, CommandExit, USAGE_STATUS, ValidationError } from "../../lib/cli/command.ts";

const command = new Command()
  .name("opensnoop")
  .version("0.1")
  .description(
    "Shows each open(2), and a purpose that is so long that it does not fit into one line of a terminal.",
  )
  .option("-d, --duration <seconds:number>", "Stop after this many seconds", { min: 0 })
  .option("-e, --extended-fields", "Show the flags and the mode")
  .option("-n, --name <name>", "Only processes whose command name contains this")
  .option("-p, --pid <pid:integer>", "Only this process", { min: 1, max: 0x7fffffff })
  .option("-P, --print-uid", "Show the user id")
  .option("-x, --failed", "Only failures")
  .option("-4, --ipv4", "IPv4 only")
  .option("-s", "Only a letter")
  .option("--offset <offset:integer>", "May be negative")
  .option("--ports <ports:integer[]>", "Comma-separated", { min: 1, max: 65535 })
  .option("--sort <sort:string>", "Order of the rows", { choices: ["all", "reads"], default: "all" })
  .option("-r, --rows <rows:integer>", "Rows shown", { default: 20 })
  .option("--perf-max-stack-depth <frames:integer>", "Frames per stack")
  .arguments("[interval:integer] [count:integer]", { min: 1 })
  .example("opensnoop -x", "only failures")
  .section("Columns", { PID: "Process", PATH: "Path" })
  .section("JSON", "One object a line.");

const none = { sort: "all", rows: 20 };

async function accepts(line: string, options: Record<string, unknown>, ...args: number[]): Promise<void> {
  const result = await command.parse(line.split(" "));
  assertEquals<unknown>(result, { options: { ...none, ...options }, args });
}

async function refuses(line: string, message: string): Promise<void> {
  const error = await assertRejects(() => command.parse(line.split(" ")), ValidationError);
  assertEquals(error.message, message);
}

async function shows(line: string): Promise<CommandExit> {
  return await assertRejects(() => command.parse(line.split(" ")), CommandExit);
}

Deno.test("no arguments: only the defaults", async () => {
  assertEquals(await command.parse([]), { options: { sort: "all", rows: 20 }, args: [] });
});

Deno.test("the types of options and arguments follow from their declaration", async () => {
  const { options, args } = await command.parse(["-p", "5"]);
  const types: {
    duration?: number;
    extendedFields?: boolean;
    name?: string;
    s?: boolean;
    ports?: number[];
    sort: "all" | "reads";
    rows: number;
    verbose?: boolean;
  } = options;
  const tuple: [number?, number?] = args;
  // @ts-expect-error: no such option
  options.nosuch;
  assertEquals([types.name, ...tuple], [undefined]);
  const more = await new Command().arguments("<action:string> [functions...:string]").parse([
    "trace",
    "a",
    "-v",
    "b",
  ]);
  const [action, ...functions]: [string, ...string[]] = more.args;
  assertEquals([action, functions, more.options.verbose], ["trace", ["a", "b"], true]);
});

Deno.test("a value comes in the same word or in the next one", async () => {
  for (const line of ["-p5", "-p 5", "--pid=5", "--pid 5", "--pi 5", "--pi=5"]) {
    await accepts(line, { pid: 5 });
  }
});

Deno.test("letters may be grouped, the last one with a value", async () => {
  await accepts("-ex", { extendedFields: true, failed: true });
  await accepts("-xp5", { failed: true, pid: 5 });
  await accepts("-xp 5", { failed: true, pid: 5 });
  await accepts("-4s", { ipv4: true, s: true });
});

Deno.test("everything behind a letter that takes a value is the value", async () => {
  await accepts("-nx", { name: "x" });
  await accepts("-n=x", { name: "=x" });
  await accepts("-n-x", { name: "-x" });
});

Deno.test("a long name may be shortened as long as it is the only one", async () => {
  await accepts("--dur 5", { duration: 5 });
  await accepts("--ext --verb", { extendedFields: true, verbose: true });
  await refuses("--p 5", "--p is ambiguous: --pid, --print-uid, --ports, --perf-max-stack-depth");
  await accepts("--pid 5", { pid: 5 });
});

Deno.test("a full name is never ambiguous", async () => {
  const both = new Command().option("--lock", "a").option("--locks <n:integer>", "b");
  assertEquals((await both.parse(["--lock"])).options, { lock: true });
});

Deno.test("options and arguments may be mixed, and -- ends the options", async () => {
  await accepts("1 -x 2", { failed: true }, 1, 2);
  await accepts("-x -- 1 2", { failed: true }, 1, 2);
  await refuses("-- -x", "interval needs a whole number, not '-x'");
  await refuses("-", "interval needs a whole number, not '-'");
});

Deno.test("a value may begin with a minus, look like an option, or be empty", async () => {
  await accepts("--offset -5", { offset: -5 });
  await accepts("--offset=-5", { offset: -5 });
  await accepts("-n --failed", { name: "--failed" });
  await accepts("-n --", { name: "--" });
  await accepts("--name=", { name: "" });
  assertEquals((await command.parse(["-n", ""])).options.name, "");
  assertEquals((await command.parse(["--name=a=b\nc"])).options.name, "a=b\nc");
});

Deno.test("text stays text, whatever it looks like", async () => {
  for (const word of ["5", "0x10", "1e3", "true", "false", "no-x", "a.b", "__proto__"]) {
    assertEquals((await command.parse(["-n", word])).options.name, word);
    assertEquals((await command.parse([`--name=${word}`])).options.name, word);
  }
});

Deno.test("the last of several values counts", () => accepts("-p5 --pid=6", { pid: 6 }));

Deno.test("a flag before an argument does not take it", () => accepts("-x 1", { failed: true }, 1));

Deno.test("numbers, lists and choices", async () => {
  await accepts("-d 1.5", { duration: 1.5 });
  await accepts("-d .5e1", { duration: 5 });
  await accepts("--ports 80,443", { ports: [80, 443] });
  await accepts("--ports 80", { ports: [80] });
  await accepts("--ports 80,443 -x --ports=22", { ports: [80, 443, 22], failed: true });
  await accepts("--sort reads", { sort: "reads" });
  await refuses("--ports 80,", "--ports needs a whole number, not ''");
  await refuses("--ports 80,70000", "--ports needs a whole number of at most 65535, not '70000'");
  await refuses("--sort size", "--sort needs one of all, reads, not 'size'");
});

Deno.test("wrong values are refused", async () => {
  for (const word of ["abc", "5x", "0x5", "1.5", "", "5 ", "١"]) {
    await refusesWords(["--pid", word], `--pid needs a whole number, not '${word}'`);
  }
  await refuses("--pid=0", "--pid needs a whole number of at least 1, not '0'");
  await refuses("--pid=2147483648", "--pid needs a whole number of at most 2147483647, not '2147483648'");
  await refuses(
    "--offset 9007199254740993",
    "--offset needs a whole number of at most 9007199254740991, not '9007199254740993'",
  );
  for (const word of ["abc", "1e", "NaN", "Infinity", "."]) {
    await refuses(`-d ${word}`, `--duration needs a number, not '${word}'`);
  }
  await refuses("-d -1", "--duration needs a number of at least 0, not '-1'");
  await refuses("0", "interval needs a whole number of at least 1, not '0'");

  async function refusesWords(words: string[], message: string): Promise<void> {
    assertEquals((await assertRejects(() => command.parse(words), ValidationError)).message, message);
  }
});

Deno.test("wrong options and arguments are refused", async () => {
  await refuses("--foo", "unknown option --foo");
  await assertRejects(() => command.parse(["--=5"]), ValidationError, "-- is ambiguous: --duration, ");
  await refuses("-Z", "unknown option -Z");
  await refuses("-xZ", "unknown option -Z");
  await refuses("-p", "-p needs a value");
  await refuses("-xp", "-p needs a value");
  await refuses("--pid", "--pid needs a value");
  await refuses("--failed=1", "--failed takes no value");
  await refuses("--fail=", "--failed takes no value");
  await refuses("1 2 3", "surplus argument '3'");
  const needs = new Command().arguments("<function:string>");
  for (const words of [[], ["-v"]]) {
    const error = await assertRejects(() => needs.parse(words), ValidationError);
    assertEquals(error.message, "missing argument FUNCTION");
  }
});

Deno.test("help, usage and version", async () => {
  for (const line of ["--help", "-?", "--he", "-x?"]) {
    const { status, text } = await shows(line);
    assertEquals([status, text], [0, command.getHelp()]);
  }
  assertEquals((await shows("-h")).status, USAGE_STATUS);
  assertEquals((await shows("-h")).text, command.getHelp());
  for (const line of ["--version", "-V"]) assertEquals((await shows(line)).text, "opensnoop 0.1\n");
  const usage = await shows("--usage");
  assertEquals(usage.status, 0);
  assertStringIncludes(usage.text, "Usage: opensnoop [--duration=SECONDS] [--extended-fields]");
  assertStringIncludes(usage.text, "[-s]");
});

Deno.test("a tool's own -h and -V come before the common ones", async () => {
  const own = new Command().option("-h, --host", "x").option("-V, --values", "y");
  assertEquals((await own.parse(["-hV"])).options, { host: true, values: true });
});

Deno.test("the help text", () => {
  assertEquals(
    command.getHelp(60),
    `Usage: opensnoop [OPTION...] [INTERVAL] [COUNT]
Shows each open(2), and a purpose that is so long that it
does not fit into one line of a terminal.

Options:
  -d, --duration=SECONDS  Stop after this many seconds
  -e, --extended-fields   Show the flags and the mode
  -n, --name=NAME         Only processes whose command name
                          contains this
  -p, --pid=PID           Only this process
  -P, --print-uid         Show the user id
  -x, --failed            Only failures
  -4, --ipv4              IPv4 only
  -s                      Only a letter
      --offset=OFFSET     May be negative
      --ports=PORTS       Comma-separated
      --sort=SORT         Order of the rows: all, reads
                          (default all)
  -r, --rows=ROWS         Rows shown (default 20)
      --perf-max-stack-depth=FRAMES
                          Frames per stack
  -v, --verbose           Details on standard error
  -?, --help              Show this help and exit
      --usage             Show a short usage message and
                          exit
  -V, --version           Show the version and exit

Examples:
  opensnoop -x  only failures

Columns:
  PID   Process
  PATH  Path

JSON:
  One object a line.
`,
  );
  for (const width of [50, 80, 200]) {
    for (const line of command.getHelp(width).split("\n")) assertEquals(line.length <= width, true, line);
  }
});

Deno.test("the action gets options and arguments", async () => {
  let seen: unknown;
  const acting = new Command().option("-x, --failed", "x").arguments("[interval:integer]")
    .action(({ failed }, interval) => {
      seen = [failed, interval];
    });
  await acting.parse(["-x", "5"]);
  assertEquals(seen, [true, 5]);
});
