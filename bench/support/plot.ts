/** The rows that have a ratio as bars on a logarithmic axis, with a mark where the goal is: one SVG, no scripts. */
import type { Row } from './table.js';

const WIDTH = 1080;
const LABELS = 560;
const RIGHT = 90;
const ROW = 22;
const BAR = 12;
const TOP = 74;
const BOTTOM = 34;
const LABEL_CHARACTERS = 92;
const PLOT = WIDTH - LABELS - RIGHT;

/** Colours that can be read on white and on nearly black; whoever shows the file says which by its scheme. */
const STYLE = `
  text { font: 11px system-ui, sans-serif; fill: #24292f; }
  .title { font-size: 15px; font-weight: 600; }
  .quiet { fill: #57606a; }
  .background { fill: #ffffff; }
  .grid { stroke: #d0d7de; stroke-width: 1; }
  .one { stroke: #57606a; stroke-width: 1.5; }
  .ok { fill: #2da44e; }
  .short { fill: #cf222e; }
  .none { fill: #8c959f; }
  .goal { stroke: #24292f; stroke-width: 2.5; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; }
    .quiet { fill: #9198a1; }
    .background { fill: #0d1117; }
    .grid { stroke: #30363d; }
    .one { stroke: #9198a1; }
    .ok { fill: #3fb950; }
    .short { fill: #f85149; }
    .none { fill: #6e7681; }
    .goal { stroke: #e6edf3; }
  }`;

interface Bar extends Row {
  ratio: number;
}

export function drawPlot(rows: Row[], title: string): string {
  const bars = rows.filter((row): row is Bar => row.ratio !== undefined && row.ratio > 0 && Number.isFinite(row.ratio));
  const axis = axisOf(bars.flatMap(({ ratio, goalRatio }) => [ratio, goalRatio ?? ratio]));
  const height = TOP + bars.length * ROW + BOTTOM;
  const text = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img">`,
    `<title>${escaped(title)}</title><style>${STYLE}\n</style>`,
    `<rect class="background" width="${WIDTH}" height="${height}"/>`,
    `<text class="title" x="16" y="26">${escaped(title)}</text>`,
    '<text class="quiet" x="16" y="46">Measured by reference of the same run, logarithmic: 1 is the reference. The stroke is the goal; green met it, red fell short, grey has none.</text>',
    ...axis.ticks.flatMap((tick) => drawTick(tick, axis.place(tick), height)),
    ...bars.flatMap((bar, index) => drawBar(bar, TOP + index * ROW, axis.place)),
    '</svg>',
  ];
  return `${text.join('\n')}\n`;
}

interface Axis {
  ticks: number[];
  place: (value: number) => number;
}

/** Whole powers of ten around all values and 1. */
function axisOf(values: number[]): Axis {
  const exponents = [1, ...values].filter((value) => value > 0).map(Math.log10);
  const from = Math.floor(Math.min(...exponents));
  const to = Math.max(from + 1, Math.ceil(Math.max(...exponents)));
  const ticks = Array.from({ length: to - from + 1 }, (_, index) => 10 ** (from + index));
  return { ticks, place: (value) => LABELS + (PLOT * (Math.log10(value) - from)) / (to - from) };
}

function drawTick(tick: number, x: number, height: number): string[] {
  const at = x.toFixed(1);
  const label = tick >= 1 ? `${tick} ×` : `${Number(tick.toPrecision(1))} ×`;
  return [
    `<line class="${tick === 1 ? 'one' : 'grid'}" x1="${at}" x2="${at}" y1="${TOP - 8}" y2="${height - BOTTOM}"/>`,
    `<text class="quiet" x="${at}" y="${height - BOTTOM + 18}" text-anchor="middle">${label}</text>`,
  ];
}

function drawBar({ figure, ratio, goalRatio, met }: Bar, y: number, place: Axis['place']): string[] {
  const [one, end] = [place(1), place(ratio)];
  const verdict = met === undefined ? 'none' : met ? 'ok' : 'short';
  const short = figure.length > LABEL_CHARACTERS ? `${figure.slice(0, LABEL_CHARACTERS - 1)}…` : figure;
  const base = y + BAR / 2 + 4;
  const bar = `x="${Math.min(one, end).toFixed(1)}" y="${y}" width="${Math.max(1, Math.abs(end - one)).toFixed(1)}" height="${BAR}"`;
  const drawn = [
    `<text x="${LABELS - 10}" y="${base}" text-anchor="end">${escaped(short)}<title>${escaped(figure)}</title></text>`,
    `<rect class="${verdict}" ${bar}/>`,
    `<text x="${WIDTH - 12}" y="${base}" text-anchor="end">${shown(ratio)} ×</text>`,
  ];
  if (goalRatio === undefined || goalRatio <= 0) return drawn;
  const goal = place(goalRatio).toFixed(1);
  return [...drawn, `<line class="goal" x1="${goal}" x2="${goal}" y1="${y - 3}" y2="${y + BAR + 3}"/>`];
}

const shown = (ratio: number): string => (ratio >= 100 ? ratio.toFixed(0) : ratio.toPrecision(3));

const escaped = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
