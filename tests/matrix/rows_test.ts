import { assert, assertEquals } from "@std/assert";
import { ROWS } from "./rows.ts";

Deno.test("each version in README.md's table of ways is one that a row of the matrix needs", () => {
  const readme = Deno.readTextFileSync(new URL("../../README.md", import.meta.url));
  const [table] = /^\| way .*\n(?:\|.*\n)+/m.exec(readme)!;
  const [, , ...lines] = table.trim().split("\n").map((line) => line.split("|")[2]!);
  const told = lines.flatMap((cell) => cell.match(/\d+\.\d+/g) ?? []);
  const needed = new Set(ROWS.flatMap(({ needs }) => needs.map(({ version }) => version)));
  assert(told.length > 5);
  assertEquals(told.filter((version) => !needed.has(version)), []);
});

Deno.test("no two rows of the matrix have one name", () => {
  assertEquals(new Set(ROWS.map(({ name }) => name)).size, ROWS.length);
});
