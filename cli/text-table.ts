import { plainLine } from '../protocol/plain-text.js';

const MAX_CELL = 500;

/** Lines of cells, each column as wide as its widest cell. No cell can start a new line. */
export function textTable(cellRows: readonly (readonly string[])[]): string {
  const rows = cellRows.map((cells) => cells.map((cell) => plainLine(cell, MAX_CELL)));
  const columns = Math.max(0, ...rows.map((cells) => cells.length));
  const widths = Array.from({ length: columns }, (_, column) =>
    Math.max(...rows.map((cells) => cells[column]?.length ?? 0)),
  );
  return rows
    .map((cells) =>
      cells
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
