/**
 * `deno task bpf`: compiles bpf/*.bpf.c with clang-19 and writes the skeletons bpf/*.ts. Only who changes a program needs it.
 *
 * @module
 */

import { generateSkeleton } from "../lib/object/generate.ts";

/** Runs a program of the build; its messages go to the terminal. */
async function run(command: string, ...args: string[]): Promise<void> {
  const { code } = await new Deno.Command(command, {
    args,
    cwd: import.meta.dirname!,
    stdout: "inherit",
    stderr: "inherit",
  }).output()
    .catch((error) => {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
      console.error(`${command} is missing: apt-get install clang-19 llvm-19 libbpf-dev`);
      return { code: 1 };
    });
  if (code !== 0) Deno.exit(1);
}

/**
 * Compiles one program, `bpf/NAME.bpf.c`. The object holds what loading needs and nothing else: no DWARF, and no relocations
 * of BTF, which static linkers alone would use. No path of this machine gets into it.
 *
 * @param arch What `__TARGET_ARCH_*` says: it matters to programs that read registers.
 */
export async function compile(name: string, object: string, arch: "x86" | "arm64" = "x86"): Promise<void> {
  await run(
    "clang-19",
    ...["-O2", "-g", "-Wall", "-Wextra", "-Werror", "-target", "bpf", "-mcpu=v3", "-mlittle-endian"],
    ...[`-D__TARGET_ARCH_${arch}`, "-fdebug-compilation-dir=.", "-c", `${name}.bpf.c`, "-o", object],
  );
  await run("llvm-strip-19", "--strip-debug", object);
  const unused = [".rel.BTF", ".rel.BTF.ext", ".llvm_addrsig"];
  await run("llvm-objcopy-19", ...unused.map((s) => `--remove-section=${s}`), object);
}

/** Names of all programs. */
export function programs(): string[] {
  const names = [...Deno.readDirSync(import.meta.dirname!)].map(({ name }) =>
    /^(\w+)\.bpf\.c$/.exec(name)?.[1]
  );
  return names.filter((name) => name !== undefined).sort();
}

if (import.meta.main) {
  const directory = await Deno.makeTempDir();
  try {
    for (const name of Deno.args.length ? Deno.args : programs()) {
      const objects = [];
      for (const arch of ["x86", "arm64"] as const) {
        const object = `${directory}/${name}.bpf.o`;
        await compile(name, object, arch);
        objects.push(await Deno.readFile(object));
      }
      const [bytes, arm64] = objects as [Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>];
      const same = bytes.toHex() === arm64.toHex();
      await Deno.writeTextFile(
        new URL(`${name}.ts`, import.meta.url),
        generateSkeleton(bytes, name, same ? undefined : arm64),
      );
      await run("deno", "fmt", "--quiet", `${name}.ts`);
      console.log(`${name}.bpf.c: object of ${bytes.length} bytes${same ? "" : ", one an architecture"}`);
    }
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}
