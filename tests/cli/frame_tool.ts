/**
 * A tool without a kernel: what the tests of the frame run as a process of its own.
 *
 * @module
 */

import { DetraceError } from "../../lib/error.ts";
import { Command, ValidationError } from "../../lib/cli/command.ts";
import { runTool } from "../../lib/cli/tool.ts";

const command = new Command()
  .name("frametool")
  .version("0.1")
  .description("Ends in every way there is.")
  .option("-m, --mode <mode:string>", "Way to end", {
    choices: ["end", "wait", "stuck", "flood", "error", "bug", "usage", "aborted", "summary"],
    default: "wait",
  })
  .option("-d, --duration <seconds:number>", "Stop after this many seconds")
  .arguments("[interval:number] [count:integer]");

await runTool(command, async ({ mode, duration }, tool) => {
  using _held = { [Symbol.dispose]: () => tool.warn("released") };
  const { output } = tool;
  output.text("ready").newline();
  if (mode !== "error" && mode !== "end") output.flush();
  tool.stopAfter(duration);
  if (mode === "error") throw new DetraceError("cannot open \x1b[31m/etc/x", { hint: "run it as root" });
  if (mode === "bug") throw new TypeError("x is not a function");
  if (mode === "usage") throw new ValidationError("-a and -b exclude each other");
  if (mode === "flood") {
    for (;;) output.text("a line that is followed by many more of its kind").newline();
  }
  if (mode === "summary") {
    for await (const _ of tool.intervals(...tool.args)) output.text("summary").newline();
  }
  if (mode === "wait") await tool.sleep();
  if (mode === "stuck") await new Promise((resolve) => setTimeout(resolve, 60_000));
  if (mode === "aborted") {
    await tool.sleep();
    tool.signal.throwIfAborted();
  }
});
