import { mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ANSWERS, type AnswerData } from '../../protocol/server-frames.js';
import { childrenOf, type Daemon, startDaemon } from '../support/daemon.js';
import { waitUntil } from '../support/wait-until.js';
import { connect, type Frame, type WireClient } from '../support/wire-client.js';
import { useWorld } from '../support/world.js';

const world = useWorld();

/** Outside of the root of the world's daemon. */
let outside: string;
let client: WireClient;

beforeAll(async () => {
  const { root } = world.daemon;
  outside = realpathSync(mkdtempSync(join(tmpdir(), 'companion-outside-')));
  mkdirSync(join(outside, 'inside'));
  mkdirSync(`${root}-evil`);
  mkdirSync(join(root, 'real'));
  writeFileSync(join(root, 'file'), '');
  symlinkSync(outside, join(root, 'way-out'));
  symlinkSync('../..', join(root, 'relative-way-out'));
  symlinkSync('/', join(root, 'slash'));
  symlinkSync(join(root, 'way-out'), join(root, 'way-to-the-way-out'));
  symlinkSync(join(root, 'loop'), join(root, 'loop'));
  symlinkSync(join(root, 'gone'), join(root, 'dangling'));
  symlinkSync(join(root, 'file'), join(root, 'link-to-file'));
  client = await world.connect();
});

afterAll(() => rmSync(outside, { recursive: true, force: true }));

type Refused = AnswerData<'error'>;

const post = (daemon: Daemon, body: Record<string, string>) =>
  daemon.fetch('/api/sessions', {
    method: 'POST',
    body: JSON.stringify(body),
    headers: { 'content-type': 'application/json' },
  });

const postRefused = (field: string) => async (path: string) => {
  const { error } = (await (await post(world.daemon, { [field]: path })).json()) as { error: Refused };
  return { error, field };
};

const frameRefused = (field: string, ask: (path: string) => Promise<Frame>) => async (path: string) => {
  const { type, data } = await ask(path);
  expect(type).toBe('error');
  return { error: ANSWERS.error.parse(data), field };
};

/** Every way by which a path comes in, and the field that it has there. */
const WAYS_IN: [string, (path: string) => Promise<{ error: Refused; field: string }>][] = [
  ['POST workingDirectory', postRefused('workingDirectory')],
  ['POST projectPath', postRefused('projectPath')],
  ['POST folderName', postRefused('folderName')],
  [
    'streamStart',
    frameRefused('workingDirectory', (workingDirectory) =>
      client.request('streamStart', { prompt: 'x', workingDirectory }),
    ),
  ],
  [
    'ask',
    frameRefused('workingDirectory', (workingDirectory) => client.request('ask', { prompt: 'x', workingDirectory })),
  ],
  [
    'claudeCommand',
    frameRefused('projectPath', (projectPath) => client.request('claudeCommand', { command: 'x', projectPath })),
  ],
  [
    'setWorkingDirectory',
    frameRefused('workingDirectory', (workingDirectory) => client.request('setWorkingDirectory', { workingDirectory })),
  ],
];

const BAD_PATHS: [string, () => string, string][] = [
  ['does not exist', () => 'missing', 'PROJECT_NOT_FOUND'],
  ['does not exist, absolute', () => join(world.daemon.root, 'missing/deep'), 'PROJECT_NOT_FOUND'],
  ['begins with a tilde', () => '~', 'PROJECT_NOT_FOUND'],
  ['is blank', () => ' ', 'PROJECT_NOT_FOUND'],
  ['is longer than a path may be', () => 'x/'.repeat(5000), 'PROJECT_NOT_FOUND'],
  ['is half of a surrogate pair', () => '\ud800', 'INVALID_REQUEST'],
  ['is a file', () => 'file', 'PROJECT_NOT_FOUND'],
  ['is below a file', () => 'file/deep', 'PROJECT_NOT_FOUND'],
  ['is a link to a file', () => 'link-to-file', 'PROJECT_NOT_FOUND'],
  ['is a link to nothing', () => 'dangling', 'PROJECT_NOT_FOUND'],
  ['is a link to itself', () => 'loop', 'PROJECT_NOT_FOUND'],
  ['lies outside', () => outside, 'PERMISSION_DENIED'],
  ['lies outside and does not exist', () => join(outside, 'missing'), 'PERMISSION_DENIED'],
  ['is the root of the disk', () => '/', 'PERMISSION_DENIED'],
  ['is the folder of the root', () => dirname(world.daemon.root), 'PERMISSION_DENIED'],
  ['begins like the root', () => `${world.daemon.root}-evil`, 'PERMISSION_DENIED'],
  ['leads out by ..', () => '..', 'PERMISSION_DENIED'],
  ['leads out by many ..', () => '../'.repeat(50), 'PERMISSION_DENIED'],
  ['leads out by .. from within', () => 'real/../..', 'PERMISSION_DENIED'],
  ['leads out by .. from what is not there', () => 'missing/../..', 'PERMISSION_DENIED'],
  ['leads out absolutely, by ..', () => `${world.daemon.root}/../projects-evil`, 'PERMISSION_DENIED'],
  ['is a link out', () => 'way-out', 'PERMISSION_DENIED'],
  ['is a relative link out', () => 'relative-way-out', 'PERMISSION_DENIED'],
  ['is a link to a link out', () => 'way-to-the-way-out', 'PERMISSION_DENIED'],
  ['is below a link out', () => 'way-out/inside', 'PERMISSION_DENIED'],
  ['is below a link to the root of the disk', () => `slash${outside}`, 'PERMISSION_DENIED'],
  ['is the home of the daemon', () => world.daemon.home, 'PERMISSION_DENIED'],
  ['has a NUL', () => 'real\0', 'INVALID_REQUEST'],
  ['has a NUL before a way out', () => 'real\0/../../..', 'INVALID_REQUEST'],
  ['is empty', () => '', 'INVALID_REQUEST'],
];

/** No session, no child, no folder of one. */
async function expectNothing(daemon: Daemon): Promise<void> {
  expect(await (await daemon.fetch('/api/sessions')).json()).toMatchObject({ sessions: [], total: 0 });
  expect(readdirSync(join(daemon.home, 'run'))).toEqual([]);
  expect(childrenOf(daemon.home)).toEqual([]);
}

describe.each(WAYS_IN)('by %s, a directory', (_way, refused) => {
  test.each(BAD_PATHS)('S2: that %s is refused by its field, before anything starts', async (_what, path, code) => {
    const { error, field } = await refused(path());
    expect(error).toMatchObject({ code, details: { field, rule: expect.stringMatching(/./) } });
    expect(error.message).toContain(field);
    await expectNothing(world.daemon);
  });
});

describe('a daemon', () => {
  let folder: string;

  beforeAll(() => {
    folder = realpathSync(mkdtempSync(join(tmpdir(), 'companion-roots-')));
    for (const name of ['first/a', 'second/b']) mkdirSync(join(folder, name), { recursive: true });
    symlinkSync(join(folder, 'first'), join(folder, 'link'));
    symlinkSync(join(folder, 'second'), join(folder, 'first/to-second'));
  });

  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  async function withRoots(roots: string, look: (daemon: Daemon) => Promise<void>): Promise<void> {
    const daemon = await startDaemon({ apiUrl: world.api.url, environment: { PROJECT_ROOTS: roots } });
    try {
      await look(daemon);
    } finally {
      await daemon.stop();
    }
  }

  const directoryOf = async (daemon: Daemon, path: string): Promise<unknown> =>
    ((await (await post(daemon, { workingDirectory: path })).json()) as { workingDirectory?: string }).workingDirectory;

  test('S2: whose root is a link serves the folder behind it, by either name, and no other', async () => {
    await withRoots(join(folder, 'link'), async (daemon) => {
      const real = join(folder, 'first/a');
      for (const path of ['a', join(folder, 'link/a'), real]) expect(await directoryOf(daemon, path)).toBe(real);
      for (const path of [folder, join(folder, 'second'), '..', 'to-second', join(folder, 'link/..')]) {
        expect(await (await post(daemon, { workingDirectory: path })).json()).toMatchObject({
          error: { code: 'PERMISSION_DENIED', details: { field: 'workingDirectory' } },
        });
      }
    });
  });

  test('S2: with several roots serves all, and relative paths begin at the first', async () => {
    const roots = `${join(folder, 'first')}:${join(folder, 'second')}`;
    await withRoots(roots, async (daemon) => {
      expect(await directoryOf(daemon, 'a')).toBe(join(folder, 'first/a'));
      expect((await post(daemon, { workingDirectory: 'b' })).status).toBe(404);
      const b = join(folder, 'second/b');
      for (const path of [b, '../second/b', 'to-second/b']) expect(await directoryOf(daemon, path)).toBe(b);
      expect((await post(daemon, { workingDirectory: folder })).status).toBe(403);
    });
  });

  test('S2: whose home lies in a root does not serve it, nor what is in it', async () => {
    await withRoots(realpathSync(tmpdir()), async (daemon) => {
      const link = join(folder, 'to-home');
      symlinkSync(daemon.home, link);
      for (const path of [daemon.home, join(daemon.home, 'run'), `${daemon.home}/logs/..`, link, join(link, 'logs')]) {
        expect(await (await post(daemon, { workingDirectory: path })).json()).toMatchObject({
          error: { code: 'PERMISSION_DENIED', details: { field: 'workingDirectory' } },
        });
      }
      await expectNothing(daemon);
    });
  });
});

describe('a relative directory', () => {
  const start = async (some: WireClient, workingDirectory?: string): Promise<string> => {
    const directory = workingDirectory === undefined ? {} : { workingDirectory };
    return String((await some.request('streamStart', { prompt: '', ...directory })).data.workingDirectory);
  };

  test('begins at what this connection has set, else at the first root', async () => {
    const { root } = world.daemon;
    mkdirSync(join(root, 'outer/inner'), { recursive: true });
    const [mine, theirs] = [await world.connect({ deviceId: 'mine' }), await world.connect()];
    const set = async (workingDirectory: string) =>
      (await mine.request('setWorkingDirectory', { workingDirectory })).data;
    expect(await set('outer')).toEqual({ workingDirectory: join(root, 'outer'), success: true });
    expect(await start(mine)).toBe(join(root, 'outer'));
    expect(await start(mine, 'inner')).toBe(join(root, 'outer/inner'));
    expect(await start(theirs, 'outer/inner')).toBe(join(root, 'outer/inner'));
    expect(await set('missing')).toMatchObject({ code: 'PROJECT_NOT_FOUND', details: { field: 'workingDirectory' } });
    expect(await set('../..')).toMatchObject({ code: 'PERMISSION_DENIED', details: { field: 'workingDirectory' } });
    expect(await start(mine, '.')).toBe(join(root, 'outer'));
    expect(await set('..')).toMatchObject({ workingDirectory: root });
    expect(await start(mine, 'outer')).toBe(join(root, 'outer'));
    await set('outer');
    const again = await connect(world.daemon, { deviceId: 'mine' });
    expect(await start(again, 'outer')).toBe(join(root, 'outer'));
    again.terminate();
  });
});

describe('one directory', () => {
  test('H1: is one session with one child, by all its spellings and links, also at once', async () => {
    const { root } = world.daemon;
    const real = join(root, 'one/directory');
    mkdirSync(real, { recursive: true });
    symlinkSync(real, join(root, 'link-to-it'));
    symlinkSync('link-to-it', join(root, 'link-to-link'));
    symlinkSync(join(root, 'one'), join(root, 'link-to-its-folder'));
    const spellings = [
      real,
      `${real}/`,
      `${real}/.`,
      `${real}//`,
      `/${real}`,
      `${real}/../directory`,
      `${root}/missing/../one/directory`,
      'one/directory',
      './one//directory',
      'link-to-it',
      'link-to-it/',
      'link-to-link',
      'link-to-its-folder/directory',
    ];
    const posted = await Promise.all(spellings.map((path) => post(world.daemon, { workingDirectory: path })));
    const sent = await Promise.all(
      spellings.map((workingDirectory) => client.request('streamStart', { prompt: '', workingDirectory })),
    );
    const answers = [...(await Promise.all(posted.map((reply) => reply.json()))), ...sent.map(({ data }) => data)] as {
      sessionId: string;
      workingDirectory: string;
      reused: boolean;
    }[];
    const [first] = answers;
    for (const answer of answers) expect(answer).toMatchObject({ sessionId: first?.sessionId, workingDirectory: real });
    expect(answers.filter(({ reused }) => !reused)).toHaveLength(1);
    const processes = () => world.daemon.sessionProcesses(first?.sessionId ?? '');
    await waitUntil('it has a child', () => processes().length > 0);
    // It may have been so before this client followed it.
    await waitUntil('it is idle', async () => {
      const view = await world.daemon.fetch(`/api/sessions/${first?.sessionId}`);
      return ((await view.json()) as { status: string }).status === 'idle';
    });
    expect(processes()).toHaveLength(1);
  });

  // Each of the names has to be taken as it is for the whole to be found.
  test.each([['-rf/ /a b/a:b/"$(touch x)`/new\nline/Ünï/.hidden'], ['x'.repeat(255)]])(
    'H1: may be named %j',
    async (name) => {
      const path = world.daemon.project(name);
      const { data } = await client.request('streamStart', { prompt: '', workingDirectory: path });
      expect(data).toMatchObject({ workingDirectory: path, reused: false });
      await client.waitFor((frame) => frame.sessionId === data.sessionId && frame.data.status === 'idle');
      const closed = await client.request('streamClose', { sessionId: data.sessionId, reason: 'named' });
      expect(closed.data.status).toBe('closed');
    },
  );
});
