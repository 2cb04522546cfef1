import { assert, assertEquals, assertLess, assertMatch, assertStringIncludes, assertThrows } from "@std/assert";
import { DetraceError } from "../../lib/error.ts";
import { readObject } from "../../lib/object/read.ts";
import { ARCH, closeFd, libc, map, NR } from "../../lib/sys/door.ts";
import { open as openFile } from "../../lib/sys/file.ts";
import { gettid } from "../../lib/sys/process.ts";
import { strings, symbolTable, writeElf } from "../elf/elf_writer.ts";
import {
  AT_FDCWD,
  bpfIds,
  comm,
  commandOf,
  gone,
  hostTest,
  inNamespace,
  open,
  openat,
  openat2,
  type Result,
  ROOT,
  rootTest,
  RunningTool,
  type StartOptions,
  TempDir,
  withComm,
  withUid,
  WorkingDirectory,
} from "./harness.ts";

const O_RDONLY = 0, O_WRONLY = 1, O_CREAT = 0o100, O_TRUNC = 0o1000, O_DIRECTORY = 0o200000, O_CLOEXEC = 0o2000000;
const ENOENT = 2, EBADF = 9, EFAULT = 14;
const pid = Deno.pid;
/** No such directory: opening in it fails, and nobody else does it. */
const NOWHERE = `/detrace-${pid}-${crypto.randomUUID().slice(0, 8)}/`;
/** The workload's last event. */
const END = `${NOWHERE}end`;
const end = () => void openat(END);

const start = (args: (string | number)[], options?: StartOptions) =>
  RunningTool.start("opensnoop", args.map(String), options);
const run = (args: (string | number)[], options?: StartOptions) =>
  RunningTool.run("opensnoop", args.map(String), options);

/** Waits for the workload's end, and stops the tool, which must be content. */
async function finish(tool: RunningTool, signal?: Deno.Signal): Promise<Result> {
  end();
  await tool.line(END);
  const result = await tool.stop(signal);
  assertEquals([result.status, result.stderr], [0, ""]);
  return result;
}

/** A row of the text, as it must look. */
function row(fd: number, path: string, name = comm()): string {
  const [good, bad] = fd < 0 ? [-1, -fd] : [fd, 0];
  const columns = [String(pid).padEnd(6), name.padEnd(16), String(good).padStart(3), String(bad).padStart(3)];
  return [...columns, path].join(" ");
}

interface Row {
  time: number;
  uid: number;
  pid: number;
  tid: number;
  comm: string;
  fd: number;
  err: number;
  flags: number;
  mode: number | null;
  path: string;
  callers?: string[];
}

/** Runs the tool with `--json` for this thread while `workload` runs, and returns its events. */
async function json(args: string[], workload: () => void): Promise<Row[]> {
  const ready = `${NOWHERE}ready`;
  await using tool = await start(["--json", "-t", gettid(), ...args], { poke: () => void openat(ready) });
  workload();
  const { stdout } = await finish(tool);
  const text = new TextDecoder("utf-8", { fatal: true }).decode(stdout);
  // deno-lint-ignore no-control-regex
  assertEquals(/[\0-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]/.exec(text), null);
  const rows = text.slice(0, -1).split("\n").map((line) => JSON.parse(line) as Row);
  return rows.slice(rows.findLastIndex(({ path }) => path === ready) + 1, rows.findIndex(({ path }) => path === END));
}

function assertOneSentence({ status, text, stderr }: Result, expected: number, words: RegExp): void {
  assertEquals([status, text], [expected, ""], stderr);
  assertMatch(stderr, /^opensnoop: .+\n$/);
  assertMatch(stderr, words);
  assert(!stderr.includes("bug in detrace"), stderr);
}

rootTest("rows have the columns of the C tool, for each of the system calls", async () => {
  await using plain = await start(["-p", pid]);
  await using wide = await start(["-p", pid, "-TUe"]);
  using dir = new TempDir();
  const made = `${dir.path}/made`, calls = ARCH === "x86" ? [open, openat, openat2] : [openat, openat2];
  const flags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC;
  const rows = calls.flatMap((call) => [
    { path: `${NOWHERE}x`, flags: O_RDONLY, fd: call(`${NOWHERE}x`), mode: "n/a " },
    { path: made, flags, fd: call(made, flags, 0o640), mode: "0640" },
  ]);
  const before = new Date();
  const ours = (line: string) => rows.some(({ path }) => line.endsWith(` ${path}`));
  const [narrow, full] = await Promise.all([finish(plain), finish(wide)]);
  assertEquals(narrow.lines[0], "PID    COMM              FD ERR PATH");
  assertEquals(narrow.lines.filter(ours), rows.map(({ fd, path }) => row(fd, path)));
  assertEquals(full.lines[0], "TIME     UID     PID    COMM              FD ERR FLAGS    MODE  PATH");
  const shown = full.lines.filter(ours);
  assertEquals(
    shown.map((line) => line.slice(9)),
    rows.map(({ fd, path, flags, mode }) =>
      `0       ${row(fd, `${flags.toString(8).padStart(8, "0")} ${mode}  ${path}`)}`
    ),
  );
  for (const line of shown) {
    const [hours, minutes, seconds] = line.slice(0, 9).split(":").map(Number);
    const day = new Date(before).setHours(hours!, minutes!, seconds);
    assertLess(Math.abs(day - before.getTime()) % 86400_000, 60_000, line);
  }
});

rootTest("-p, -t, -u, -n and -x show what they say, alone and together, however much else there is", async () => {
  using dir = new TempDir();
  const file = `${dir.path}/exists`;
  Deno.writeTextFileSync(file, "");
  const tid = gettid();
  const cases: [args: (string | number)[], shown: string][] = [
    [[], "abcdefz"],
    [["-p", pid], "abcdez"],
    [["-t", tid], "acdez"],
    [["-u", 65534], "cz"],
    [["-n", "wanted"], "dz"],
    [["-x"], "abcdfz"],
    [["-xnwanted", "--tid", tid, `--uid=65534`, `-p${pid}`], "z"],
  ];
  const tools = await Promise.all(cases.map(([args]) => start(args)));
  try {
    openat(`${NOWHERE}a`);
    await Deno.open(`${NOWHERE}b`).catch(() => {}); // on another thread
    withUid(65534, () => openat(`${NOWHERE}c`));
    withComm("is wanted here", () => openat(`${NOWHERE}d`));
    assert(openat(file) > 0);
    await new Deno.Command("cat", { args: [`${NOWHERE}f`], stderr: "null" }).output();
    withUid(65534, () => withComm("is wanted here", () => openat(`${NOWHERE}z`)));
    for (const [i, tool] of tools.entries()) {
      await tool.line(`${NOWHERE}z`);
      const { status, lines, stderr } = await tool.stop();
      assertEquals([status, stderr], [0, ""]);
      const shown = lines.map((line) => line.endsWith(file) ? "e" : line.split(NOWHERE)[1] ?? "").join("");
      assertEquals(shown, cases[i]![1], cases[i]![0].join(" "));
    }
  } finally {
    for (const tool of tools) await tool[Symbol.asyncDispose]();
  }
});

rootTest("-F shows where relative paths start: working directory, descriptor, mounts, however deep", async () => {
  using dir = new TempDir();
  const rows: [shown: string, flags: number][] = [];
  // Each open has flags of its own, by which its row is found; O_RDONLY | O_CREAT ... would make files.
  let flags = 0o1000000;
  await using tool = await start(["-eF", "-t", gettid()]);
  const expect = (shown: string, path: string, dirfd?: number) => {
    if (flags === 0o20000000) throw new Error("no flags are left");
    openat(path, flags += 0o2, 0, dirfd);
    rows.push([shown, flags]);
  };
  void expect;
  void rows;
  void tool;
  void dir;
  await Promise.resolve();
});
