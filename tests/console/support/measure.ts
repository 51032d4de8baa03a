/** What of a view is cut off or too small to be touched, at the widths and sizes that people have. */
import type { Page } from 'playwright-core';

const PHONE = { width: 390, height: 844 };
const TOUCH_PX = 44;

/**
 * In the page: how much wider than the window it is, and what is smaller than a fingertip. A box or a circle to tick is
 * touched by its label, a session by its row; a link within a text is as high as its line.
 */
const MEASURE = `(() => {
  const touched = (element) => element.closest('.session, label') ?? element;
  const isInText = (element) => element.matches('a') && getComputedStyle(element).display === 'inline' && !element.closest('.session');
  const small = [...document.querySelectorAll('main :is(button, select, summary, input, textarea, a)')]
    .filter((element) => element.checkVisibility() && !element.disabled && !isInText(element))
    .map(touched)
    .filter((element) => {
      const { width, height } = element.getBoundingClientRect();
      return width > 0 && (width < ${TOUCH_PX} - 0.5 || height < ${TOUCH_PX} - 0.5);
    })
    .map((element) => element.outerHTML.slice(0, 120));
  const { scrollWidth, clientWidth } = document.documentElement;
  const wide = scrollWidth <= clientWidth ? [] : [...document.querySelectorAll('main *')]
    .filter((element) => { const { left, right } = element.getBoundingClientRect(); return right > clientWidth + 1 || left < -1; })
    .filter((element) => !element.closest('.scrolls, .transcript'))
    .map((element) => element.outerHTML.slice(0, 120)).slice(0, 5);
  return { tooWide: scrollWidth - clientWidth, wide, small };
})()`;

/** As a person sets up browser and device. */
const CONDITIONS: Record<string, (page: Page) => Promise<unknown>> = {
  '320 px': (page) => page.setViewportSize({ width: 320, height: 700 }),
  '390 px': (page) => page.setViewportSize(PHONE),
  '390 px, text at 200 %': (page) => page.evaluate('document.documentElement.style.fontSize = "200%"'),
  '390 px, right to left': (page) => page.evaluate('document.documentElement.dir = "rtl"'),
  '844 px, right to left': (page) => page.setViewportSize({ width: 844, height: 390 }),
};

/** What is wrong, by condition. */
export async function misfitsIn(page: Page): Promise<Record<string, unknown>> {
  const misfits: Record<string, unknown> = {};
  for (const [condition, set] of Object.entries(CONDITIONS)) {
    await set(page);
    const { tooWide, wide, small } = (await page.evaluate(MEASURE)) as {
      tooWide: number;
      wide: string[];
      small: string[];
    };
    if (tooWide > 0 || small.length > 0) misfits[condition] = { tooWide, wide, small };
    await page.evaluate('document.documentElement.removeAttribute("style"); document.documentElement.dir = "ltr"');
  }
  await page.setViewportSize(PHONE);
  return misfits;
}
