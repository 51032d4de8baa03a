/** A recorded picture: frames of a page, each shown for as long as a reader needs. */
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import sharp from 'sharp';
import type { Shown } from './delivered.js';
import { PICTURES } from './pictures.js';

export const FILM = join(PICTURES, 'film.webp');

/** Of the picture in CSS pixels; the page is a phone's. */
const WIDTH = 312;
const QUALITY = 62;

/** The folder of the test is not what is to be seen in a field. */
const WITHOUT_FOLDER = (folder: string) => `for (const field of document.querySelectorAll('input'))
  field.value = field.value.replace(${JSON.stringify(folder)}, '/home/ada')`;

export class Film {
  readonly #frames: Buffer[] = [];
  readonly #delays: number[] = [];

  /** Adds what the page shows now, for `ms`; `folder` is replaced in its fields. */
  async show(page: Page, ms: number, folder: string): Promise<void> {
    await page.evaluate(WITHOUT_FOLDER(folder));
    this.#frames.push(
      await sharp(await page.screenshot())
        .resize({ width: WIDTH })
        .png()
        .toBuffer(),
    );
    this.#delays.push(ms);
  }

  async keep(): Promise<void> {
    await sharp(this.#frames, { join: { animated: true } })
      .webp({ delay: this.#delays, loop: 0, quality: QUALITY, effort: 6, minSize: true, mixed: true })
      .toFile(FILM);
  }
}

/** A locked phone with a notification, with the words that the worker gave to it: a headless browser draws none. */
export const lockScreen = ({ title, body, actions }: Shown): string => `<!doctype html>
<meta charset="utf-8"><title>A locked phone</title>
<style>
  body { margin: 0; min-height: 100vh; color: #fff; background: linear-gradient(#26324a, #0f1520); font: 17px system-ui; }
  time { display: block; padding: 120px 0 90px; font-size: 84px; font-weight: 300; text-align: center; }
  article { margin: 12px; padding: 14px 16px; border-radius: 18px; background: #3a465f; }
  h1 { margin: 0 0 4px; font-size: 17px; }
  p { margin: 0; white-space: pre-line; }
  nav { display: flex; gap: 8px; margin-top: 12px; }
  button { flex: 1; padding: 10px; border: 0; border-radius: 12px; color: inherit; background: #52607c; font: inherit; }
</style>
<time>9:41</time>
<article><h1>${escaped(title)}</h1><p>${escaped(body)}</p>${actions.length > 0 ? `<nav>${actions.map((one) => `<button>${escaped(one.title)}</button>`).join('')}</nav>` : ''}</article>`;

const escaped = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
