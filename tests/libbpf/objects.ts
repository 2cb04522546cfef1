/**
 * The objects that are compared with libbpf: those of bpf/, and those inside of Debian's libbpf-tools, read out of the
 * installed programs.
 *
 * @module
 */

import { compile, programs } from "../../bpf/build.ts";

const EM_BPF = 247;

/** The BPF objects that a program carries in its data. */
function* embedded(bytes: Uint8Array<ArrayBuffer>): Generator<Uint8Array<ArrayBuffer>> {
  const view = new DataView(bytes.buffer);
  for (let at = bytes.indexOf(0x7f, 1); at >= 0 && at + 64 < bytes.length; at = bytes.indexOf(0x7f, at + 1)) {
    if (view.getUint32(at) !== 0x7f454c46 || view.getUint16(at + 18, true) !== EM_BPF) continue;
    const size = Number(view.getBigUint64(at + 40, true)) +
      view.getUint16(at + 58, true) * view.getUint16(at + 60, true);
    if (at + size <= bytes.length) yield bytes.slice(at, at + size);
  }
}

/**
 * All of them, one at a time. Needs libbpf-tools and clang-19.
 *
 * @param directory For files in between.
 * @yields The name, and a file with the object, which the next one overwrites.
 */
export async function* objects(
  directory: string,
): AsyncGenerator<{ name: string; file: string; bytes: Uint8Array<ArrayBuffer> }> {
  const file = `${directory}/object.o`;
  for (const name of programs()) {
    await compile(name, file);
    yield { name, file, bytes: Deno.readFileSync(file) };
  }
  const { stdout } = await new Deno.Command("dpkg", { args: ["-L", "libbpf-tools"] }).output();
  for (const path of new TextDecoder().decode(stdout).split("\n")) {
    if (!/^\/usr\/sbin\/./.test(path) || !Deno.lstatSync(path).isFile) continue;
    for (const bytes of embedded(Deno.readFileSync(path))) {
      Deno.writeFileSync(file, bytes);
      yield { name: path.replace(/.*\//, ""), file, bytes };
    }
  }
}
