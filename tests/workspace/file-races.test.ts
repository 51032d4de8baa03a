import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { CompanionError } from '../../protocol/error-codes.js';
import type { SessionId } from '../../protocol/scalars.js';
import type { FilePlace, Files } from '../../services/ports/workspace.js';
import { createWorkspace } from '../../services/workspace/allowed-roots.js';
import {
  createDirectoryHolder,
  type HeldDirectory,
  type HoldDirectory,
} from '../../services/workspace/directory-handle.js';
import { countOf } from '../support/counts.js';
import {
  CANARY,
  filesOf,
  type Ground,
  makeGround,
  readWhole,
  removeGround,
  snapshotOutside,
  WRITTEN,
} from './file-ground.js';

let ground: Ground;
let before: unknown;

beforeEach(() => {
  ground = makeGround();
  layOut();
  before = snapshotOutside(ground);
});
afterEach(() => removeGround(ground));

/** Whether something of the outside was shown or changed; a ground that was changed is replaced. */
function hasLeft(outcome: string): boolean {
  const changed = JSON.stringify(snapshotOutside(ground)) !== JSON.stringify(before);
  if (changed) {
    removeGround(ground);
    ground = makeGround();
  }
  return changed || outcome.includes(CANARY) || outcome.includes('deep');
}

/** What is swapped, as it is before: the names of what is outside are in there as well. */
function layOut(): void {
  for (const name of ['folder', 'outer', 'file.txt', 'folder.parked', 'file.txt.parked', 'outer.parked', 'made']) {
    rmSync(join(ground.project, name), { recursive: true, force: true });
  }
  for (const path of [
    'folder/file.txt',
    'folder/secret.txt',
    'outer/inner/inner.txt',
    'outer/secret.txt',
    'file.txt',
    'made.txt',
  ]) {
    mkdirSync(dirname(join(ground.project, path)), { recursive: true });
    writeFileSync(join(ground.project, path), 'inside');
  }
}

type Way = (files: Files, place: FilePlace) => Promise<unknown>;
const bytes = Buffer.from(WRITTEN);
const TRASH = { sessionId: 's' as SessionId, deviceId: 'd' };
const WAYS: Record<string, Way> = {
  read: (files, place) => readWhole(files, place),
  'read through a folder': (files, place) => readWhole(files, { ...place, path: `${place.path}/secret.txt` }),
  list: (files, place) => files.list(place, { recursive: true }),
  'list all': (files, { directory }) => files.list({ directory, path: '' }, { recursive: true }),
  replace: (files, place) => files.replace(place, { bytes: [bytes] }),
  'replace in a folder': (files, place) =>
    files.replace({ ...place, path: `${place.path}/secret.txt` }, { bytes: [bytes] }),
  'make in a folder': (files, place) => files.create({ ...place, path: `${place.path}/new.txt` }, bytes),
  'make folders in a folder': (files, place) => files.create({ ...place, path: `${place.path}/a/b/new.txt` }, bytes),
  'make by replacing': (files, place) =>
    files.replace({ ...place, path: `${place.path}/other.txt` }, { bytes: [bytes] }),
  remove: (files, place) => files.remove(place),
  'remove to the trash': (files, place) => files.remove(place, { trash: TRASH }),
  'restore in a folder': async (files, { directory, path }) => {
    const { trashId = '' } = await files.remove({ directory, path: 'made.txt' }, { trash: TRASH });
    return files.restore({ directory }, { ...TRASH, trashId, to: `${path}/back.txt` });
  },
  'remove in a folder': (files, place) => files.remove({ ...place, path: `${place.path}/secret.txt` }),
  'remove a folder in a folder': (files, place) => files.remove({ ...place, path: `${place.path}/empty` }),
};

/** What came back, which is nothing of the outside; whether it was done or refused is all one. */
async function outcomeOf(run: () => Promise<unknown>): Promise<string> {
  try {
    return JSON.stringify((await run()) ?? 'done');
  } catch (error) {
    if (error instanceof CompanionError) return error.code;
    throw error;
  }
}

/** Calls `before` ahead of each step that is made with a handle. */
function stepping(hold: HoldDirectory, before: () => void): HoldDirectory {
  const wrapped = (held: HeldDirectory): HeldDirectory => ({
    ...held,
    location: () => {
      before();
      return held.location();
    },
    entry: (name) => {
      before();
      return held.entry(name);
    },
    self: () => {
      before();
      return held.self();
    },
    child: async (name) => {
      before();
      const child = await held.child(name);
      before();
      return wrapped(child);
    },
  });
  return async (path) => {
    before();
    const held = await hold(path);
    before();
    return wrapped(held);
  };
}

/** As a naive service would do it: by path, after a check that was made before. */
const byPath: HoldDirectory = async (path) => ({
  key: '',
  location: async () => path,
  self: () => path,
  entry: (name) => join(path, name),
  child: (name) => byPath(join(path, name)),
  close: async () => {},
});

const WAYS_OF_FILES = ['read', 'list', 'list all', 'replace', 'remove'];

/** What takes the place of what, in one step or another. */
const SWAPS: [what: string, name: string, target: (ground: Ground) => string, ways?: string[]][] = [
  ['a folder', 'folder', ({ outside }) => outside],
  ['a folder above', 'outer', ({ outside }) => outside],
  ['a file', 'file.txt', ({ outside }) => join(outside, 'secret.txt'), WAYS_OF_FILES],
  ['a file by a folder', 'folder/file.txt', ({ outside }) => outside, WAYS_OF_FILES],
];

function swapIn(name: string, target: string): void {
  renameSync(join(ground.project, name), join(ground.project, `${name}.parked`));
  symlinkSync(target, join(ground.project, name));
}

/** A list of everything takes hundreds of steps; in the fast cut some of its later ones stand for the rest. */
const FIRST_STEPS = countOf({ full: 30, fast: 12 });
const strideAt = (step: number): number => (step < FIRST_STEPS ? 1 : countOf({ full: 1, fast: 11 }));

interface Attempt {
  hold: HoldDirectory;
  way: Way;
  name: string;
  target: string;
  step: number;
}

/** The outcome with the swap made ahead of that step, and whether there was such a step. */
async function attempt({ hold, way, name, target, step }: Attempt): Promise<{ outcome: string; reached: boolean }> {
  let steps = 0;
  const holdSwapped = stepping(hold, () => {
    if (steps++ === step) swapIn(name, target);
  });
  const files = filesOf(ground, { hold: holdSwapped });
  const outcome = await outcomeOf(() => way(files, { directory: ground.project, path: name }));
  return { outcome, reached: steps > step };
}

describe('what is exchanged for a link to the outside', () => {
  describe.each(SWAPS)('%s', (_what, name, target, ways = Object.keys(WAYS)) => {
    test.each(ways)('S2: ahead of any step of "%s" shows and changes nothing there', async (wayName) => {
      const way = WAYS[wayName] as Way;
      const hold = createDirectoryHolder('linux');
      let tried = 0;
      for (let [step, reached] = [0, true]; reached; step += strideAt(step), tried += 1) {
        layOut();
        const done = await attempt({ hold, way, name, target: target(ground), step });
        reached = done.reached;
        expect(done.outcome).not.toContain(CANARY);
        expect(snapshotOutside(ground)).toEqual(before);
      }
      expect(tried).toBeGreaterThan(1);
    });
  });

  test('S2: would be followed by a service that goes by path, which these tests notice', async () => {
    const isCaught = async (way: Way): Promise<boolean> => {
      for (let [step, reached] = [0, true]; reached; step += strideAt(step)) {
        layOut();
        before = snapshotOutside(ground);
        const done = await attempt({ hold: byPath, way, name: 'folder', target: ground.outside, step });
        if (hasLeft(done.outcome)) return true;
        reached = done.reached;
      }
      return false;
    };
    const caught: string[] = [];
    for (const [wayName, way] of Object.entries(WAYS)) if (await isCaught(way)) caught.push(wayName);
    expect(caught).toEqual(
      Object.keys(WAYS).filter((way) => !['read', 'replace', 'remove', 'remove to the trash'].includes(way)),
    );
  });

  test('S2: is no working directory, whenever it is exchanged', async () => {
    for (let [step, reached] = [0, true]; reached; step += 1) {
      layOut();
      let steps = 0;
      const hold = stepping(createDirectoryHolder('linux'), () => {
        if (steps++ === step) swapIn('folder', ground.outside);
      });
      const workspace = createWorkspace({
        roots: [join(ground.base, 'roots')],
        home: ground.home,
        people: `${ground.home}-people`,
        hold,
      });
      const outsideKey = await workspace.identify(ground.outside);
      const found = workspace.resolveDirectory(join(ground.project, 'folder'), { field: 'workingDirectory' });
      const key = await found.then(
        ({ key }) => key,
        (error: CompanionError) => error.code,
      );
      reached = steps > step;
      expect(key).not.toBe(outsideKey);
      expect(snapshotOutside(ground)).toEqual(before);
    }
  });
});

describe('links that come and go all the time', () => {
  const ROUNDS = countOf({ full: 40, fast: 4 });
  const PATHS = ['folder', 'folder/secret.txt', 'folder/file.txt', 'outer/inner', 'outer/inner/inner.txt', 'file.txt'];
  let swapper: ChildProcess;
  let more = 0;

  beforeEach(async () => {
    const script = join(import.meta.dirname, 'support/swapper.cjs');
    swapper = spawn(process.execPath, [script, ground.project, ground.outside], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    swapper.stdout?.on('data', () => {
      more += 1;
    });
    await once(swapper.stdout as NodeJS.ReadableStream, 'data');
  });
  afterEach(async () => {
    const ended = once(swapper, 'exit');
    swapper.kill('SIGKILL');
    await ended;
  });

  const CALLS = ROUNDS * PATHS.length * Object.keys(WAYS).length;
  test(`S2: show and change nothing outside, in ${CALLS} reads, lists, writes and removals`, async () => {
    const files = filesOf(ground);
    const outcomes = new Map<string, number>();
    const count = (outcome: string) => outcomes.get(outcome) ?? 0;
    // As many rounds more as it takes to have met the links often enough.
    const isEnough = () => more >= 2 && count('PERMISSION_DENIED') > ROUNDS * 2;
    for (let round = 0; round < ROUNDS || !isEnough(); round += 1) {
      await Promise.all(
        PATHS.flatMap((path) =>
          Object.values(WAYS).map(async (way) => {
            const outcome = await outcomeOf(() => way(files, { directory: ground.project, path }));
            expect(outcome).not.toContain(CANARY);
            const kind = /^[A-Z_]+$/.test(outcome) ? outcome : 'done';
            outcomes.set(kind, count(kind) + 1);
          }),
        ),
      );
    }
    expect(snapshotOutside(ground)).toEqual(before);
    expect(count('done')).toBeGreaterThan(ROUNDS * 5);
  }, 120_000);
});
