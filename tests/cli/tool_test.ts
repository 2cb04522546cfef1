import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { Tool } from "../../lib/cli/tool.ts";

const SCRIPT = new URL("./frame_tool.ts", import.meta.url).pathname;

/** Starts the tool without any permission. */
function start(...args: string[]): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-prompt", "--no-check", SCRIPT, ...args],
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

interface Result {
  status: number;
  out: string;
  err: string;
}

async function finish(child: Deno.ChildProcess): Promise<Result> {
  const { code, stdout, stderr } = await child.output();
  return { status: code, out: new TextDecoder().decode(stdout), err: new TextDecoder().decode(stderr) };
}

const run = (...args: string[]) => finish(start(...args));

/**
 * Sends signals to the tool once it says that it is ready; the last of several until it ends, since a signal that comes
 * before the same one was taken is one with it.
 */
async function signalled(
  args: string[],
  ...signals: Deno.Signal[]
): Promise<Omit<Result, "out"> & { ms: number }> {
  const child = start(...args), reader = child.stdout.getReader();
  assertEquals(new TextDecoder().decode((await reader.read()).value), "ready\n");
  const stderr = new Response(child.stderr).text(), begin = performance.now();
  let ended = false;
  const status = child.status.finally(() => ended = true);
  for (let i = 0; i < signals.length || signals.length > 1 && !ended; i++) {
    try {
      child.kill(signals[i] ?? signals.at(-1)!);
    } catch { /* it has just ended */ }
    await Promise.race([status, new Promise((resolve) => setTimeout(resolve, 50))]);
  }
  const { code } = await status;
  const ms = performance.now() - begin;
  await reader.cancel();
  return { status: code, err: await stderr, ms };
}

Deno.test("a tool that ends by itself: its output, what it holds released, 0", async () => {
  assertEquals(await run("-m", "end"), { status: 0, out: "ready\n", err: "frametool: released\n" });
});

Deno.test("Ctrl-C and SIGTERM end with 0, promptly, after releasing", async () => {
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    for (const args of [[], ["-m", "aborted"], ["-m", "summary"]]) {
      const { status, err, ms } = await signalled(args, signal);
      assertEquals([status, err], [0, "frametool: released\n"]);
      assertEquals(ms < 2000, true, `${ms} ms`);
    }
  }
});

Deno.test("a second Ctrl-C ends a tool that does not stop", async () => {
  assertEquals((await signalled(["-m", "stuck"], "SIGINT", "SIGINT")).status, 130);
  assertEquals((await signalled(["-m", "stuck"], "SIGINT", "SIGTERM")).status, 143);
});

Deno.test("a duration ends with 0", async () => {
  assertEquals(await run("-d", "0.1"), { status: 0, out: "ready\n", err: "frametool: released\n" });
});

Deno.test("intervals end with their count, or with the duration after a last one", async () => {
  assertEquals((await run("-m", "summary", "0.01", "2")).out, "ready\nsummary\nsummary\n");
  assertEquals((await run("-m", "summary", "-d", "0.1")).out, "ready\nsummary\n");
});

Deno.test("a closed pipe ends quietly with 0", async () => {
  const child = start("-m", "flood"), reader = child.stdout.getReader();
  await reader.read();
  await reader.cancel();
  const err = await new Response(child.stderr).text();
  assertEquals([(await child.status).code, err], [0, "frametool: released\n"]);
});

Deno.test("an error: what was printed before, one safe sentence, 1", async () => {
  assertEquals(await run("-m", "error"), {
    status: 1,
    out: "ready\n",
    err: "frametool: released\nframetool: cannot open \\x1b[31m/etc/x (run it as root)\n",
  });
});

Deno.test("a bug says that it is one, and where only with -v", async () => {
  const { status, err } = await run("-m", "bug");
  assertEquals(status, 1);
  assertEquals(
    err,
    "frametool: released\nframetool: x is not a function (this is a bug in detrace; -v shows where)\n",
  );
  assertMatch(
    (await run("-v", "-m", "bug")).err,
    /bug in detrace\)\n.*TypeError: x is not a function\n +at .*frame_tool/s,
  );
});

Deno.test("a wrong command line, found by the frame or by the tool: 64", async () => {
  const hint = "Try 'frametool --help' or 'frametool --usage' for more information.\n";
  assertEquals(await run("--foo"), { status: 64, out: "", err: `frametool: unknown option --foo\n${hint}` });
  const { status, err } = await run("-m", "usage");
  assertEquals([status, err], [64, `frametool: released\nframetool: -a and -b exclude each other\n${hint}`]);
});

Deno.test("help: --help on standard output and 0, -h on standard error and 64", async () => {
  const help = await run("--help"), h = await run("-h");
  assertEquals([help.status, help.err, h.status, h.out], [0, "", 64, ""]);
  assertStringIncludes(
    help.out,
    "Usage: frametool [OPTION...] [INTERVAL] [COUNT]\nEnds in every way there is.\n",
  );
  assertEquals(h.err, help.out);
  assertEquals(await run("-V"), { status: 0, out: "frametool 0.1\n", err: "" });
  assertEquals((await run("--usage")).status, 0);
});

Deno.test({
  name: "a full disk is an error",
  ignore: Deno.build.os !== "linux",
  fn: async () => {
    const shell = new Deno.Command("sh", {
      args: [
        "-c",
        `exec "$0" run --quiet --no-prompt --no-check "$1" -m end >/dev/full`,
        Deno.execPath(),
        SCRIPT,
      ],
      stderr: "piped",
    });
    const { code, stderr } = await shell.output();
    assertEquals(code, 1);
    assertMatch(
      new TextDecoder().decode(stderr),
      /^frametool: cannot write the output: No space left on device/m,
    );
  },
});

Deno.test("a sleep ends at once when the tool is stopped, also when it was before", async () => {
  const tool = new Tool("t", []), begin = performance.now();
  setTimeout(() => tool.stop(), 20);
  await tool.sleep(1e9);
  await tool.sleep(1e9);
  assertEquals(performance.now() - begin < 1000, true);
  let rounds = 0;
  for await (const _ of tool.intervals(1, 5)) rounds++;
  assertEquals(rounds, 0);
});

Deno.test("a tool that was stopped in an interval comes round once more", async () => {
  const tool = new Tool("t", []);
  let rounds = 0;
  tool.stopAfter(0.02);
  for await (const _ of tool.intervals(undefined, undefined)) rounds++;
  assertEquals(rounds, 1);
});
