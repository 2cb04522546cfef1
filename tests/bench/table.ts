// Statistics, and tables in markdown.

/** The middle of some figures; NaN if there are none. */
export function median(figures: readonly number[]): number {
  const sorted = figures.filter(Number.isFinite).sort((a, b) => a - b), middle = sorted.length >> 1;
  return sorted.length & 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** The median of the ratios of figures that were taken one right after the other: what disturbs both cancels out. */
export function ratio(ours: readonly number[], theirs: readonly number[]): number {
  return median(ours.map((figure, round) => figure / theirs[round]!));
}

/** A figure in three digits, a dash if there is none. */
export function digits(figure: number | undefined, unit = ""): string {
  if (figure === undefined || !Number.isFinite(figure)) return "–";
  const decimals = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(figure) || 1)));
  const text = figure >= 1000
    ? Math.round(figure).toLocaleString("en-US")
    : figure.toFixed(Math.min(decimals, 2));
  return text + (unit && " " + unit);
}

/** A table; the first column is text, the others are figures. */
export function table(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |\n`;
  return line(heads) + line(heads.map((_, column) => column ? "--:" : "---")) + rows.map(line).join("");
}

/** A figure with the most it may be. */
export interface Target {
  what: string;
  measured: number;
  most: number;
  unit?: string;
}

/** What one file of figures found. */
export interface Report {
  title: string;
  /** Markdown: tables, and notes on how it was measured. */
  body: string;
  targets: Target[];
}

/** The targets, and whether they are met. */
export function verdicts(targets: readonly Target[]): string {
  return table(
    ["target", "measured", "at most", "verdict"],
    targets.map(({ what, measured, most, unit = "×" }) => [
      what,
      digits(measured, unit),
      `${most.toLocaleString("en-US")} ${unit}`,
      Number.isFinite(measured) ? measured <= most ? "met" : "**missed**" : "not measured",
    ]),
  );
}
