import { assert, assertEquals, assertThrows } from "@std/assert";
import { cstring, libc, NR } from "detrace/lib/sys/door.ts";
import { SyscallError } from "detrace/lib/sys/errno.ts";
import {
  exists,
  mapFile,
  readAt,
  readDir,
  readFile,
  readLink,
  readText,
  stat,
} from "detrace/lib/sys/file.ts";

Deno.test("a file is read whole, whether or not its size is known", () => {
  const path = Deno.makeTempFileSync();
  const bytes = crypto.getRandomValues(new Uint8Array(50000));
  Deno.writeFileSync(path, bytes);
  assertEquals(readFile(path), bytes);
  assertEquals(stat(path).size, 50000);
  assertEquals(stat(path).ino, BigInt(Deno.statSync(path).ino!));
  assertEquals(readFile("/proc/self/status").length > 100, true); // its size is said to be 0
  Deno.removeSync(path);
});

Deno.test("an empty file is empty", () => {
  const path = Deno.makeTempFileSync();
  assertEquals(readFile(path).length, 0);
  Deno.removeSync(path);
});

Deno.test("a file above the limit is refused, not read", () => {
  const path = Deno.makeTempFileSync();
  Deno.writeFileSync(path, new Uint8Array(9000));
  assertEquals(readFile(path, 9001).length, 9000);
  const error = assertThrows(() => readFile(path, 8000), SyscallError);
  assertEquals(error.code, "EFBIG");
  Deno.removeSync(path);
});

Deno.test("a missing file is an error that names call, file and reason", () => {
  const error = assertThrows(() => readFile("/nonexistent/file"), SyscallError);
  assertEquals(error.syscall, "open");
  assertEquals(error.errno, 2);
  assertEquals(error.message, "open /nonexistent/file: no such file or entry (ENOENT)");
  assertEquals(exists("/nonexistent/file"), false);
  assertEquals(exists("/proc/self/status/no"), false);
  assertEquals(exists("/proc"), true);
});

Deno.test("part of a file is read from an offset, and ends where the file ends", () => {
  const path = Deno.makeTempFileSync();
  Deno.writeTextFileSync(path, "0123456789");
  assertEquals(new TextDecoder().decode(readAt(path, 3n, 4)), "3456");
  assertEquals(new TextDecoder().decode(readAt(path, 8n, 100)), "89");
  assertEquals(readAt(path, 50n, 100).length, 0);
  Deno.removeSync(path);
});

Deno.test("a mapped file shows its bytes", () => {
  const path = Deno.makeTempFileSync();
  Deno.writeTextFileSync(path, "mapped");
  using mapping = mapFile(path);
  assertEquals(new TextDecoder().decode(mapping.bytes), "mapped");
  Deno.removeSync(path);
});

Deno.test("directories and links read as Deno reads them", () => {
  const names = readDir("/proc/self/task");
  assert(names.includes(String(Deno.pid)));
  assertEquals(names.sort(), [...Deno.readDirSync("/proc/self/task")].map((e) => e.name).sort());
  assertEquals(readLink("/proc/self/exe"), Deno.readLinkSync("/proc/self/exe"));
  assertThrows(() => readLink("/proc"), SyscallError, "EINVAL");
});

Deno.test("a large directory is read in several pieces", () => {
  const directory = Deno.makeTempDirSync();
  const names = Array.from({ length: 1500 }, (_, i) => `a-rather-long-file-name-${i}`);
  for (const name of names) Deno.writeTextFileSync(`${directory}/${name}`, "");
  assertEquals(readDir(directory).sort(), names.sort());
  Deno.removeSync(directory, { recursive: true });
});

Deno.test("no descriptor is left open after success or failure", () => {
  const count = () => [...Deno.readDirSync("/proc/self/fd")].length;
  readText("/proc/self/status");
  const before = count();
  readText("/proc/self/status");
  readDir("/proc/self");
  assertThrows(() => readFile("/proc/self"));
  assertThrows(() => mapFile("/proc/self/status"));
  assertEquals(count(), before);
});

Deno.test("errno belongs to the call before it", () => {
  for (let i = 0; i < 1000; i++) {
    assertEquals(libc().call(NR.openat, -100, cstring("/nonexistent"), 0, 0, null), -1);
    assertThrows(() => readFile("/nonexistent"), SyscallError, "ENOENT");
    assertThrows(() => readDir("/proc/self/status"), SyscallError, "ENOTDIR");
  }
});
