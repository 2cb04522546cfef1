/**
 * `deno task bpf`: compiles bpf/*.bpf.c with clang-19 and writes the skeletons bpf/*.ts. Only who changes a program needs it.
 *
 * @module
 */

import { generateSkeleton } from "../lib/object/generate.ts";

/** Runs a program of the build; its messages go to the terminal. */
async function run(command: string, ...args: string[]): Promise<void> {
  const { code } = await new Deno.Command(command, { args, stdout: "inherit", stderr: "inherit" }).output()
    .catch((error) => {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
      console.error(`${command} is missing: apt-get install clang-19 llvm-19 libbpf-dev`);
      return { code: 1 };
    });
  if (code !== 0) Deno.exit(1);
}

/**
 * Compiles one program. The object holds what loading needs and nothing else: no DWARF, and no relocations of BTF, which
 * static linkers alone would use. No path of this machine gets into it.
 */
async function compile(name: string, object: string): Promise<void> {
  await run(
    "clang-19",
    ...["-O2", "-g", "-Wall", "-Wextra", "-Werror", "-target", "bpf", "-mcpu=v3", "-mlittle-endian"],
    ...["-fdebug-compilation-dir=.", "-c", `${name}.bpf.c`, "-o", object],
  );
  await run("llvm-strip-19", "--strip-debug", object);
  const unused = [".rel.BTF", ".rel.BTF.ext", ".llvm_addrsig"];
  await run("llvm-objcopy-19", ...unused.map((s) => `--remove-section=${s}`), object);
}

Deno.chdir(import.meta.dirname!);
const names = [...Deno.readDirSync(".")].map((e) => /^(\w+)\.bpf\.c$/.exec(e.name)?.[1]).filter((n) =>
  n !== undefined
);
const wanted = Deno.args.length ? Deno.args : names.sort();
const directory = await Deno.makeTempDir();
try {
  for (const name of wanted) {
    const object = `${directory}/${name}.bpf.o`;
    await compile(name, object);
    const bytes = await Deno.readFile(object);
    await Deno.writeTextFile(`${name}.ts`, generateSkeleton(bytes, name));
    await run("deno", "fmt", "--quiet", `${name}.ts`);
    console.log(`${name}.bpf.c: object of ${bytes.length} bytes`);
  }
} finally {
  await Deno.remove(directory, { recursive: true });
}
