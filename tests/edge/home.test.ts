/** Whatever lies in `COMPANION_HOME` is for its owner alone, however it came to be there. */
import {
  chmodSync,
  chownSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { canMount } from '../faults/support/small-disk.js';
import { expectRefusal, refusalOf, type Setup, served, withDaemon } from '../support/brief-daemon.js';
import { type DaemonFolders, startDaemon } from '../support/daemon.js';
import { scenario } from '../support/scripted-api.js';
import { waitUntil } from '../support/wait-until.js';
import { useWorld } from '../support/world.js';

const OTHERS = 0o077;
const NOBODY = 65_534;

const modeOf = (path: string): number => lstatSync(path).mode & 0o777;

function everythingIn(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? [path, ...everythingIn(path)] : [path];
  });
}

const openToOthers = (home: string): string[] =>
  [home, ...everythingIn(home)].filter((path) => (modeOf(path) & OTHERS) !== 0);

const logOf = (home: string): { message: string; path?: string; mode?: string }[] =>
  readFileSync(join(home, 'logs/companion.log'), 'utf8')
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as { message: string; path?: string; mode?: string });

/** What was said to have been open: `mode path`. */
const narrowedIn = (home: string): string[] =>
  logOf(home)
    .filter(({ message }) => message.startsWith('a path in COMPANION_HOME was open to other users'))
    .map(({ mode, path }) => `${mode} ${path}`);

describe('a home that others can open', () => {
  const world = useWorld();

  test('S1: is closed by the next start, which says what was open, and goes on with it', async () => {
    const { daemon, api } = world;
    const first = await world.connect({ deviceId: 'phone' });
    const started = await first.request('streamStart', {
      prompt: scenario({ text: 'Before.' }),
      workingDirectory: daemon.project(),
    });
    await first.waitFor('streamComplete');
    await daemon.kill('SIGTERM');
    const { sessionId } = started.data;
    const outside = join(daemon.home, '../outside');
    writeFileSync(outside, 'not ours to change');
    chmodSync(outside, 0o644);
    symlinkSync(outside, join(daemon.home, 'link'));
    writeFileSync(join(daemon.home, 'config.json'), '{"MAX_PROCESSES": 3}');
    chmodSync(join(daemon.home, 'run', sessionId, 'stdout.jsonl'), 0o644);
    for (const name of ['config.json', 'journal.db', 'registry.json', 'logs/companion.log']) {
      chmodSync(join(daemon.home, name), 0o644);
    }
    for (const name of ['.', 'logs', 'run', `run/${sessionId}`]) chmodSync(join(daemon.home, name), 0o755);

    await daemon.start();
    expect(openToOthers(daemon.home)).toEqual([
      join(daemon.home, 'link'),
      // It cannot be reached: its folder is closed. There may be many of them, and they are not looked at.
      join(daemon.home, 'run', sessionId, 'stdout.jsonl'),
    ]);
    expect(modeOf(outside)).toBe(0o644);
    await waitUntil('it has said so', () => narrowedIn(daemon.home).length >= 8);
    expect(narrowedIn(daemon.home).sort()).toEqual(
      [
        '0644 config.json',
        '0644 journal.db',
        '0644 logs/companion.log',
        '0644 registry.json',
        '0755 .',
        '0755 logs',
        '0755 run',
        `0755 run/${sessionId}`,
      ].sort(),
    );
    const second = await world.connect({ deviceId: 'phone' });
    const prompt = scenario({ text: 'After.' });
    const { data } = await second.request('streamSend', { sessionId, prompt });
    await second.waitFor((frame) => frame.type === 'streamComplete' && frame.data.promptId === data.promptId);
    expect(api.runs(prompt)).toBe(1);
  });
});

describe('a daemon that was started with a umask of 0', () => {
  const world = useWorld({ command: async () => ['sh', '-c', 'umask 0; exec "$@"', 'sh'] });

  test('S1: lets no other user read what it writes, and leaves the umask to the tools of Claude', async () => {
    const { daemon } = world;
    const client = await world.connect();
    const project = daemon.project();
    const prompt = scenario(
      { tools: [{ name: 'Bash', input: { command: 'echo hi > made; mkdir folder', description: 'x' } }] },
      { text: 'Made.' },
    );
    const started = await client.request('streamStart', { prompt, workingDirectory: project });
    await client.waitFor('permissionRequest');
    await client.request('permission', { sessionId: started.data.sessionId, response: 'y', remember: false });
    await client.waitFor('streamComplete');
    await client.request('ask', { prompt: scenario({ text: 'Yes.' }) });
    expect(modeOf(join(project, 'made'))).toBe(0o666);
    expect(modeOf(join(project, 'folder'))).toBe(0o777);
    expect(openToOthers(daemon.home)).toEqual([]);
    await daemon.restart('SIGTERM');
    expect(openToOthers(daemon.home)).toEqual([]);
    expect(daemon.stderr()).not.toContain('open to other users');
  });
});

describe('COMPANION_HOME', () => {
  test('O1: with the home directory of the person in it is refused, and nothing is changed', async () => {
    let before = 0;
    const prepare = ({ base }: DaemonFolders) => {
      chmodSync(base, 0o755);
      before = readdirSync(base).length;
      return { COMPANION_HOME: base };
    };
    await withDaemon({ prepare }, async ({ exited, stderr, folders }) => {
      expect(await exited).toBe(1);
      expect(stderr()).toMatch(
        /COMPANION_HOME cannot be used: .* contains your home directory.*Choose a separate folder/,
      );
      expect(modeOf(folders.base)).toBe(0o755);
      expect(readdirSync(folders.base)).toHaveLength(before);
    });
  });

  test('S1: that is a link leads to a folder that is closed to others, and mended where its owner may not write it', async () => {
    let target = '';
    const prepare = ({ base, home }: DaemonFolders) => {
      target = join(base, 'elsewhere');
      mkdirSync(target);
      chmodSync(target, 0o555);
      symlinkSync(target, home);
      return {};
    };
    await served({ prepare }, async () => expect(modeOf(target)).toBe(0o700));
  });
});

if (canMount()) {
  test('O1: what others can open and cannot be closed stops the start, and says why and what to do', async () => {
    const script = 'file=$1; shift; mount --bind "$file" "$file" && mount -o remount,ro,bind "$file" && exec "$@"';
    const begun = startDaemon({
      apiUrl: 'http://127.0.0.1:9',
      command: async ({ home }) => {
        const file = join(home, 'config.json');
        mkdirSync(home, { mode: 0o700 });
        writeFileSync(file, '{}');
        chmodSync(file, 0o644);
        return ['unshare', '--user', '--map-root-user', '--mount', 'sh', '-c', script, 'sh', file];
      },
    });
    await expect(begun).rejects.toThrow(
      /other users can open .*config\.json \(0644\).*EROFS.*chmod go-rwx '.*config\.json'/,
    );
  });
} else {
  test('NOT RUN, since nothing can be mounted here: what cannot be closed', () => {
    expect(process.env.REQUIRE_MOUNT).not.toBe('1');
  });
}

/** Root in a container may not be able to. */
function canGiveAway(): boolean {
  const file = mkdtempSync(join(tmpdir(), 'companion-owner-'));
  try {
    chownSync(file, NOBODY, NOBODY);
    return statSync(file).uid === NOBODY;
  } catch {
    return false;
  } finally {
    rmSync(file, { recursive: true });
  }
}

const STRANGERS: [string, (folders: DaemonFolders) => string][] = [
  ['the home', ({ home }) => home],
  [
    'a file',
    ({ home }) => {
      writeFileSync(join(home, 'journal.db'), '', { mode: 0o600 });
      return join(home, 'journal.db');
    },
  ],
  [
    'a log',
    ({ home }) => {
      mkdirSync(join(home, 'logs'), { mode: 0o700 });
      writeFileSync(join(home, 'logs/companion.log.1'), '', { mode: 0o600 });
      return join(home, 'logs/companion.log.1');
    },
  ],
  [
    'the folder of a session',
    ({ home }) => {
      mkdirSync(join(home, 'run/some-session'), { recursive: true, mode: 0o700 });
      return join(home, 'run/some-session');
    },
  ],
  [
    'a link',
    ({ home, base }) => {
      symlinkSync(base, join(home, 'vapid.json'));
      return join(home, 'vapid.json');
    },
  ],
];

function strangers(): void {
  /** A home with one of them; `path` is where it is. */
  function homeWith(make: (folders: DaemonFolders) => string): Setup & { path: string } {
    const setup = {
      path: '',
      prepare: (folders: DaemonFolders) => {
        mkdirSync(folders.home, { mode: 0o700 });
        setup.path = make(folders);
        lchownSync(setup.path, NOBODY, NOBODY);
        return {};
      },
    };
    return setup;
  }
  const expectNamed = (said: string, path: string) => {
    expect(said).toContain('COMPANION_HOME cannot be used');
    expect(said).toContain(`${path} belongs to another user (uid ${NOBODY})`);
    expect(said).toContain(`chown -h ${process.getuid?.()} '${path}'`);
  };

  test.each(STRANGERS)('O1, S1: that is %s is refused, named, and it is said what to do', async (_what, make) => {
    const setup = homeWith(make);
    expectNamed(await refusalOf(setup), setup.path);
  });

  test.each(STRANGERS.slice(-1))('O1, S1: that is %s stops the start', async (_what, make) => {
    const setup = homeWith(make);
    expectNamed(await expectRefusal(setup), setup.path);
  });

  test.each([
    ['the home', ({ home }: DaemonFolders) => home],
    ['the logs', ({ home }: DaemonFolders) => join(home, 'logs')],
  ])('O1, S1: that %s leads to is refused', async (_what, linkOf) => {
    const prepare = (folders: DaemonFolders) => {
      const target = join(folders.base, 'theirs');
      mkdirSync(target);
      chownSync(target, NOBODY, NOBODY);
      const link = linkOf(folders);
      if (link !== folders.home) mkdirSync(folders.home, { mode: 0o700 });
      symlinkSync(target, link);
      return {};
    };
    expect(await refusalOf({ prepare })).toMatch(/COMPANION_HOME cannot be used: .* belongs to another user/);
  });

  test('O1, S1: that may turn the link to the home elsewhere is refused', async () => {
    const prepare = ({ base, home }: DaemonFolders) => {
      mkdirSync(join(base, 'own'), { mode: 0o700 });
      symlinkSync(join(base, 'own'), home);
      lchownSync(home, NOBODY, NOBODY);
      return {};
    };
    expect(await refusalOf({ prepare })).toMatch(/companion belongs to another user/);
  });
}

if (canGiveAway()) {
  describe("another user's thing", strangers);
} else {
  test("NOT RUN, since nothing can be given to another user here: another user's things", () => {
    expect(process.env.REQUIRE_ROOT).not.toBe('1');
  });
}
