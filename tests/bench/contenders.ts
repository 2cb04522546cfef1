// Who is compared: our tool in its forms, the C opensnoop, bpftrace.

import type { Contender } from "./process.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
/** The Deno that runs this. */
export const DENO: string = Deno.execPath();
/** Our tool's source. */
export const TOOL: string = ROOT + "tools/opensnoop.ts";
/** A file of the benchmark. */
export const here = (name: string): string => ROOT + "tests/bench/" + name;

/** Runs a command to its end and returns what it printed; undefined if it failed or took too long. */
export async function output(
  command: string,
  args: string[],
  env: Record<string, string> = {},
): Promise<string | undefined> {
  try {
    const signal = AbortSignal.timeout(180_000);
    const { success, stdout } = await new Deno.Command(command, {
      args,
      env: { NO_COLOR: "1", ...env },
      stdin: "null",
      stderr: "null",
      signal,
    }).output();
    return success ? new TextDecoder().decode(stdout) : undefined;
  } catch {
    return undefined;
  }
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

function onPath(name: string): string | undefined {
  const path = (Deno.env.get("PATH") ?? "") + ":/usr/sbin:/sbin";
  return path.split(":").map((folder) => `${folder}/${name}`).find(isFile);
}

const anchors = Deno.env.get("DETRACE_ANCHORS") ?? `${Deno.env.get("HOME")}/.cache/anchors`;

/** A C opensnoop: its program, what to run (its own dynamic linker in front, where it is unpacked), its version. */
export interface CTool {
  file: string;
  argv: string[];
  version: string;
}

/** The newest C opensnoop at hand. */
export function cTool(): CTool | undefined {
  const wrapper = `${anchors}/tools/bin/opensnoop`;
  if (isFile(wrapper)) {
    // A shell script that executes the program through its dynamic linker: without the shell's time.
    const argv = /^exec (.*) "\$@"$/m.exec(Deno.readTextFileSync(wrapper))?.[1]?.split(" ");
    if (argv) {
      const version = Deno.readTextFileSync(`${anchors}/tools/version`).trim();
      return { file: argv.at(-1)!, argv, version: `libbpf-tools ${version.replace(/\+.*/, "")}` };
    }
  }
  const file = onPath("opensnoop") ?? onPath("opensnoop-libbpf");
  return file === undefined ? undefined : { file, argv: [file], version: "libbpf-tools of this system" };
}

/** The newest bpftrace at hand. */
export async function bpftrace(): Promise<{ file: string; version: string } | undefined> {
  const newest = `${anchors}/bpftrace/bpftrace`, file = isFile(newest) ? newest : onPath("bpftrace");
  if (file === undefined) return undefined;
  return { file, version: (await output(file, ["--version"]))?.trim().replace("v", "") ?? "bpftrace" };
}

/** opensnoop for one process in bpftrace's language. */
export function bpftraceProgram(pid: number): string {
  // arm64 has no open(2).
  const calls = Deno.build.arch === "x86_64" ? ["open", "openat", "openat2"] : ["openat", "openat2"];
  const points = (side: string) => calls.map((call) => `tracepoint:syscalls:sys_${side}_${call}`).join(",\n");
  return `
    ${points("enter")} /pid == ${pid}/ { @name[tid] = args->filename; }
    ${points("exit")} /@name[tid]/ {
      $ret = (int64)args->ret;
      printf("%-6d %-16s %3d %3d %s\\n", pid, comm, $ret < 0 ? -1 : $ret, $ret < 0 ? -$ret : 0, str(@name[tid]));
      delete(@name[tid]);
    }`;
}

/** Our tool from source. */
export function ours(...args: string[]): Contender {
  return {
    name: "detrace",
    argv: [DENO, "run", "--no-check", "--no-prompt", "--allow-ffi", TOOL, ...args],
  };
}

/** Our tool as one minified file; undefined if it cannot be made. */
export async function bundle(folder: string): Promise<string | undefined> {
  const file = `${folder}/opensnoop.js`;
  const args = ["bundle", "--quiet", "--minify", "--sourcemap=external", "-o", file, TOOL];
  return await output(DENO, args) === undefined ? undefined : file;
}
