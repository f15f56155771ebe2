/**
 * Tables in Markdown.
 *
 * @module
 */

/** What stands in a cell. */
export type Cell = string;

/** A table. Columns of figures are aligned at the right. */
export function table(header: readonly Cell[], rows: readonly (readonly Cell[])[]): string {
  const figures = header.map((_, column) =>
    rows.length > 0 && rows.every((row) => /^(?:-?[\d,.]+.*|-)$/.test(row[column] ?? ""))
  );
  const line = (cells: readonly Cell[]) => `| ${cells.join(" | ")} |`;
  const rule = figures.map((figure) => figure ? "---:" : "---");
  return [header, rule, ...rows].map(line).join("\n");
}
