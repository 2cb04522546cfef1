import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { DetraceError } from "detrace/lib/error.ts";
import { findFile, searchLibraryCache } from "detrace/lib/symbols/find_file.ts";
import { ARCH } from "detrace/lib/sys/door.ts";
import { Bytes } from "../elf/elf_writer.ts";
import { rootTest } from "../root.ts";

const OURS = ARCH === "x86" ? 0x303 : 0xa03, I386 = 3, EXTENDED = 1n << 62n;
const all = () => true;

/** A cache of the dynamic linker: flags, name, path, processor features. */
function cache(
  entries: [flags: number, name: string, path: string, features?: bigint][],
  old = false,
): Uint8Array {
  const strings = entries.map(([, name, path]) => [`${name}\0`, `${path}\0`]).flat();
  const at = (i: number) => 48 + entries.length * 24 + strings.slice(0, i).join("").length;
  const out = new Bytes();
  // The older layout has the old table in front: its magic, the number of its entries, entries of 12 bytes.
  if (old) out.raw("ld.so-1.7.0\0").add(4, 1, 3, 0, 0);
  out.raw("glibc-ld.so.cache1.1").add(4, entries.length, strings.join("").length, 2, 0, 0, 0, 0);
  for (const [i, [flags, , , features = 0n]] of entries.entries()) {
    out.add(4, flags, at(2 * i), at(2 * i + 1), 0).add(8, features);
  }
  return out.raw(strings.join("")).done();
}

Deno.test("libraries of this architecture are found in both layouts of the linker's cache", () => {
  const entries: Parameters<typeof cache>[0] = [
    [OURS, "libx.so.2", "/lib/libx.so.2"],
    [I386, "libx.so.2", "/lib32/libx.so.2"],
    [OURS, "libx.so.1", "/lib/glibc-hwcaps/x86-64-v3/libx.so.1", EXTENDED],
    [OURS, "libx.so.1", "/lib/haswell/libx.so.1", 4n],
    [OURS, "libx.so.1", "/lib/libx.so.1"],
  ];
  for (const old of [false, true]) {
    assertEquals(searchLibraryCache(cache(entries, old), all), [
      "/lib/libx.so.2",
      "/lib/glibc-hwcaps/x86-64-v3/libx.so.1",
      "/lib/libx.so.1",
    ]);
    assertEquals(searchLibraryCache(cache(entries, old), (name) => name === "libx.so.2"), ["/lib/libx.so.2"]);
  }
  assertEquals(searchLibraryCache(cache(Array(1000).fill(entries[0]!)), all).length, 64);
});

Deno.test("a damaged cache has fewer libraries", () => {
  const whole = cache([[OURS, "libx.so.2", "/lib/libx.so.2"], [OURS, "liby.so", "/lib/liby.so"]], true);
  for (let length = 0; length < whole.length; length++) {
    assert(searchLibraryCache(whole.subarray(0, length), all).length <= 2);
  }
  for (let at = 0; at < whole.length; at++) {
    const bytes = whole.slice();
    bytes[at] = 0xff;
    assert(searchLibraryCache(bytes, all).length <= 2);
  }
  assertEquals(searchLibraryCache(new Uint8Array(100), all), []);
});

Deno.test("a program or library is found by the name that people use", () => {
  assertMatch(findFile("libc.so.6"), /^\/.*\/libc\.so\.6$/);
  assertEquals(findFile("libc"), findFile("libc.so.6"));
  assertMatch(findFile("sh"), /^\/.*bin\/sh$/);
  assertEquals(findFile(findFile("sh")), findFile("sh"));
  assertEquals(Deno.realPathSync(findFile("libc", Deno.pid)), Deno.realPathSync(findFile("libc")));
});

Deno.test("what is not there is said in a sentence", () => {
  assertThrows(
    () => findFile("no-such-program"),
    DetraceError,
    "there is no program or library no-such-program",
  );
  assertThrows(() => findFile("libno.so.1"), DetraceError, "there is no program or library libno.so.1");
  assertThrows(() => findFile("./no/such"), DetraceError, "there is no file ./no/such");
  assertThrows(() => findFile("/dev/null"), DetraceError, "there is no file /dev/null");
  assertThrows(() => findFile("/"), DetraceError, "there is no file /");
  assertThrows(() => findFile("libc", 999999999), DetraceError, "there is no process 999999999");
});

rootTest("a file is looked for as a process with other mounts sees it", async () => {
  const directory = Deno.makeTempDirSync(), levels = ["x86-64-v2", "x86-64-v9", "no-level"];
  const copies = [...levels.map((level) => `glibc-hwcaps/${level}/`), ""].map((at) =>
    `${directory}/${at}libz.so.9`
  );
  const entries = copies.map((path, i) => [OURS, "libz.so.9", path, i < 3 ? EXTENDED : 0n] as const);
  const cacheFile = Deno.makeTempFileSync();
  Deno.writeFileSync(cacheFile, cache(entries.map((entry) => [...entry])));
  const script = [
    `mount -t tmpfs detrace ${directory}`,
    `if test ! -e /etc/ld.so.cache; then mount -t tmpfs detrace /etc && touch /etc/ld.so.cache; fi`,
    `mount --bind ${cacheFile} /etc/ld.so.cache`,
    ...copies.map((path) => `mkdir -p $(dirname ${path}) && touch ${path}`),
    "echo ready",
    "exec cat",
  ].join(" && ");
  const child = new Deno.Command("unshare", {
    args: ["--mount", "--propagation", "private", "--", "sh", "-c", script],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  try {
    const { value } = await child.stdout.getReader().read();
    assertEquals(new TextDecoder().decode(value), "ready\n");
    const root = `/proc/${child.pid}/root`;
    assertEquals(findFile(copies[3]!, child.pid), root + copies[3]);
    assertThrows(() => findFile(copies[3]!), DetraceError, "there is no file");
    // The linker's cache has copies for processors of different levels. Those that tests run on are at least v2.
    assertEquals(findFile("libz.so.9", child.pid), root + copies[ARCH === "x86" ? 0 : 3]);
    assertThrows(() => findFile("libz.so.9"), DetraceError, "there is no program or library libz.so.9");
    // What it has mapped comes first.
    assertMatch(findFile("libc.so.6", child.pid), new RegExp(`^${root}/.*libc`));
  } finally {
    await child.stdin.close();
    await child.status;
    Deno.removeSync(directory);
    Deno.removeSync(cacheFile);
  }
});
