/** One line of the table. Times are p50 / p99 and the count. */
export interface Row {
  figure: string;
  goal: string;
  measured: string;
  /** What the same machine did in the same run without the daemon. */
  reference: string;
  /** Measured by reference. */
  ratio?: number;
  /** What the ratio would be if the goal were just met, where that can be said. */
  goalRatio?: number;
  /** Undefined for what has no goal. */
  met?: boolean;
}

const HEAD = ['figure', 'goal', 'measured', 'reference', 'ratio', ''];

/** Aligned, so that it reads the same in a terminal and in Markdown. */
export function formatTable(rows: Row[]): string {
  const cells = [HEAD, ...rows.map(cellsOf)];
  const widths = HEAD.map((_, column) => Math.max(3, ...cells.map((row) => row[column]?.length ?? 0)));
  const line = (row: string[]) => `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`;
  const rule = `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`;
  const [head = '', ...body] = cells.map(line);
  return [head, rule, ...body].join('\n');
}

const cellsOf = ({ figure, goal, measured, reference, ratio, met }: Row): string[] => [
  figure,
  goal,
  measured,
  reference,
  ratio === undefined ? '' : `${ratio.toFixed(2)} ×`,
  met === undefined ? '' : met ? 'ok' : 'short',
];
