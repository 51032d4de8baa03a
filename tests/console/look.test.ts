/** How the console looks and is read, in every view, in a real browser against the real daemon and the real CLI. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from '@jest/globals';
import sharp from 'sharp';
import { violationsIn } from './support/axe.js';
import { inChromium, useConsolePage } from './support/console-page.js';
import { misfitsIn } from './support/measure.js';
import { hasFonts, isRenewing, keepFonts, keepPictures, likeness, likenessOf, PICTURES } from './support/pictures.js';
import { takeTour, type Visit } from './support/tour.js';
import { useTourWorld } from './support/tour-world.js';

const TOUR_MS = 300_000;
/** So much of a view is where it was; with other fonts, which move lines, less. */
const LIKE = { sameFonts: 0.7, otherFonts: 0.4 };
const MOST_BYTES = 150_000;
const WEB = join(import.meta.dirname, '../../web');

/** The accessibility trees of the inbox and of a session. */
const HOME_TREE = `
- region "Waits for you":
  - heading "Waits for you" [level=2]
  - list:
    - listitem:
      - 'article "Allow Bash: Run all tests?"':
        - paragraph:
          - strong: website
          - text: …/website
        - 'heading "Allow Bash: Run all tests?" [level=3]'
        - paragraph: Run all tests
        - paragraph: This command requires approval
        - text: npm test -- --all
        - paragraph: "Always: …"
        - button "Allow once"
        - button "Always allow"
        - button "Deny"
    - listitem:
      - button "letters How shall it begin?":
        - text: letters
        - strong: How shall it begin?
- region "Sessions":
  - heading "Sessions" [level=2]
  - list:
    - listitem:
      - link "letters"
      - text: waits
    - listitem:
      - link "website"
      - text: waits
    - listitem:
      - link "garden"
      - text: idle`;

const LOG_TREE = `
- log "Conversation":
  - button "Go back to before this message": ↶
  - button "More of this message": ⋯
  - article "You":
    - paragraph: Plan the beds and write it down.
  - group: Thinking
  - article "Claude":
    - paragraph: I look around first.
  - button "More of this message": ⋯
  - group:
    - strong: 3 tools
    - text: Bash, Write
  - article "Claude":
    - heading "What is done" [level=2]
    - paragraph:
      - text: The beds are planned, and
      - code: plan.md
      - text: says where everything goes.
    - table:
      - rowgroup:
        - row "bed what from":
          - columnheader "bed"
          - columnheader "what"
          - columnheader "from"
      - rowgroup:
        - row "1 Peas March":
          - cell "1"
          - cell "Peas":
            - strong: Peas
          - cell "March"
        - row "2 Beans May":
          - cell "2"
          - cell "Beans"
          - cell "May"
    - code: cat plan.md
    - list:
      - listitem:
        - checkbox "Done" [checked] [disabled]
        - text: measure the beds
      - listitem:
        - checkbox "To do" [disabled]
        - text: buy seeds, see
        - link "the list"
    - blockquote:
      - paragraph: Rhubarb wants shade.
  - button "More of this message": ⋯
  - paragraph: … s
  - group: 1 file changed`;

/** How much of the page moves. */
const MOVING = `[...document.querySelectorAll('*')].filter((element) => {
  const { transitionDuration, animationName, scrollBehavior } = getComputedStyle(element);
  return parseFloat(transitionDuration) > 0.01 || animationName !== 'none' || scrollBehavior === 'smooth';
}).length`;

/** The words of what can be pressed without scrolling. */
const IN_FIRST_VIEW = `[...document.querySelectorAll('main :is(header button, .sessions a)')]
  .filter((element) => element.getBoundingClientRect().bottom <= innerHeight)
  .map((element) => element.textContent)`;

/** Without addresses, folders, times and costs. */
const told = (tree: string): string =>
  `\n${tree}`
    .replaceAll(/\n *- \/url: .*/g, '')
    .replaceAll(/(link "[^"]*"):/g, '$1')
    .replaceAll(/text: \/\S+\/projects/g, 'text: …')
    .replace(/"Always: .*"/, '"Always: …"')
    .replace(/[\d.]+ s( · \$[\d.]+)?/, '… s');

inChromium('every view of the console', (path) =>
  describe('every view of the console', () => {
    const world = useTourWorld();
    const shown = useConsolePage(world, path);
    const visited: string[] = [];
    const violations: Record<string, unknown> = {};
    const trees: Record<string, string> = {};
    const likenesses: Record<string, number | string> = {};
    const misfits: Record<string, unknown> = {};
    let firstView: unknown;

    const lookWithAxe: Visit = async ({ name, page }) => {
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme });
        const found = await violationsIn(page);
        if (Object.keys(found).length > 0) violations[`${name}, ${colorScheme}`] = found;
      }
      await page.emulateMedia({ colorScheme: 'light' });
    };

    const measure: Visit = async ({ name, page }) => {
      const found = await misfitsIn(page);
      if (Object.keys(found).length > 0) misfits[name] = found;
      await page.emulateMedia({ reducedMotion: 'reduce' });
      if ((await page.evaluate(MOVING)) !== 0) misfits[`${name}, moving`] = true;
      await page.emulateMedia({ reducedMotion: 'no-preference' });
      if (name === 'home-one') firstView = await page.evaluate(IN_FIRST_VIEW);
    };

    const compare: Visit = async ({ name, page }) => {
      const like = await likeness({ name, page, folder: world.daemon.root });
      likenesses[name] = like ?? 'no picture';
      if (isRenewing) await keepPictures({ name, page });
    };

    const readTree: Visit = async ({ name, page }) => {
      const parts = { home: 'main > section', session: '[role="log"]' }[name];
      if (parts === undefined) return;
      const read = await Promise.all((await page.locator(parts).all()).map((part) => part.ariaSnapshot()));
      trees[name] = told(read.join('\n'));
    };

    beforeAll(
      () =>
        takeTour({
          world,
          shown,
          visit: async (stop) => {
            visited.push(stop.name);
            await readTree(stop);
            await compare(stop);
            await lookWithAxe(stop);
            await measure(stop);
            await shown.picture(stop.name);
          },
        }),
      TOUR_MS,
    );

    test('axe finds no violation, light and dark', () => {
      expect(violations).toEqual({});
      expect(visited).toEqual(
        expect.arrayContaining(['pair', 'home', 'new', 'session', 'permission', 'search', 'usage']),
      );
    });

    test('nothing is cut off, too small to touch or moving: at 320 px, with text at 200 %, right to left', () => {
      expect(misfits).toEqual({});
      expect(firstView).toEqual(['New session', 'garden']);
    });

    test('the styles know begin and end, not left and right', () => {
      const sides = /(?:^|[\s;{-])(?:left|right)(?:-[a-z-]+)?\s*:|:\s*(?:left|right)\s*;|float\s*:/;
      const styles = readdirSync(WEB).filter((name) => name.endsWith('.css'));
      expect(styles.filter((name) => sides.test(readFileSync(join(WEB, name), 'utf8')))).toEqual([]);
      expect(styles).toContain('style.css');
    });

    test('every view looks like its picture in docs/pictures, which PICTURES=renew makes again', async () => {
      if (isRenewing) await keepFonts(shown.page);
      const least = (await hasFonts(shown.page)) ? LIKE.sameFonts : LIKE.otherFonts;
      const unlike = Object.entries(likenesses).filter(([, like]) => typeof like === 'string' || like < least);
      if (!isRenewing) expect(Object.fromEntries(unlike)).toEqual({});
      const sizes = readdirSync(PICTURES).map((name) => ({ name, size: statSync(join(PICTURES, name)).size }));
      expect(sizes.filter(({ name, size }) => name.endsWith('.png') && size >= MOST_BYTES)).toEqual([]);
      const [home, session] = ['home', 'session'].map((name) => readFileSync(join(PICTURES, `${name}-phone.png`)));
      const dark = await sharp(home).negate({ alpha: false }).toBuffer();
      const blank = await sharp(home).linear(0, 247).toBuffer();
      const others = await Promise.all([session, dark, blank].map((one) => likenessOf(home as Buffer, one as Buffer)));
      expect(others.map((like) => like < LIKE.sameFonts)).toEqual([true, true, true]);
      expect(others.slice(1)).toEqual([0, 0]);
    });

    test('the inbox and the conversation are told as they are meant', () => {
      expect(trees.home).toBe(HOME_TREE);
      expect(trees.session).toBe(LOG_TREE);
    });
  }),
);
