/**
 * The pictures of the views in docs/pictures, and how much a view is like the one that is kept of it. Fonts differ
 * between machines, and so does each line of text: what is compared is where there is something, in cells of a size,
 * and the colour behind it.
 */
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import sharp from 'sharp';

export const PICTURES = join(import.meta.dirname, '../../../docs/pictures');

/** `renew`: the pictures are made again. */
export const isRenewing = process.env.PICTURES === 'renew';

const PHONE = { width: 390, height: 844 };
const DESK = { width: 1024, height: 720 };
/** With so many a picture of text and areas looks the same, and takes a third. */
const COLOURS = 64;

/** The width of a cell in CSS pixels: about a line of text. */
const CELL = 16;
/** A cell with as much difference in brightness, of 255, has something in it. */
const INKED = 24;

const VARIANTS = {
  light: { colorScheme: 'light', size: DESK },
  dark: { colorScheme: 'dark', size: DESK },
  phone: { colorScheme: 'light', size: PHONE },
} as const;

/** Where the files of the tests are is not what is to be seen. */
const WITHOUT_FOLDERS = (folder: string) => `(() => {
  const walker = document.createTreeWalker(document.querySelector('main'), NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode;
    if (node.nodeValue.includes(${JSON.stringify(folder)})) node.nodeValue = node.nodeValue.replaceAll(${JSON.stringify(folder)}, '/home/ada');
  }
})()`;

/** Where a view is scrolled to depends on when what is in it came: a conversation to its end, others to their begin. */
const SCROLLED = `(() => {
  for (const element of document.querySelectorAll('*')) {
    const isOfLog = element.matches('[role=log]') || element.querySelector('[role=log]') !== null;
    element.scrollTop = isOfLog ? element.scrollHeight : 0;
  }
  return new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
})()`;

export interface Shot {
  page: Page;
  name: string;
  /** The folder that is not shown. */
  folder: string;
}

/** Of a palette, and so a third of the size. */
const small = (png: Buffer): Promise<Buffer> =>
  sharp(png).png({ palette: true, colours: COLOURS, effort: 10 }).toBuffer();

/** Keeps the pictures of a view: light, dark, and on a phone. */
export async function keepPictures({ page, name }: Omit<Shot, 'folder'>): Promise<void> {
  await mkdir(PICTURES, { recursive: true });
  for (const [variant, { colorScheme, size }] of Object.entries(VARIANTS)) {
    await page.emulateMedia({ colorScheme });
    await page.setViewportSize(size);
    await page.evaluate(SCROLLED);
    await writeFile(join(PICTURES, `${name}-${variant}.png`), await small(await page.screenshot()));
  }
  await page.emulateMedia({ colorScheme: 'light' });
  await page.setViewportSize(PHONE);
}

/** How much of the view on a phone is where it is in the kept picture, from 0 to 1; undefined without one. */
export async function likeness({ page, name, folder }: Shot): Promise<number | undefined> {
  await page.evaluate(WITHOUT_FOLDERS(folder));
  await page.evaluate(SCROLLED);
  const kept = join(PICTURES, `${name}-phone.png`);
  if (!existsSync(kept)) return undefined;
  return likenessOf(await readFile(kept), await page.screenshot());
}

/** The fonts of this machine, by the widths of letters in them. */
const fontsOf = (page: Page): Promise<string> =>
  page.evaluate(`(() => {
    const context = document.createElement('canvas').getContext('2d');
    return ['100px system-ui', '100px ui-monospace, monospace'].map((font) => {
      context.font = font;
      return context.measureText('Claude Companion 0123').width.toFixed(1);
    }).join(' ');
  })()`);

const FONTS = join(PICTURES, 'fonts.txt');

export const keepFonts = async (page: Page): Promise<void> => writeFile(FONTS, `${await fontsOf(page)}\n`);

/** Whether the kept pictures have the fonts of this machine. */
export const hasFonts = async (page: Page): Promise<boolean> =>
  (await readFile(FONTS, 'utf8')).trim() === (await fontsOf(page));

/** Of two pictures of the size of a phone. */
export async function likenessOf(one: Buffer, other: Buffer): Promise<number> {
  const [a, b] = await Promise.all([one, other].map(cellsOf));
  if (!a || !b || Math.abs(a.paper - b.paper) > INKED) return 0;
  return Math.min(shareIn(a, b), shareIn(b, a));
}

interface Cells {
  /** The brightness that most of the picture has. */
  paper: number;
  inked: readonly boolean[];
}

async function cellsOf(png: Buffer): Promise<Cells> {
  const { data, info } = await sharp(png).greyscale().raw().toBuffer({ resolveWithObject: true });
  const { width, height, channels } = info;
  const at = (x: number, y: number): number => data[(y * width + x) * channels] ?? 0;
  const counts = new Map<number, number>();
  for (let index = 0; index < data.length; index += channels)
    counts.set(data[index] ?? 0, (counts.get(data[index] ?? 0) ?? 0) + 1);
  const [paper] = [...counts].sort((a, b) => b[1] - a[1])[0] ?? [0];
  const columns = Math.floor(width / CELL);
  const isInked = (left: number, top: number): boolean => {
    for (let y = top; y < top + CELL; y += 1)
      for (let x = left; x < left + CELL; x += 1) if (Math.abs(at(x, y) - paper) > INKED) return true;
    return false;
  };
  const cells = columns * Math.floor(height / CELL);
  const inked = Array.from({ length: cells }, (_, cell) =>
    isInked((cell % columns) * CELL, Math.floor(cell / columns) * CELL),
  );
  return { paper, inked };
}

/** The share of what is in `of` that is in `among` as well. */
function shareIn(of: Cells, among: Cells): number {
  const cells = of.inked.flatMap((isInked, cell) => (isInked ? [cell] : []));
  return cells.length === 0 ? 0 : cells.filter((cell) => among.inked[cell]).length / cells.length;
}
