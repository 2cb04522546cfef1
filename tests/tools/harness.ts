/**
 * Tools under test: started as their users start them, waited for until they are attached, shown a workload of this
 * very process, stopped with a signal. Nothing sleeps for a fixed time: emulated machines need seconds to attach.
 *
 * @module
 */

import { type IdKind, nextId } from "../../lib/sys/bpf.ts";
import { ARCH, type Buffer, closeFd, errno, extra, libc, NR } from "../../lib/sys/door.ts";
import { getuid } from "../../lib/sys/process.ts";

/** The repository's root directory. */
export const ROOT: string = decodeURIComponent(new URL("../..", import.meta.url).pathname);
const DEADLINE = 90_000; // ms, for whatever is waited for

/** A test that needs root; it is run under other kernels too, so it should be quick. */
export function rootTest(name: string, fn: (t: Deno.TestContext) => Promise<void>): void {
  Deno.test({ name: `${name} (root)`, ignore: getuid() !== 0, fn });
}

/** A test that needs root, of something that does not depend on the kernel. */
export function hostTest(name: string, fn: (t: Deno.TestContext) => Promise<void>): void {
  Deno.test({ name: `${name} (as root)`, ignore: getuid() !== 0, fn });
}

/** How a tool ended, and all that it printed. */
export interface Result {
  /** The exit status; 128 + the signal's number where a signal ended it. */
  readonly status: number;
  /** Standard output, byte for byte. */
  readonly stdout: Uint8Array;
  /** The same as text. */
  readonly text: string;
  /** The same in lines, without their ends. */
  readonly lines: string[];
  /** Standard error. */
  readonly stderr: string;
}

/** How to start a tool. */
export interface StartOptions {
  /**
   * Makes an event that the tool shows; done until the first line appears. For those whose first line says nothing:
   * `--json` prints no header, and C tools keep their lines until a block is full.
   */
  poke?: () => void;
  /** What to run instead of `tools/NAME.ts` with `--allow-ffi` alone; the arguments follow. */
  command?: string[];
  /** More environment. */
  env?: Record<string, string>;
  /** Working directory, the repository if not given. */
  cwd?: string;
}

/** The command line that starts a tool of the repository, with nothing allowed but FFI. */
export function commandOf(name: string, permissions: string[] = ["--allow-ffi"]): string[] {
  const flags = ["--no-prompt", "--no-check", "--cached-only", ...permissions];
  return [Deno.execPath(), "run", ...flags, `${ROOT}tools/${name}.ts`];
}

/** A running tool. `await using` ends it, whatever happens. */
export class RunningTool implements AsyncDisposable {
  /** Complete lines of standard output so far. */
  readonly lines: string[] = [];
  readonly #child: Deno.ChildProcess;
  readonly #chunks: Uint8Array[] = [];
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #what: string;
  #stderr = "";
  #rest = "";
  #ended = false;
  #changed = Promise.withResolvers<void>();
  readonly #result: Promise<Result>;

  private constructor(argv: string[], { env, cwd }: StartOptions) {
    this.#what = argv.slice(argv.findIndex((word) => word.startsWith(ROOT))).join(" ");
    const [program, ...args] = argv;
    this.#child = new Deno.Command(program!, {
      args,
      cwd: cwd ?? ROOT,
      env: { DENO_NO_UPDATE_CHECK: "1", NO_COLOR: "1", ...env },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#reader = this.#child.stdout.getReader();
    this.#result = this.#collect();
  }

  /**
   * Starts a tool and waits for its first line: then it is attached.
   *
   * @param name `opensnoop`, a file in tools/.
   * @param args Its arguments.
   * @param options How, if not as usual.
   */
  static async start(name: string, args: string[], options: StartOptions = {}): Promise<RunningTool> {
    const tool = new RunningTool([...options.command ?? commandOf(name), ...args], options);
    try {
      await tool.#until(() => tool.lines.length > 0, "its first line", options.poke);
      return tool;
    } catch (error) {
      await tool[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Runs a tool that ends by itself. */
  static async run(name: string, args: string[], options: StartOptions = {}): Promise<Result> {
    await using tool = new RunningTool([...options.command ?? commandOf(name), ...args], options);
    return await tool.end();
  }

  /** Its process id. */
  get pid(): number {
    return this.#child.pid;
  }

  /** What it has printed on standard error so far. */
  get stderr(): string {
    return this.#stderr;
  }

  /**
   * Waits for a line that holds `text`.
   *
   * @param text The sentinel: part of the last event of the workload, say.
   * @param poke Done until it is there.
   * @returns The first such line.
   */
  async line(text: string, poke?: () => void): Promise<string> {
    let found: string | undefined, seen = 0;
    await this.#until(
      () => {
        for (; found === undefined && seen < this.lines.length; seen++) {
          if (this.lines[seen]!.includes(text)) found = this.lines[seen];
        }
        return found !== undefined;
      },
      `a line with ${JSON.stringify(text)}`,
      poke,
    );
    return found!;
  }

  /** Sends a signal. */
  kill(signal: Deno.Signal): void {
    this.#child.kill(signal);
  }

  /** Closes our end of its standard output, as `head` does. */
  async hangUp(): Promise<void> {
    await this.#reader.cancel();
  }

  /** Waits for its end. `poke` is done until then. */
  async end(poke?: () => void): Promise<Result> {
    await this.#until(() => this.#ended, "its end", poke);
    return await this.#result;
  }

  /** Ends it with a signal, and waits for it. */
  async stop(signal: Deno.Signal = "SIGINT"): Promise<Result> {
    this.kill(signal);
    return await this.end();
  }

  /** Ends it if it still runs. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#ended) this.#child.kill("SIGKILL"); // also ends what is stopped
    await this.#result;
  }

  async #until(done: () => boolean, what: string, poke?: () => void): Promise<void> {
    const deadline = performance.now() + DEADLINE;
    while (!done()) {
      const why = this.#ended
        ? `ended with ${(await this.#result).status}`
        : performance.now() > deadline
        ? "runs on"
        : undefined;
      if (why !== undefined && !done()) {
        throw new Error(
          `${this.#what} ${why} without ${what}\n${this.#stderr}${this.lines.slice(-10).join("\n")}`,
        );
      }
      poke?.();
      let timer: ReturnType<typeof setTimeout> | undefined;
      const tick = new Promise((wake) => timer = setTimeout(wake, poke ? 20 : 1000));
      await Promise.race([this.#changed.promise, tick]);
      clearTimeout(timer);
    }
  }

  #change(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }

  async #collect(): Promise<Result> {
    const output = async () => {
      const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
      for (;;) {
        const { value } = await this.#reader.read();
        if (!value) break;
        this.#chunks.push(value);
        const lines = (this.#rest + decoder.decode(value, { stream: true })).split("\n");
        this.#rest = lines.pop()!;
        for (const line of lines) this.lines.push(line);
        this.#change();
      }
    };
    const errors = async () => {
      for await (const text of this.#child.stderr.pipeThrough(new TextDecoderStream())) {
        this.#stderr += text;
        this.#change();
      }
    };
    const [{ code }] = await Promise.all([this.#child.status, output(), errors()]);
    if (this.#rest) this.lines.push(this.#rest);
    const stdout = new Uint8Array(await new Blob(this.#chunks as Uint8Array<ArrayBuffer>[]).arrayBuffer());
    this.#ended = true;
    this.#change();
    const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(stdout);
    return { status: code, stdout, text, lines: this.lines, stderr: this.#stderr };
  }
}

/** Runs a shell script in mount and other namespaces of its own; `"$@"` in it is the tool's command line. */
export function inNamespace(script: string, command: string[]): string[] {
  return ["unshare", "--mount", "sh", "-ec", script, "sh", ...command];
}

/** The kernel objects that a process has descriptors of. */
export async function bpfIds(pid: number): Promise<Record<"prog" | "map" | "link", number[]>> {
  const ids = { prog: [] as number[], map: [] as number[], link: [] as number[] };
  for await (const { name } of Deno.readDir(`/proc/${pid}/fdinfo`)) {
    const text = await Deno.readTextFile(`/proc/${pid}/fdinfo/${name}`).catch(() => "");
    const what = text.includes("link_id:") ? "link" : text.includes("map_id:") ? "map" : "prog";
    const id = new RegExp(`^${what}_id:\\s*(\\d+)`, "m").exec(text)?.[1];
    if (id) ids[what].push(Number(id));
  }
  return ids;
}

/** Waits until the kernel has let go of all these objects, which it does a little after the last descriptor is closed. */
export async function gone(ids: Partial<Record<IdKind, number[]>>): Promise<void> {
  const deadline = performance.now() + DEADLINE;
  for (const [kind, list] of Object.entries(ids) as [IdKind, number[]][]) {
    for (const id of list) {
      while (nextId(kind, id - 1) === id) {
        if (performance.now() > deadline) throw new Error(`the kernel still has ${kind} ${id}`);
        await new Promise((wake) => setTimeout(wake, 10));
      }
    }
  }
}

// From here on the other end of the tests: what is done to be seen. Each call is made by the calling thread, and makes no
// other event.

/** "Directory" of a path that begins in the working directory. */
export const AT_FDCWD = -100;

/** A path in C's form: any bytes. */
function cpath(path: string | Uint8Array): Buffer {
  const bytes = typeof path === "string" ? new TextEncoder().encode(path) : path;
  const c: Buffer = new Uint8Array(bytes.length + 1);
  c.set(bytes);
  return c;
}

/** The result of a call: what it returned, or the error number below zero. A descriptor is closed. */
function opened(result: number): number {
  if (result < 0) return -errno();
  closeFd(result);
  return result;
}

/** openat(2); the file is closed again. @returns The descriptor that it was, or minus the error number. */
export function openat(path: string | Uint8Array, flags = 0, mode = 0, dirfd: number = AT_FDCWD): number {
  return opened(libc().call(NR.openat, dirfd, cpath(path), flags, mode, null));
}

/** open(2), which only x86 has; as {@link openat}. */
export function open(path: string | Uint8Array, flags = 0, mode = 0): number {
  return opened(libc().front(2, cpath(path), flags, mode, 0, 0));
}

let openat2Call: ((nr: number, dirfd: number, path: Buffer, how: Buffer, size: number) => number) | undefined;

/** openat2(2); as {@link openat}. */
export function openat2(
  path: string | Uint8Array,
  flags = 0,
  mode = 0,
  dirfd: number = AT_FDCWD,
): number {
  openat2Call ??= extra({
    openat2: { name: "syscall", parameters: ["i32", "i32", "buffer", "buffer", "u32"], result: "i32" },
  }).openat2;
  const how = new BigUint64Array([BigInt(flags), BigInt(mode), 0n]); // struct open_how
  return opened(openat2Call(437, dirfd, cpath(path), new Uint8Array(how.buffer), 24));
}

const [PRCTL, SETRESUID] = ARCH === "x86" ? [157, 117] : [167, 147];

/** Runs something with another command name of this thread: up to 15 bytes, any but NUL. */
export function withComm<T>(comm: string | Uint8Array, fn: () => T): T {
  const before: Buffer = new Uint8Array(16);
  libc().call(PRCTL, 16, before, 0, 0, null); // PR_GET_NAME
  libc().call(PRCTL, 15, cpath(comm), 0, 0, null); // PR_SET_NAME
  try {
    return fn();
  } finally {
    libc().call(PRCTL, 15, before, 0, 0, null);
  }
}

/** This thread's command name. */
export function comm(): string {
  const bytes: Buffer = new Uint8Array(16);
  libc().call(PRCTL, 16, bytes, 0, 0, null);
  return new TextDecoder().decode(bytes.subarray(0, bytes.indexOf(0)));
}

/** Runs something as another user, this thread alone; it keeps the rights that it has. */
export function withUid<T>(uid: number, fn: () => T): T {
  if (libc().control(SETRESUID, uid, -1, -1, null) !== 0) throw new Error(`setresuid: ${errno()}`);
  try {
    return fn();
  } finally {
    libc().control(SETRESUID, 0, -1, -1, null);
  }
}

/** Runs something without root's rights, this thread alone: its effective user is another one meanwhile. */
export function withoutRights<T>(fn: () => T): T {
  if (libc().control(SETRESUID, -1, 65534, -1, null) !== 0) throw new Error(`setresuid: ${errno()}`);
  try {
    return fn();
  } finally {
    libc().control(SETRESUID, -1, 0, -1, null);
  }
}

/** A directory that is removed at the end of the scope. */
export class TempDir implements Disposable {
  /** Its path, with all links followed. */
  readonly path: string = Deno.realPathSync(Deno.makeTempDirSync({ prefix: "detrace" }));

  /** Removes it with all that is in it, however deep. */
  [Symbol.dispose](): void {
    new Deno.Command("rm", { args: ["-rf", this.path] }).outputSync();
  }
}

/** Moves this process into a directory for the time being. */
export class WorkingDirectory implements Disposable {
  readonly #before = Deno.cwd();

  constructor(path: string) {
    Deno.chdir(path);
  }

  /** Moves it back. */
  [Symbol.dispose](): void {
    Deno.chdir(this.#before);
  }
}
