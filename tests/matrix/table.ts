/**
 * The table of kernels in README.md, between its markers, from the results of run.ts.
 *
 * usage: deno run -A tests/matrix/table.ts write|compare DIRECTORY, with the files host, 5.10, 6.1, 6.12, sid, arm64
 *
 * `compare` tells each cell that is not as README.md has it, and is content: the newest kernel moves without our doing.
 *
 * @module
 */

import type { Kernel, Result } from "./run.ts";

/** The columns, by the kernels' names in tests/kernels: what stands above them, where `#` is the kernel's version. */
const COLUMNS: Readonly<Record<string, string>> = {
  "5.10": "#",
  "6.1": "#",
  "6.12": "#",
  host: "# (build host)",
  sid: "# (newest)",
  arm64: "# arm64",
};
const MARKERS = /(<!-- kernels -->\n)([\s\S]*?)(<!-- \/kernels -->)/;
const README = new URL("../../README.md", import.meta.url);
const DIGITS = "⁰¹²³⁴⁵⁶⁷⁸⁹";

/** What ran under one kernel. */
interface Column {
  readonly title: string;
  readonly results: ReadonlyMap<string, Result>;
}

/** Reads the columns that are there. */
function readColumns(directory: string): Map<string, Column> {
  const columns = new Map<string, Column>();
  for (const [name, title] of Object.entries(COLUMNS)) {
    let text;
    try {
      text = Deno.readTextFileSync(`${directory}/${name}`);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
      continue;
    }
    const [kernel, ...rows] = text.trim().split("\n").map((line) => JSON.parse(line)) as [
      Kernel,
      ...Result[],
    ];
    const [version = "?"] = /^\d+\.\d+/.exec(kernel.release) ?? [];
    columns.set(name, {
      title: title.replace("#", version),
      results: new Map(rows.map((result) => [result.row, result])),
    });
  }
  return columns;
}

/** The table as Markdown, the reasons below it. */
function markdown(columns: readonly Column[]): string {
  const reasons: string[] = [];
  const footnote = (reason: string) => {
    if (!reasons.includes(reason)) reasons.push(reason);
    return `–${[...`${reasons.indexOf(reason) + 1}`].map((digit) => DIGITS[Number(digit)]).join("")}`;
  };
  const names = new Set(columns.flatMap(({ results }) => [...results.keys()]));
  const rows = [...names].map((name) => [
    `\`${name}\``,
    ...columns.map(({ results }) => {
      const result = results.get(name);
      return !result ? "?" : result.works ? result.how : footnote(reasonIn(result.reason));
    }),
  ]);
  const lines = [["section, tool", ...columns.map(({ title }) => title)], [
    "---",
    ...columns.map(() => "---"),
  ], ...rows];
  return `\n${lines.map((cells) => `| ${cells.join(" | ")} |`).join("\n")}\n\n${
    reasons.map((reason, i) => `${i + 1}. ${reason}`).join("\n")
  }\n\n`;
}

/** A reason as a footnote: addresses are the machine's own. */
function reasonIn(reason: string): string {
  return reason.replace(/0x[\da-f]{8,}/g, "kernel code");
}

/** The cells of a table with its reasons, as `row, column` and what is there. */
function cellsOf(text: string): Map<string, string> {
  const reasons = new Map(
    [...text.matchAll(/^(\d+)\. (.*(?:\n {2,}.*)*)/gm)].map((
      [, n, reason],
    ) => [n, reason!.replace(/\s+/g, " ")]),
  );
  const [titles = [], , ...rows] = text.split("\n").filter((line) => line.startsWith("|"))
    .map((line) => line.slice(1, -1).split("|").map((cell) => cell.trim()));
  // "6.18 (build host)" is the build host, whatever its version.
  const columns = titles.map((title) => /\((.*)\)/.exec(title)?.[1] ?? title);
  return new Map([
    ...columns.map((column, i): [string, string] => [`the title of ${column}`, titles[i]!]),
    ...rows.flatMap(([name, ...cells]) =>
      cells.map((cell, i): [string, string] => {
        const number = cell.startsWith("–") && [...cell.slice(1)].map((c) => DIGITS.indexOf(c)).join("");
        return [`${name} on ${columns[i + 1]}`, number ? `no: ${reasons.get(number)}` : cell];
      })
    ),
  ]);
}

const [command, directory] = Deno.args;
if ((command !== "write" && command !== "compare") || !directory) {
  console.error("usage: table.ts write|compare DIRECTORY");
  Deno.exit(64);
}
const columns = readColumns(directory), readme = Deno.readTextFileSync(README);
const missing = Object.keys(COLUMNS).filter((name) => !columns.has(name));
const text = markdown([...columns.values()]);
if (command === "compare") {
  const before = cellsOf(MARKERS.exec(readme)?.[2] ?? ""), now = cellsOf(text);
  for (const name of missing) console.log(`note: README.md, kernels: ${name} has not run`);
  for (const [cell, value] of now) {
    const old = before.get(cell) ?? "not there";
    if (old !== value) console.log(`note: README.md, kernels: ${cell} is now "${value}", was "${old}"`);
  }
} else if (missing.length > 0) {
  console.error(`README.md stays as it is: there are no results of ${missing.join(", ")}`);
  Deno.exit(1);
} else {
  Deno.writeTextFileSync(README, readme.replace(MARKERS, (_, start, _old, end) => start + text + end));
  const { success } = await new Deno.Command(Deno.execPath(), {
    args: ["fmt", "--quiet", decodeURIComponent(README.pathname)],
  }).output();
  Deno.exit(success ? 0 : 1);
}
