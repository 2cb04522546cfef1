// How much code a tool is: the bundle, who takes how much of it, and the C tool.

import { bundle, cTool } from "./contenders.ts";
import { digits, type Report, table } from "./table.ts";

/** Measures the sizes of files. */
export async function size(folder: string): Promise<Report> {
  const file = await bundle(folder);
  if (file === undefined) throw new Error("`deno bundle` failed");
  const bytes = Deno.statSync(file).size, skeleton = "bpf/opensnoop.ts";
  const sources = shares(Deno.readTextFileSync(file), JSON.parse(Deno.readTextFileSync(`${file}.map`)));
  const folders = Map.groupBy(sources, ([name]) => /^(lib\/\w+\/|lib\/|\w+\/)/.exec(name)?.[0] ?? "packages");
  const kilobytes = (bytes: number) => digits(bytes / 1024);
  const rows = [...folders].map(([folder, files]) => ({
    name: `${folder}: ${files.map(([name, bytes]) => `${short(name)} ${kilobytes(bytes)}`).join(", ")}`,
    bytes: files.reduce((sum, [, bytes]) => sum + bytes, 0),
  })).sort((a, b) => b.bytes - a.bytes);

  const source = Deno.readTextFileSync(new URL(`../../${skeleton}`, import.meta.url));
  const base64 = /OBJECT =\s*"([^"]*)"/.exec(source)?.[1] ?? "";
  const c = cTool();
  return {
    title: "Size",
    body: table(["", "KB"], [
      ["**opensnoop, bundled and minified**", `**${kilobytes(bytes)}**`],
      ...rows.map(({ name, bytes }) => [name, kilobytes(bytes)]),
      ["its BPF object (in base64 above, a third more)", kilobytes(Uint8Array.fromBase64(base64).length)],
      c
        ? [
          `C opensnoop (${c.version}), stripped, without its libraries`,
          kilobytes(Deno.statSync(c.file).size),
        ]
        : ["no C opensnoop at hand", "–"],
    ]) + "\nKB of 1,024 bytes. Who takes how much of the bundle comes from its source map.\n",
    targets: [{ what: "bundle", measured: bytes / 1024, most: 100, unit: "KB" }],
  };
}

const short = (path: string) => path.split("/").at(-1)!;

const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/** Bytes of the bundle that come from each source file, by its source map (ECMA-426). */
function shares(text: string, map: { sources: string[]; mappings: string }): [string, number][] {
  const bytes = new Map<string, number>(), lines = text.split("\n");
  let source = 0;
  for (const [number, mappings] of map.mappings.split(";").entries()) {
    let column = 0, last: string | undefined;
    const take = (end: number) => {
      if (last !== undefined) bytes.set(last, (bytes.get(last) ?? 0) + end - column);
      column = end;
    };
    for (const segment of mappings.split(",").filter(Boolean)) {
      const fields = decode(segment);
      take(column + fields[0]!);
      if (fields.length < 4) continue;
      source += fields[1]!;
      last = map.sources[source]!.replace(/^.*?((lib|bpf|tools)\/[^/]*(\/[^/]*)?\.ts)$/, "$1");
    }
    take(lines[number]?.length ?? column);
  }
  return [...bytes].sort((a, b) => b[1] - a[1]);
}

/** The numbers of a segment: base 64, the lowest bit is the sign, the highest of a digit says that more follow. */
function decode(segment: string): number[] {
  const numbers: number[] = [];
  let value = 0, shift = 0;
  for (const letter of segment) {
    const digit = DIGITS.indexOf(letter);
    value += (digit & 31) * 2 ** shift;
    shift += 5;
    if (digit & 32) continue;
    numbers.push(value & 1 ? -(value >>> 1) : value >>> 1);
    value = shift = 0;
  }
  return numbers;
}
