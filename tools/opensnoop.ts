#!/usr/bin/env -S deno run --allow-ffi
/**
 * opensnoop: shows each open(2), openat(2) and openat2(2) with its result.
 *
 * @module
 */

import { type Event, Opensnoop } from "../bpf/opensnoop.ts";
import { Command } from "../lib/cli/command.ts";
import { printable } from "../lib/cli/escape.ts";
import { Table } from "../lib/cli/output.ts";
import { runTool } from "../lib/cli/tool.ts";

const O_CREAT = 0o100, O_TMPFILE = 0o20000000; // include/uapi/asm-generic/fcntl.h

const command = new Command()
  .name("opensnoop")
  .version("0.1")
  .description("Shows each open(2), openat(2) and openat2(2), system-wide, with its result.")
  .option("-d, --duration <seconds:integer>", "Stop after this many seconds", { min: 1 })
  .option("-e, --extended-fields", "Show the flags and the mode")
  .option("-F, --full-path", "Show relative paths with the directory that they start from")
  .option("-n, --name <name>", "Only processes whose command name contains this")
  .option("-p, --pid <pid:integer>", "Only this process", { min: 1, max: 0x7fffffff })
  .option("-t, --tid <tid:integer>", "Only this thread", { min: 1, max: 0x7fffffff })
  .option("-T, --timestamp", "Show the time")
  .option("-u, --uid <uid:integer>", "Only this user", { min: 0, max: 0xfffffffe })
  .option("-U, --print-uid", "Show the user id")
  .option("-x, --failed", "Only failures")
  .option("-c, --callers", "Show the two functions that led to the call")
  .option("--json", "Print one JSON object a line")
  .option("--btf <file>", "Read the kernel's types from this BTF file")
  .example("opensnoop -x -p 1234", "what process 1234 fails to open")
  .example("opensnoop -T -n nginx -d 10", "ten seconds of nginx, with the time")
  .example("opensnoop --json | jq -r 'select(.err == 13).path'", "what is refused for want of permission")
  .section("Columns", {
    "TIME": "Local time (with -T)",
    "UID": "User of the process (with -U)",
    "PID": "Process",
    "COMM": "Command name of the thread",
    "FD": "File descriptor that came back, -1 for a failure",
    "ERR": "Error number, 0 for none; errno(3) lists them",
    "FLAGS": "Flags of the call, octal (with -e)",
    "MODE": "Permission bits for a file that is made, octal (with -e)",
    "PATH": "Path as the program gave it. Control characters and bytes that are not UTF-8 show as \\xNN",
  })
  .section(
    "JSON",
    "Fields: time (seconds since 1970), uid, pid, tid, comm, fd, err, flags, mode (null where no file is made), path, and " +
      "with -c callers. Text is exact: a byte that is not UTF-8 appears as \\udcNN, as Python's surrogateescape has it.",
  );

await runTool(command, async (options, tool) => {
  const out = tool.output, { name } = options;
  using bpf = new Opensnoop();
  const { globals } = bpf;
  if (options.pid !== undefined) globals.targetPid = options.pid;
  if (options.tid !== undefined) globals.targetTid = options.tid;
  if (options.uid !== undefined) globals.targetUid = options.uid;
  globals.failedOnly = options.failed ?? false;
  globals.wantCallers = options.callers ?? false;
  globals.wantDirectory = options.fullPath ?? false;
  // A system call's record is laid out the same everywhere, but for old real-time kernels. Where it is, and no directory is
  // looked for, nothing has to be relocated, and the kernel's BTF is not read.
  const plain = options.btf === undefined && bpf.fieldOffset("syscalls/sys_enter_openat", "dfd") === 16;
  const leave = plain && !options.fullPath ? "leave_any" : "relocated_leave_any";
  for (const program of bpf.spec.programs.values()) program.autoload = program.name === leave;
  // arm64 has no open(2), and kernels before 5.6 have no openat2(2).
  const calls = ["open", "openat", "openat2"].filter((call) =>
    bpf.keepIfPresent(`${plain ? "" : "relocated_"}enter_${call}`)
  );
  await bpf.load({ btf: options.btf });
  const callersOf = options.callers ? await (await import("../lib/cli/stacks.ts")).userStacks() : undefined;

  const table = new Table(out, [
    { title: "TIME", width: 8, show: options.timestamp },
    { title: "UID", width: 7, show: options.printUid },
    { title: "PID", width: 6 },
    { title: "TID", width: 6, show: false },
    { title: "COMM", width: 16 },
    { title: "FD", width: 3, right: true },
    { title: "ERR", width: 3, right: true },
    { title: "FLAGS", width: 8, show: options.extendedFields },
    { title: "MODE", width: 5, show: options.extendedFields },
    { title: options.callers ? "PATH/CALLER" : "PATH", key: "path" },
    ...(callersOf && options.json ? [{ title: "CALLERS" }] : []),
  ], options.json);
  const indent = " ".repeat(
    32 + (options.timestamp ? 9 : 0) + (options.printUid ? 8 : 0) + (options.extendedFields ? 15 : 0),
  );

  const print = (event: Event) => {
    if (name !== undefined && !event.comm.includes(name)) return;
    const { ret, flags, bytes } = event;
    table.time().number(event.uid).number(event.pid).number(event.tid)
      .cstring(bytes, event.commStart, event.commEnd)
      .number(ret < 0 ? -1 : ret).number(ret < 0 ? -ret : 0).octal(flags, 8);
    if (flags & (O_CREAT | O_TMPFILE)) table.octal(event.mode, 4);
    else table.none("n/a");
    if (event.directory === 0) table.cstring(bytes, event.pathStart, event.pathEnd);
    else {
      const path = fullPath(event);
      table.cstring(path, 0, path.length);
    }
    const callers = callersOf?.(event.pid, event.callers);
    if (callers && options.json) table.json(callers);
    table.end();
    if (callers && !options.json) {
      for (const caller of callers) out.text(indent + printable(caller)).newline();
    }
  };

  let lost = 0n;
  const batchEnd = () => {
    out.flush();
    if (globals.lost === lost) return;
    tool.warn(`lost ${globals.lost - lost} events`);
    lost = globals.lost;
  };

  bpf.attach();
  for (const call of calls) bpf.attachProgram(leave, `syscalls/sys_exit_${call}`);
  if (options.verbose) tool.warn(`attached to the tracepoints of ${calls.join(", ")}`);
  table.header();
  out.flush();
  tool.stopAfter(options.duration);
  await bpf.events.forEach(print, { signal: tool.signal, batchEnd });
  batchEnd();
});

/** The directory's names, which stand behind the path with the innermost first, then the path itself. */
function fullPath(event: Event): Uint8Array {
  const { bytes, pathStart, pathEnd } = event;
  const names = pathStart + event.directory, path = new Uint8Array(pathEnd - pathStart + 4);
  let to = path.length;
  const prepend = (start: number, end: number) => path.set(bytes.subarray(start, end), to -= end - start);
  prepend(pathStart, bytes.indexOf(0, pathStart));
  for (let start = names, end; start < pathEnd; start = end + 1) {
    end = bytes.indexOf(0, start);
    path[--to] = 47; // '/'
    prepend(start, end);
  }
  path[--to] = 47;
  if (event.cut) path.fill(46, to -= 3, to + 3); // "...": the directories above did not fit
  return path.subarray(to);
}
