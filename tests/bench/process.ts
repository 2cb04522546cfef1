// Processes started and watched without a detour: posix_spawn(3), a terminal or a file as standard output, and the
// kernel's CPU clock of the whole process. Everything here blocks, so that no event loop stands between a line and the
// clock that is read for it.

import { address, cstring, extra, release } from "../../lib/sys/door.ts";
import { clock } from "../../lib/sys/process.ts";

const libc = extra({
  posix_spawn: { parameters: ["buffer", "buffer", "buffer", "buffer", "buffer", "buffer"], result: "i32" },
  posix_spawn_file_actions_init: { parameters: ["buffer"], result: "i32" },
  posix_spawn_file_actions_addopen: { parameters: ["buffer", "i32", "buffer", "i32", "u32"], result: "i32" },
  posix_spawn_file_actions_destroy: { parameters: ["buffer"], result: "i32" },
  posix_spawnattr_init: { parameters: ["buffer"], result: "i32" },
  posix_spawnattr_setflags: { parameters: ["buffer", "i16"], result: "i32" },
  posix_spawnattr_setsigdefault: { parameters: ["buffer", "buffer"], result: "i32" },
  posix_spawnattr_setsigmask: { parameters: ["buffer", "buffer"], result: "i32" },
  posix_openpt: { parameters: ["i32"], result: "i32" },
  unlockpt: { parameters: ["i32"], result: "i32" },
  ptsname_r: { parameters: ["i32", "buffer", "usize"], result: "i32" },
  poll: { parameters: ["buffer", "u32", "i32"], result: "i32" },
  read: { parameters: ["i32", "buffer", "usize"], result: "isize" },
  close: { parameters: ["i32"], result: "i32" },
  kill: { parameters: ["i32", "i32"], result: "i32" },
  waitpid: { parameters: ["i32", "buffer", "i32"], result: "i32" },
});

const O_WRONLY = 1, O_RDWR = 2, O_CREAT = 0o100, O_NOCTTY = 0o400, O_TRUNC = 0o1000, O_CLOEXEC = 0o2000000;
const SIGINT = 2, SIGKILL = 9, SIGCONT = 18, SIGSTOP = 19, WNOHANG = 1;
const POSIX_SPAWN_SETSIGDEF = 4, POSIX_SPAWN_SETSIGMASK = 8;

/** A program with its arguments, and what it is called in the tables. */
export interface Contender {
  name: string;
  argv: string[];
  /** Added to the environment. */
  env?: Record<string, string>;
}

/** Milliseconds that mean nothing by themselves. */
export const now = (): number => performance.now();

/** Nothing happens for this long: short waits, in which no other process is to be disturbed. */
export function pause(ms: number): void {
  libc.poll(null, 0, ms);
}

/** A running process; it is killed when its scope is left. */
export class Child implements Disposable {
  #ended = false;
  #terminal: number;

  private constructor(readonly pid: number, terminal: number) {
    this.#terminal = terminal;
  }

  /**
   * Starts a program.
   *
   * @param output A file that standard output goes to; a terminal of our own if none is given, as programs buffer their
   *   lines elsewhere.
   */
  static start({ argv, env }: Contender, output?: string, errors = "/dev/null"): Child {
    let terminal = -1;
    if (output === undefined) {
      terminal = libc.posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
      const name = new Uint8Array(64);
      if (terminal < 0 || libc.unlockpt(terminal) || libc.ptsname_r(terminal, name, 64n)) {
        throw new Error("cannot open a pseudo terminal");
      }
      output = new TextDecoder().decode(name.subarray(0, name.indexOf(0)));
    }
    const actions = new Uint8Array(512), attributes = new Uint8Array(1024), pid = new Int32Array(1);
    const create = O_WRONLY | O_CREAT | O_NOCTTY;
    libc.posix_spawn_file_actions_init(actions);
    libc.posix_spawn_file_actions_addopen(actions, 0, cstring("/dev/null"), 0, 0);
    libc.posix_spawn_file_actions_addopen(actions, 1, cstring(output), create | O_TRUNC, 0o600);
    libc.posix_spawn_file_actions_addopen(actions, 2, cstring(errors), create | O_TRUNC, 0o600);
    // Deno ignores SIGPIPE; the program starts with every signal at its default.
    libc.posix_spawnattr_init(attributes);
    libc.posix_spawnattr_setsigmask(attributes, new Uint8Array(128));
    libc.posix_spawnattr_setsigdefault(attributes, new Uint8Array(128).fill(255, 0, 8));
    libc.posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
    const environment = Object.entries({ ...Deno.env.toObject(), NO_COLOR: "1", ...env });
    const status = libc.posix_spawn(
      new Uint8Array(pid.buffer),
      cstring(argv[0]!),
      actions,
      attributes,
      pointers(argv),
      pointers(environment.map(([name, value]) => `${name}=${value}`)),
    );
    release();
    libc.posix_spawn_file_actions_destroy(actions);
    if (status) {
      if (terminal >= 0) libc.close(terminal);
      throw new Error(`cannot start ${argv[0]}: errno ${status}`);
    }
    return new Child(pid[0]!, terminal);
  }

  /** CPU time of all its threads, ended ones too, in milliseconds (CPUCLOCK_SCHED of include/linux/posix-timers.h). */
  get cpu(): number {
    return Number(clock((~this.pid << 3) | 2)) / 1e6;
  }

  /** The peak of its resident memory, in megabytes of 10^6 bytes. */
  get peak(): number {
    const status = Deno.readTextFileSync(`/proc/${this.pid}/status`);
    return Number(/VmHWM:\s*(\d+) kB/.exec(status)?.[1]) * 1024 / 1e6;
  }

  /**
   * Reads the terminal until a text appears, and stops the process at that moment, so that its CPU clock stands still.
   *
   * @returns The time of that moment, or NaN.
   */
  waitFor(text: string, timeout = 20000): number {
    const end = now() + timeout, bytes = new Uint8Array(65536), fds = new Int32Array([this.#terminal, 1]);
    for (let seen = ""; now() < end;) {
      if (libc.poll(new Uint8Array(fds.buffer), 1, 100) <= 0) continue;
      const length = Number(libc.read(this.#terminal, bytes, 65536n));
      if (length <= 0) return NaN; // ended
      seen = seen.slice(-text.length) + String.fromCharCode(...bytes.subarray(0, length));
      if (!seen.includes(text)) continue;
      const moment = now();
      this.signal(SIGSTOP);
      while (/^State:\s*[RSD]/m.test(this.#status())) pause(1);
      return moment;
    }
    return NaN;
  }

  #status(): string {
    return Deno.readTextFileSync(`/proc/${this.pid}/status`);
  }

  /** Sends a signal, if the process still runs. */
  signal(signal: number): void {
    if (!this.#ended) libc.kill(this.pid, signal);
  }

  /** Whether it has ended. */
  ended(): boolean {
    return this.#ended ||= libc.waitpid(this.pid, null, WNOHANG) !== 0;
  }

  /** Lets it go on for a while, then ends it as Ctrl-C does; kills it when the time is over. */
  interrupt(after: number, timeout: number): void {
    this.signal(SIGCONT);
    pause(after);
    this.signal(SIGINT);
    for (const end = now() + timeout; !this.ended() && now() < end;) pause(2);
    this[Symbol.dispose]();
  }

  /** Kills it. */
  [Symbol.dispose](): void {
    this.signal(SIGKILL);
    if (!this.#ended) libc.waitpid(this.pid, null, 0);
    this.#ended = true;
    if (this.#terminal >= 0) libc.close(this.#terminal);
    this.#terminal = -1;
  }
}

/** A NULL-ended array of C strings. */
function pointers(texts: string[]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(new BigUint64Array([...texts.map((text) => address(cstring(text))), 0n]).buffer);
}
