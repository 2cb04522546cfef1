import { assert, assertEquals, assertLess, assertMatch, assertStringIncludes } from "@std/assert";
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

const O_RDONLY = 0,
  O_WRONLY = 1,
  O_CREAT = 0o100,
  O_TRUNC = 0o1000,
  O_CLOEXEC = 0o2000000;
const ENOENT = 2, EFAULT = 14;
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
  return rows.slice(
    rows.findLastIndex(({ path }) => path === ready) + 1,
    rows.findIndex(({ path }) => path === END),
  );
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
    const apart = Math.abs(day - before.getTime());
    assertLess(Math.min(apart, Math.abs(86400_000 - apart)), 60_000, line); // it may be midnight
  }
});

rootTest("-p, -t, -u, -n and -x show what they say, alone and together", async () => {
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
  const last = () => withUid(65534, () => withComm("is wanted here", () => void openat(`${NOWHERE}z`)));
  const attempt = async () => {
    const tools = await Promise.all(cases.map(([args]) => start(args)));
    try {
      openat(`${NOWHERE}a`);
      await Deno.open(`${NOWHERE}b`).catch(() => {}); // on another thread
      withUid(65534, () => openat(`${NOWHERE}c`));
      withComm("is wanted here", () => openat(`${NOWHERE}d`));
      assert(openat(file) > 0);
      await new Deno.Command("cat", { args: [`${NOWHERE}f`], stderr: "null" }).output();
      last();
      for (const tool of tools) await tool.line(`${NOWHERE}z`, last);
      return await Promise.all(tools.map((tool) => tool.stop()));
    } finally {
      for (const tool of tools) await tool[Symbol.asyncDispose]();
    }
  };
  for (let left = 3;; left--) {
    const results = await attempt();
    // Who sees the whole machine's events may lose some, if there are enough of them.
    if (left > 0 && results.some(({ stderr }) => /^(opensnoop: lost \d+ events\n)+$/.test(stderr))) continue;
    for (const [i, { status, lines, stderr }] of results.entries()) {
      assertEquals([status, stderr], [0, ""]);
      const shown = lines.map((line) => line.endsWith(file) ? "e" : line.split(NOWHERE)[1] ?? "").join("");
      assertEquals(shown.replace(/z+$/, "z"), cases[i]![1], cases[i]![0].join(" "));
    }
    return;
  }
});

rootTest(
  "-F shows where a relative path starts: directory, descriptor, mount, at any depth",
  async () => {
    using dir = new TempDir();
    const expected: string[] = [];
    const token = NOWHERE.slice(1, -1);
    const rows = await json(["-F"], () => {
      const name = () => `${token}-${expected.length}`;
      const look = (directory: string, path: string, dirfd = AT_FDCWD) => {
        openat(path, 0, 0, dirfd);
        expected.push(directory + path);
      };
      const from = (directory: string, path: string) => {
        const fd = openFile(directory);
        look(`${directory}/`, path, fd);
        closeFd(fd);
      };
      using _cwd = new WorkingDirectory(dir.path);
      look(`${dir.path}/`, name());
      look(`${dir.path}/`, `../${name()}`);
      look("", `${NOWHERE}${name()}`);
      look("", name(), -1);
      look("", name(), 100_000);
      from("/proc/sys/kernel", name());
      from("/dev/pts", name());
      Deno.chdir("/proc/self/task");
      look(`/proc/${pid}/task/`, name());
      Deno.chdir("/");
      look("/", name());
      // Deep, and with long names: from some depth on there is not room for all.
      for (const [names, word] of [[80, "d"], [40, "n".repeat(250)]] as const) {
        let path = dir.path;
        Deno.chdir(path);
        for (let depth = 1; depth <= names; depth++) {
          Deno.mkdirSync(word);
          Deno.chdir(word);
          path += `/${word}`;
          if (depth === 40 || depth === 10 || depth === names) look(`${path}/`, name());
        }
      }
    });
    const shown = rows.map(({ path }) => path).filter((path) => path.includes(token));
    assertEquals(shown.length, expected.length);
    for (const [i, path] of shown.entries()) {
      const truth = expected[i]!;
      if (!path.startsWith("...")) assertEquals(path, truth);
      else {
        assert(truth.split("/").length > 60 || truth.length > 8000, truth);
        assertEquals(path.slice(0, 4), ".../");
        assert(truth.endsWith(path.slice(3)), `${path} is not the end of ${truth}`);
        assert(path.split("/").length > 60 || path.length > 8000, path);
      }
    }
    assertEquals(shown.filter((path) => path.startsWith("...")).length, 2);
  },
);

/** The bytes of a string of the JSON form: a lone surrogate U+DCNN is the byte NN. */
function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(
    Array.from(text).flatMap((char) => {
      const code = char.codePointAt(0)!;
      return code >= 0xdc80 && code <= 0xdcff ? [code & 0xff] : [...new TextEncoder().encode(char)];
    }),
  );
}

rootTest("JSON keeps every byte of paths and command names, and numbers are numbers", async () => {
  const encode = (text: string) => new TextEncoder().encode(text);
  const prefix = encode(NOWHERE);
  const bytes = (...parts: (number | string)[]) =>
    Uint8Array.from([
      ...prefix,
      ...parts.flatMap((part) => typeof part === "string" ? [...encode(part)] : [part]),
    ]);
  const all = Array.from({ length: 255 }, (_, i) => i + 1);
  const paths = [
    bytes('é "quoted" \\ \u{1f600} \ufeff \u2028 \u202e \u0085 \\udcff'),
    bytes("\x1b]0;pwn\x07\n\r\t\b\x7f"),
    bytes(0xff, 0xfe, 0xc3, "a", 0xa9, 0xe2, 0x82),
    bytes(0xed, 0xa0, 0xbd, 0xed, 0xb8, 0x80, 0xc0, 0xaf, 0xf4, 0x90, 0x80, 0x80), // surrogates, overlong, too large
    bytes("\u{1f600}", 0xbf, 0xf0, 0x9f, 0x98),
    bytes(...all),
    bytes(...all.reverse()),
    bytes("p".repeat(4095 - prefix.length)),
  ];
  let seed = 1;
  const random = (n: number) => (seed = Math.imul(seed, 1103515245) + 12345 >>> 0) % 65536 % n;
  for (let i = 0; i < 100; i++) {
    paths.push(bytes(...Array.from({ length: 1 + random(200) }, () => 1 + random(255))));
  }
  const name = Uint8Array.of(...encode("\x1b]0;pwn\x07\n"), 0xff, 0xc3);
  const tooLong = bytes("q".repeat(5000)), flags = O_WRONLY | O_CREAT;
  const rows = await json([], () => {
    for (const path of paths) withComm(name, () => openat(path));
    openat(tooLong);
    libc().call(NR.openat, AT_FDCWD, null, 0, 0, null);
    openat(END.slice(0, -1), flags, 0o640);
    openat("/proc/self/comm");
  });
  for (const [i, path] of paths.entries()) {
    assertEquals(bytesOf(rows[i]!.path), path);
    assertEquals(bytesOf(rows[i]!.comm), name);
  }
  const [cut, none, made, good, ...more] = rows.slice(paths.length);
  assertEquals(more, []);
  assertEquals([bytesOf(cut!.path), cut!.err], [tooLong.subarray(0, 4095), 36]);
  assertEquals([none!.path, none!.err], ["", EFAULT]);
  const { time, ...rest } = made!;
  assertLess(Math.abs(time - Date.now() / 1000), 120);
  const same = { uid: 0, pid, tid: gettid(), comm: comm() };
  assertEquals(rest, { ...same, fd: -1, err: ENOENT, flags, mode: 0o640, path: END.slice(0, -1) });
  assertEquals(Object.keys(made!), ["time", ...Object.keys(rest)]);
  assertEquals([good!.err, good!.mode, good!.flags, good!.fd > 2], [0, null, 0, true]);
});

rootTest("the text has one line a row, and nothing in it that a terminal would obey", async () => {
  await using tool = await start(["-t", gettid()]);
  const hostile = `${NOWHERE}\x1b]0;pwn\x07\n\r\t\x7f\u009b\u202e é`;
  const shown = `${NOWHERE}\\x1b]0;pwn\\x07\\n\\x0d\\t\\x7f\\xc2\\x9b\\xe2\\x80\\xae é`;
  const bytes = Uint8Array.of(...new TextEncoder().encode(NOWHERE), 0xff, 0x9b);
  const fd = openat(hostile);
  openat(bytes);
  withComm("\x1b]0;p\x07\n", () => openat(hostile));
  const { stdout, lines } = await finish(tool);
  assertEquals(lines.slice(1, -1), [
    row(fd, shown),
    row(fd, `${NOWHERE}\\xff\\x9b`),
    row(fd, shown, "\\x1b]0;p\\x07\\n"),
  ]);
  for (const byte of stdout) assert(byte >= 0x20 && byte !== 0x7f || byte === 0x0a);
});

/** What takes over a terminal, or at least its title. */
const PWN = "\x1b]0;pwn\x07";

/**
 * Functions of machine code, in an ELF file that this process maps: `outer` calls `middle`, which calls `inner`, which
 * is openat(AT_FDCWD, path, O_RDONLY). All have frame pointers.
 */
class Functions implements Disposable {
  readonly path: string;
  readonly #mapping;
  readonly #call;

  /** @param named Whether the file has symbols. */
  constructor(directory: string, named: boolean) {
    // push %rbp; mov %rsp,%rbp; call +2; pop %rbp; ret. Then: mov %rdi,%rsi; mov $-100,%edi; xor %edx,%edx;
    // xor %r10d,%r10d; mov $257,%eax; syscall
    const x86 =
      "554889e5e8020000005dc3 554889e5e8020000005dc3 554889e54889febf9cffffff31d24531d2b8010100000f055dc3";
    // stp x29,x30,[sp,#-16]!; mov x29,sp; bl +12; ldp x29,x30,[sp],#16; ret. Then: mov x1,x0; mov w0,#-100; mov w2,#0;
    // mov w3,#0; mov w8,#56; svc #0
    const frame = "fd7bbfa9 fd030091", back = "fd7bc1a8 c0035fd6", call = `${frame} 03000094 ${back}`;
    const arm64 = `${call} ${call} ${frame} e10300aa 800c8012 02008052 03008052 08078052 010000d4 ${back}`;
    const code = Uint8Array.fromHex((ARCH === "x86" ? x86 : arm64).replaceAll(" ", ""));
    const symbols = ["outer\u009b", "middle", "inner"].map((name, i) => ({
      name,
      value: 0x4000 + i * this.size,
      size: this.size,
      info: 0x12, // global function
      shndx: 1,
    }));
    const { data, at } = strings(symbols.map(({ name }) => name));
    const table = [
      { name: ".symtab", type: 2, data: symbolTable(symbols, at), link: 3, info: 1, entsize: 24 },
      { name: ".strtab", type: 3, data },
    ];
    const elf = writeElf({
      type: 3,
      machine: ARCH === "x86" ? 62 : 183,
      sections: [{ name: ".text", type: 1, data: code, flags: 6, addr: 0x4000 }, ...named ? table : []],
      segments: [{ type: 1, flags: 5, section: 1, vaddr: 0x4000 }],
    });
    Deno.writeFileSync(this.path = `${directory}/${named ? "named" : `bare${PWN}`}.so`, elf);
    const fd = openFile(this.path);
    this.#mapping = map(fd, elf.length, { prot: 5 }); // to be read and executed
    closeFd(fd);
    const definition = { parameters: ["buffer"], result: "i32" } as const;
    const start = Deno.UnsafePointer.of<typeof definition>(this.#mapping.bytes.subarray(64 + 56))!;
    this.#call = new Deno.UnsafeFnPointer(start, definition);
  }

  /** Bytes of `outer` and of `middle`. */
  get size(): number {
    return ARCH === "x86" ? 11 : 20;
  }

  /** Where `outer` and `middle` go on after their calls. */
  get returns(): number[] {
    const after = ARCH === "x86" ? 9 : 12;
    return [0x4000 + this.size + after, 0x4000 + after];
  }

  open(path: string): void {
    closeFd(this.#call.call(new TextEncoder().encode(path + "\0")));
  }

  [Symbol.dispose](): void {
    this.#mapping.close();
  }
}

rootTest("-c names the two functions that led to the call, the inner one first", async () => {
  using dir = new TempDir();
  using named = new Functions(dir.path, true);
  using bare = new Functions(dir.path, false);
  await using text = await start(["-cTUe", "-t", gettid()]);
  const rows = await json(["-c"], () => {
    named.open(`${NOWHERE}named`);
    bare.open(`${NOWHERE}bare`);
  });
  const offsets = bare.returns.map((offset) => `${bare.path}+0x${offset.toString(16)}`);
  assertEquals(rows.map(({ callers }) => callers), [["middle", "outer\u009b"], offsets]);
  const { lines } = await finish(text);
  assertMatch(lines[0]!, / MODE {2}PATH(\/CALLER)?$/);
  const from = lines.findIndex((line) => line.endsWith(`${NOWHERE}named`));
  const indent = " ".repeat(lines[0]!.indexOf("PATH"));
  const [, ...callers] = lines.slice(from, from + 3), [second, ...more] = lines.slice(from + 3, from + 6);
  assertEquals(callers, [`${indent}middle`, `${indent}outer\\xc2\\x9b`]);
  assert(second!.endsWith(`${NOWHERE}bare`));
  assertEquals(more, offsets.map((offset) => indent + offset.replace(PWN, "\\x1b]0;pwn\\x07")));
});

rootTest("50,000 opens at 100,000 a second are all shown", async () => {
  // Another thread opens, so that this one can read what the tool prints.
  const worker = new Worker(new URL("burst_worker.ts", import.meta.url), { type: "module" });
  try {
    const answer = () =>
      new Promise<MessageEvent>((resolve, reject) => {
        worker.onmessage = resolve;
        worker.onerror = reject;
      });
    await answer();
    await using tool = await start(["-p", pid]);
    worker.postMessage({ path: "/detrace", count: 50_000 });
    const { data } = await answer();
    await tool.line(END, end);
    const { lines, stderr } = await tool.stop();
    const shown = lines.filter((line) => / -1 +2 \/detrace$/.test(line)).length;
    assertEquals([shown, stderr], [50_000, ""], `${Math.round(50_000_000 / data)} opens a second`);
  } finally {
    worker.terminate();
  }
});

rootTest("what finds no room while the tool cannot run is counted, and said", async () => {
  await using tool = await start(["-t", gettid()]);
  tool.kill("SIGSTOP");
  const running = async () => {
    const states: string[] = [];
    for await (const { name } of Deno.readDir(`/proc/${tool.pid}/task`)) {
      states.push(await Deno.readTextFile(`/proc/${tool.pid}/task/${name}/status`));
    }
    return !states.every((status) => /^State:\s+T/m.test(status));
  };
  while (await running());
  const path = `${NOWHERE}${"l".repeat(4000)}`;
  let opens = 3000; // twelve million bytes
  for (let i = 0; i < opens; i++) openat(path);
  tool.kill("SIGCONT");
  await tool.line(END, () => (opens++, end()));
  const { status, lines, stderr } = await tool.stop();
  assertMatch(stderr, /^(opensnoop: lost \d+ events\n)+$/);
  const lost = stderr.matchAll(/\d+/g).reduce((sum, [count]) => sum + Number(count), 0);
  assertEquals([status, lines.length - 1 + lost], [0, opens]);
  assert(lost > 0 && lines.length > 100, `${lines.length} rows, ${lost} lost`);
});

rootTest("nothing is left in the kernel, however the tool ends", async () => {
  for (const [signal, status] of [["SIGINT", 0], ["SIGTERM", 0], ["SIGKILL", 137]] as const) {
    await using tool = await start(["-p", pid]);
    const ids = await bpfIds(tool.pid);
    assert(ids.prog.length > 1 && ids.map.length > 2, JSON.stringify(ids));
    assertEquals((await tool.stop(signal)).status, status);
    await gone(ids);
  }
});

rootTest(
  "a kernel without BTF is one sentence where BTF is needed, and no obstacle where it is not",
  async () => {
    const command = inNamespace('mount -t tmpfs none /sys/kernel/btf; exec "$@"', commandOf("opensnoop"));
    assertOneSentence(await run(["-F", "-d", 60], { command }), 1, /has no BTF/);
    await using tool = await start(["-p", pid], { command });
    const { lines } = await finish(tool);
    assert(lines.includes(row(-ENOENT, END)), lines.join("\n"));
  },
);

rootTest("it works where tracefs is not mounted", async () => {
  const hide =
    'for d in tracing debug; do [ ! -d /sys/kernel/$d ] || mount -t tmpfs none /sys/kernel/$d; done; exec "$@"';
  await using tool = await start(["-p", pid], { command: inNamespace(hide, commandOf("opensnoop")) });
  const { lines } = await finish(tool);
  assert(lines.includes(row(-ENOENT, END)), lines.join("\n"));
});

rootTest("for a user without rights it is one sentence", async () => {
  using dir = new TempDir();
  Deno.chmodSync(dir.path, 0o755);
  // Deno, the repository and the cache may be where only root may go: they are shown elsewhere.
  const script = `
    cd "$1"; shift; mkdir repo cache; touch deno
    mount --bind "$1" deno; mount --bind "$2" repo; mount --bind "$3" cache; shift 3
    export DENO_DIR=$PWD/cache HOME=/nonexistent
    exec setpriv --reuid 65534 --regid 65534 --clear-groups -- "$PWD/deno" "$@" "$PWD/repo/tools/opensnoop.ts"`;
  const [deno, ...flags] = commandOf("opensnoop").slice(0, -1);
  const command = inNamespace(script, [dir.path, deno!, ROOT, await denoDir(), ...flags]);
  assertOneSentence(await run([], { command }), 1, /root|CAP_BPF/);
});

/** Where Deno keeps its cache. */
async function denoDir(): Promise<string> {
  const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["info", "--json"], cwd: ROOT })
    .output();
  return JSON.parse(new TextDecoder().decode(stdout)).denoDir;
}

hostTest("every combination of columns has its header and rows in line with it", async () => {
  const titles = { T: "TIME     ", U: "UID     ", e: "FLAGS    MODE  " };
  for (const flags of ["T", "U", "e", "TU", "eT", "Ue", "TUe", "TUex"]) {
    const has = (letter: keyof typeof titles) => flags.includes(letter) ? titles[letter] : "";
    await using tool = await start([`-${flags}`, "-p", pid]);
    openat(`${NOWHERE}x`);
    const { lines } = await finish(tool);
    const header = `${has("T")}${has("U")}PID    COMM              FD ERR ${has("e")}PATH`;
    assertEquals(lines[0], header);
    const found = lines.find((line) => line.endsWith(`${NOWHERE}x`))!;
    assertEquals(found.indexOf(NOWHERE), header.indexOf("PATH"), `${header}\n${found}`);
    assertEquals(found.slice(header.indexOf("ERR"), header.indexOf("ERR") + 3), "  2");
  }
});

hostTest("options may be written in each of argp's forms", async () => {
  const forms = [
    ["-p", pid, "-x"],
    [`-xp${pid}`],
    [`-xp`, pid],
    [`--pid=${pid}`, "--failed"],
    ["--pid", pid, "--fail"],
    ["--pi", pid, "--fai", "-T", "--extended"],
    [`--pi=${pid}`, "--f", "--print-u"].map((word) => word === "--f" ? "--fa" : word),
    ["-U", "-T", `-p`, pid, "-ex"],
    ["-p", 1, "-xp", pid],
  ];
  await Promise.all(forms.map(async (args) => {
    await using tool = await start(args);
    const { lines } = await finish(tool);
    const rows = lines.slice(1);
    assert(rows.every((line) => new RegExp(`(^| )${pid} `).test(line)), `${args}\n${rows.join("\n")}`);
  }));
});

hostTest("rows are those of the C tool, byte for byte", async () => {
  const path = `${
    Deno.env.get("DETRACE_ANCHORS") ?? `${Deno.env.get("HOME")}/.cache/anchors`
  }/tools/bin/opensnoop`;
  try {
    Deno.statSync(path);
  } catch {
    console.log(`note: there is no C opensnoop at ${path} to compare with`);
    return;
  }
  using dir = new TempDir();
  using _cwd = new WorkingDirectory(dir.path);
  const flags = O_WRONLY | O_CREAT | O_TRUNC;
  const mounted = '[ -e /sys/kernel/tracing/events ] || mount -t tracefs none /sys/kernel/tracing; exec "$@"';
  for (const args of [[], ["-U"], ["-x"], ["-e"], ["-F"], ["-t", gettid()]]) {
    const poke = () => void openat(`${NOWHERE}${"block".repeat(40)}`); // full blocks are what it prints
    await using theirs = await start([...args, "-p", pid], { command: inNamespace(mounted, [path]), poke });
    await using ours = await start([...args, "-p", pid]);
    openat(`${NOWHERE}x`);
    openat2("relative", O_RDONLY);
    (ARCH === "x86" ? open : openat)("./made", flags, 0o604);
    openat("made", O_RDONLY | O_CLOEXEC);
    openat("/proc/self/status");
    withComm("a comm with gaps", () => openat(".", O_RDONLY));
    openat("/dev/null", O_WRONLY);
    end();
    await Promise.all([ours.line(END), theirs.line(END, poke)]);
    const [mine, reference] = [await ours.stop(), await theirs.stop()].map(({ lines }) => {
      const first = lines.findIndex((line) => line.endsWith(`${NOWHERE}x`));
      const rows = lines.slice(first, lines.findIndex((line) => line.endsWith(END)) + 1);
      // Its MODE column is one narrower than its title.
      return [lines[0]!, ...args[0] === "-e" ? rows.map((line) => line.replace(/ +/g, " ")) : rows];
    });
    assertEquals(mine, reference, args.join(" "));
    assertEquals(mine!.length, args[0] === "-x" ? 4 : 9);
  }
});

hostTest("-v says on standard error what it does", async () => {
  await using tool = await start(["-vp", pid]);
  const { status, lines, stderr } = await tool.stop();
  assertEquals([status, lines[0]], [0, "PID    COMM              FD ERR PATH"]);
  assertMatch(stderr, /^opensnoop: attached to .*openat/m);
});

hostTest("-d ends it after so many seconds", async () => {
  const before = performance.now();
  const { status, lines, stderr } = await run(["-d1", "-p", pid]);
  assertEquals([status, lines[0], stderr], [0, "PID    COMM              FD ERR PATH", ""]);
  assert(performance.now() - before >= 1000);
});

hostTest("it ends quietly when nobody reads any more", async () => {
  for (const args of [[], ["--json"]]) {
    await using tool = await start([...args, "-p", pid], { poke: end });
    await tool.hangUp();
    const { status, stderr } = await tool.end(end);
    assertEquals([status, stderr], [0, ""]);
  }
});

hostTest("a full disk is one sentence", async () => {
  const command = ["sh", "-c", 'exec "$@" >/dev/full', "sh", ...commandOf("opensnoop")];
  assertOneSentence(await run(["-d", 60], { command }), 1, /cannot write the output: .*[Nn]o space/);
});

hostTest("a BTF file that is none is one sentence", async () => {
  using dir = new TempDir();
  const garbage = `${dir.path}/garbage`, cut = `${dir.path}/cut`;
  Deno.writeFileSync(garbage, crypto.getRandomValues(new Uint8Array(10_000)).fill(1, 0, 2));
  const btf = Deno.readFileSync("/sys/kernel/btf/vmlinux");
  Deno.writeFileSync(cut, btf.subarray(0, btf.length / 2));
  assertOneSentence(await run(["--btf", "/nonexistent"]), 1, /\/nonexistent/);
  for (const path of [garbage, cut, dir.path, "/dev/null"]) {
    assertOneSentence(await run(["--btf", path]), 1, new RegExp(path));
  }
});

hostTest("--btf takes the kernel's BTF from a file", async () => {
  using dir = new TempDir();
  Deno.copyFileSync("/sys/kernel/btf/vmlinux", `${dir.path}/btf`);
  await using tool = await start(["-p", pid, "--btf", `${dir.path}/btf`]);
  await finish(tool);
});

Deno.test("without --allow-ffi it is one sentence", async () => {
  for (const args of [[], ["-p", 1, "--json"]]) {
    assertOneSentence(await run(args, { command: commandOf("opensnoop", []) }), 1, /--allow-ffi/);
  }
});

Deno.test("--help, --usage and --version need no permission", async () => {
  const command = [Deno.execPath(), "run", "--no-prompt", `${ROOT}tools/opensnoop.ts`];
  for (
    const [arg, text] of [["--help", /^Usage: opensnoop .*--full-path .*-n nginx.*\n$/s], [
      "-?",
      /-p, --pid=PID/,
    ], [
      "--usage",
      /^Usage: opensnoop .*\[--pid=PID\]/s,
    ], ["-V", /^opensnoop \d+\.\d+\n$/]] as const
  ) {
    const result = await run([arg], { command });
    assertEquals([result.status, result.stderr], [0, ""]);
    assertMatch(result.text, text);
  }
});

Deno.test("a wrong command line ends with 64 and a sentence that names what is wrong, with no permission", async () => {
  const wrong: [args: string[], words: RegExp][] = [
    [["-p"], /-p/],
    [["-p", "abc"], /-p.*'abc'/],
    [["-p0"], /-p.*'0'/],
    [["--pid=-1"], /-p.*'-1'/],
    [["--pid="], /-p/],
    [["-p", "1.5"], /-p.*'1\.5'/],
    [["-p", "0x10"], /-p.*'0x10'/],
    [["-p", "99999999999999999999"], /-p/],
    [["-t", "0"], /-t/],
    [["-u", "-5"], /-u.*'-5'/],
    [["-u", "root"], /-u.*'root'/],
    [["-u", "4294967295"], /-u/],
    [["-d", "0"], /-d/],
    [["-d", "x"], /-d/],
    [["--p", "1"], /--p is ambiguous: --pid, --print-uid/],
    [["--failed=1"], /--failed takes no value/],
    [["--bogus"], /--bogus/],
    [["-Z"], /-Z/],
    [["-xZp1"], /-Z/],
    [["extra"], /'extra'/],
    [["-x", "--", "-p"], /'-p'/],
    [["-\x1b]0;pwn\x07"], /\\x1b/],
    [["\x1b]0;pwn\x07"], /\\x1b\]0;pwn\\x07/],
  ];
  const command = commandOf("opensnoop", []);
  for (const [args, words] of wrong) {
    const { status, text, stderr } = await run(args, { command });
    assertEquals([status, text], [64, ""], args.join(" "));
    assertMatch(
      stderr,
      /^opensnoop: .+\nTry 'opensnoop --help' or 'opensnoop --usage' for more information\.\n$/,
    );
    assertMatch(stderr, words);
  }
  const help = await run(["-h"], { command });
  assertEquals([help.status, help.text], [64, ""]);
  assertStringIncludes(help.stderr, "Usage: opensnoop");
});

/** Runs a deno command that makes something. */
async function deno(
  args: string[],
  env: Record<string, string> = {},
): Promise<{ success: boolean; stderr: string }> {
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args,
    cwd: ROOT,
    env: { DENO_NO_UPDATE_CHECK: "1", NO_COLOR: "1", ...env },
  }).output();
  return { success, stderr: new TextDecoder().decode(stderr) };
}

/** The tool in another form: shows this process's opens. */
async function works(command: string[], options: StartOptions = {}): Promise<void> {
  await using tool = await start(["-xp", pid], { ...options, command });
  const { lines } = await finish(tool);
  assert(lines.includes(row(-ENOENT, END)), lines.join("\n"));
}

hostTest(
  "it runs from a URL, with --allow-ffi alone and nothing from elsewhere but the npm package",
  async () => {
    using dir = new TempDir();
    const missing: string[] = [];
    await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
      const { pathname } = new URL(request.url);
      try {
        return new Response(await Deno.readFile(ROOT + pathname.slice(1)), {
          headers: { "content-type": "text/typescript" },
        });
      } catch {
        missing.push(pathname);
        return new Response("", { status: 404 });
      }
    });
    Deno.symlinkSync(`${await denoDir()}/npm`, `${dir.path}/npm`);
    const dead = "http://127.0.0.1:1/";
    const env = { DENO_DIR: dir.path, HTTP_PROXY: dead, HTTPS_PROXY: dead, NO_PROXY: "127.0.0.1" };
    const url = `http://127.0.0.1:${server.addr.port}/tools/opensnoop.ts`;
    await works([Deno.execPath(), "run", "--quiet", "--no-prompt", "--allow-ffi", url], {
      env,
      cwd: dir.path,
    });
    assertEquals(missing, []);
  },
);

/** The tool as one file, made by `deno bundle`. */
async function bundle(dir: TempDir): Promise<string> {
  const file = `${dir.path}/opensnoop.js`;
  const { success, stderr } = await deno(["bundle", "--minify", "-o", file, "tools/opensnoop.ts"]);
  assert(success, stderr);
  return file;
}

hostTest("it runs as one minified file, which needs nothing else", async () => {
  using dir = new TempDir();
  const env = { DENO_DIR: `${dir.path}/cache` },
    flags = ["--no-prompt", "--no-remote", "--no-npm", "--allow-ffi"];
  await works([Deno.execPath(), "run", ...flags, await bundle(dir)], { env, cwd: dir.path });
});

Deno.test("the whole tool is at most 100 KB, minified", async () => {
  using dir = new TempDir();
  const { size } = Deno.statSync(await bundle(dir));
  assert(size <= 102_400, `${size} bytes`);
});

hostTest("it runs as a program of its own, compiled", async (t) => {
  using dir = new TempDir();
  const file = `${dir.path}/opensnoop`;
  const { success, stderr } = await deno([
    "compile",
    "--no-check",
    "--allow-ffi",
    "-o",
    file,
    "tools/opensnoop.ts",
  ]);
  // Where there is no denort to be had, that is not our failure; anything else is.
  const skip = !success && !Deno.env.has("DENORT_BIN") && /denort|dl\.deno\.land/.test(stderr);
  if (skip) console.log("skipped: no denort (put the path of one into DENORT_BIN)");
  await t.step({
    name: "the program works",
    ignore: skip,
    async fn() {
      assert(success, stderr);
      await works([file], { cwd: "/" });
    },
  });
});
