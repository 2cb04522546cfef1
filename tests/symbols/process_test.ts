import { assert, assertEquals } from "@std/assert";
import { Elf } from "../../lib/elf/elf.ts";
import { parseMaps, ProcessSymbols } from "../../lib/symbols/process.ts";
import { address, closeFd, map } from "../../lib/sys/door.ts";
import { open } from "../../lib/sys/file.ts";
import { strings, symbolTable, writeElf } from "../elf/elf_writer.ts";

const granted = (name: "ffi" | "read" | "write") => Deno.permissions.querySync({ name }).state === "granted";
const live = { ignore: !granted("ffi") || !granted("read") || !granted("write") };

/** A file with one function, `name`, at 0x40000 + the place of the code in the file. */
function program(name: string): { bytes: Uint8Array<ArrayBuffer>; place: number } {
  const names = strings([name]);
  const build = (value: number) =>
    writeElf({
      type: 3,
      machine: 62,
      sections: [
        { name: ".text", type: 1, flags: 6, data: new Uint8Array(64) },
        { name: ".strtab", type: 3, data: names.data },
        {
          name: ".symtab",
          type: 2,
          link: 2,
          entsize: 24,
          data: symbolTable([{ name, value, size: 64, info: 0x12, shndx: 1 }], names.at),
        },
      ],
      segments: [{ type: 1, flags: 5, section: 1, vaddr: value }],
    });
  const place = Elf.parse(build(0)).section(".text")!.offset;
  return { bytes: build(0x40000 + place), place };
}

/** Maps a file as code into this process. */
function mapCode(path: string): { at: bigint; [Symbol.dispose](): void } {
  const fd = open(path);
  const mapping = map(fd, Deno.statSync(path).size, { prot: 5 });
  closeFd(fd);
  return { at: address(mapping.bytes), [Symbol.dispose]: () => mapping.close() };
}

Deno.test("of the mappings those of code are read, whatever their paths hold", () => {
  const maps = parseMaps(
    "55d0a000-55d0c000 r--p 00000000 fe:00 131 /bin/a\n" +
      "55d0c000-55d0f000 r-xp 00002000 fe:00 131                    /bin/a b\r\u20287f00-7fff r-xp 00000000 00:00 0 /x (deleted)\n" +
      "7f0000000000-7f0000001000 rwxp 00000000 00:00 0 \n" +
      "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0      [vsyscall]\nnonsense\n",
  );
  assertEquals(maps.map(({ path, isFile }) => [path, isFile]), [
    ["/bin/a b\r\u20287f00-7fff r-xp 00000000 00:00 0 /x (deleted)", true],
    ["", false],
    ["[vsyscall]", false],
  ]);
  assertEquals([maps[0]!.start, maps[0]!.end, maps[0]!.offset], [0x55d0c000, 0x55d0f000, 0x2000]);
});

Deno.test({
  ...live,
  name: "functions of this process's libraries are found",
  fn() {
    const symbols = new ProcessSymbols();
    const libc = parseMaps(Deno.readTextFileSync("/proc/self/maps")).find(({ path }) =>
      /\/libc[.-]/.test(path)
    )!;
    const elf = Elf.parse(Deno.readFileSync(libc.path));
    const segment = elf.segments.find(({ type, flags, offset }) =>
      type === 1 && flags & 1 && offset === libc.offset
    )!;
    const malloc = elf.symbols("dynamic").find(({ name }) => name === "malloc")!;
    const place = BigInt(libc.start + malloc.value - segment.vaddr);
    assertEquals(symbols.resolve(Deno.pid, [place + 1n, 8n]), [
      { name: "malloc", offset: 1, module: libc.path, moduleOffset: malloc.value + 1 },
      undefined,
    ]);
  },
});

Deno.test({
  ...live,
  name: "the vDSO's functions are found",
  fn() {
    const vdso = parseMaps(Deno.readTextFileSync("/proc/self/maps")).find(({ path }) => path === "[vdso]")!;
    const all = Array.from({ length: vdso.end - vdso.start }, (_, i) => BigInt(vdso.start + i));
    const names = new ProcessSymbols().resolve(Deno.pid, all).map((symbol) => symbol?.name);
    assert(names.some((name) => name?.endsWith("clock_gettime")), "no clock_gettime");
  },
});

Deno.test({
  ...live,
  name: "a file that was removed, replaced or changed is still the one that is mapped",
  fn() {
    const path = Deno.makeTempFileSync();
    const { bytes, place } = program("first_one");
    Deno.writeFileSync(path, bytes);
    const symbols = new ProcessSymbols();
    const at = (mapping: { at: bigint }) => mapping.at + BigInt(place) + 3n;
    using first = mapCode(path);
    assertEquals(symbols.resolve(Deno.pid, [at(first)]), [
      { name: "first_one", offset: 3, module: path, moduleOffset: 0x40003 + place },
    ]);
    Deno.removeSync(path);
    Deno.writeFileSync(path, program("second").bytes);
    using second = mapCode(path);
    const fresh = new ProcessSymbols();
    const names = fresh.resolve(Deno.pid, [at(first), at(second)]).map((symbol) => symbol?.name);
    // By its path the removed file cannot be had: that takes CAP_SYS_ADMIN or CAP_CHECKPOINT_RESTORE.
    assertEquals(names, [Deno.uid() === 0 ? "first_one" : undefined, "second"]);
    Deno.removeSync(path);
  },
});

Deno.test({
  ...live,
  name: "a file that is no ELF file, or a broken one, has no symbols and its place",
  fn() {
    const path = Deno.makeTempFileSync();
    const { bytes, place } = program("broken");
    for (const broken of [bytes.slice(0, 200), bytes.with(4, 1), new Uint8Array(200), bytes.fill(255, 64)]) {
      Deno.removeSync(path);
      Deno.writeFileSync(path, broken);
      using mapping = mapCode(path);
      assertEquals(new ProcessSymbols().resolve(Deno.pid, [mapping.at + BigInt(place)]), [
        { offset: 0, module: path, moduleOffset: place },
      ]);
    }
    Deno.removeSync(path);
  },
});

Deno.test({
  ...live,
  name: "code of a JIT is found in its map, also what it adds later; a pipe in its place does no harm",
  async fn() {
    const [pid] = Deno.readTextFileSync("/proc/self/status").match(/(?<=^NSpid:.*\t)\d+$/m)!;
    const path = `/tmp/perf-${pid}.map`;
    const anonymous = parseMaps(Deno.readTextFileSync("/proc/self/maps")).find(({ path }) => path === "")!;
    const code = BigInt(anonymous.start);
    const symbols = new ProcessSymbols();
    const name = () => symbols.resolve(Deno.pid, [code])[0]!.name;
    try {
      assert(new Deno.Command("mkfifo", { args: [path] }).outputSync().success);
      assertEquals(name(), undefined);
      Deno.removeSync(path);
      for (const text of ["one", "two is longer"]) {
        Deno.writeTextFileSync(path, `${anonymous.start.toString(16)} 10 ${text}\n`);
        const other = new ProcessSymbols().resolve(Deno.pid, [code + 2n]);
        assertEquals(other, [{ name: text, offset: 2, module: "[anon]", moduleOffset: 2 }]);
      }
      for (let i = 0; i < 100 && !name(); i++) await new Promise((resolve) => setTimeout(resolve, 10));
      assertEquals(name(), "two is longer");
    } finally {
      Deno.removeSync(path);
    }
  },
});

Deno.test({
  ...live,
  name: "a process that is gone has no symbols, and neither has a thread of the kernel",
  fn() {
    assertEquals(new ProcessSymbols().resolve(0x7fffffff, [1n, 2n]), [undefined, undefined]);
    assertEquals(new ProcessSymbols().resolve(2, [0xffffffff81000000n]), [undefined]);
    assertEquals(new ProcessSymbols().resolve(Deno.pid, [0n, 2n ** 64n - 1n]), [undefined, undefined]);
  },
});
