import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { CLONE_EVENTS, type CloneEventName } from '../../protocol/projects.js';
import { type GitServer, startGitServer } from '../support/git-server.js';
import { useWorld } from '../support/world.js';

const CLAUDE_PATH = join(import.meta.dirname, '../support/fake-cli.mjs');
const MIB = 1024 * 1024;
const world = useWorld({ environment: { CLAUDE_PATH, CLONE_MAX_BYTES: String(6 * MIB) } });
let server: GitServer;

beforeAll(async () => {
  server = await startGitServer();
  server.add('shop', (folder) => {
    writeFileSync(join(folder, 'README.md'), '# Shop\n');
    mkdirSync(join(folder, 'src'));
    writeFileSync(join(folder, 'src/main.ts'), 'export {};\n');
  });
  server.add('half', (folder) => writeFileSync(join(folder, 'large.bin'), randomBytes(MIB)));
});
afterAll(() => server.close());

const post = (body: object, init: RequestInit = {}) =>
  world.daemon.fetch('/api/projects/clone', {
    method: 'POST',
    body: JSON.stringify(body),
    ...init,
    headers: { 'content-type': 'application/json', ...(init.headers as Record<string, string>) },
  });
const clone = async (body: object) => {
  const response = await post(body);
  return { status: response.status, body: (await response.json()) as Record<string, never> };
};
const refused = (status: number, field: string) => ({ status, body: { error: { details: { field } } } });
const at = (...names: string[]) => join(world.daemon.root, ...names);
const hidden = () => readdirSync(world.daemon.root).filter((name) => name.startsWith('.'));
const notes = () => {
  const folder = join(world.daemon.home, 'clones');
  return existsSync(folder) ? readdirSync(folder) : [];
};
const nothingLeft = () => expect({ hidden: hidden(), notes: notes() }).toEqual({ hidden: [], notes: [] });

/** Processes of a clone of this daemon. */
function clonesRunning(): string[] {
  return readdirSync('/proc')
    .filter((pid) => /^\d+$/.test(pid))
    .filter((pid) => {
      try {
        const environment = readFileSync(`/proc/${pid}/environ`, 'latin1');
        return (
          environment.includes('CLAUDE_COMPANION_CHILD=clone-') && environment.includes(`HOME=${join(at(), '..')}`)
        );
      } catch {
        // It has ended.
        return false;
      }
    });
}

async function eventsOf(response: Response): Promise<{ type: CloneEventName; data: Record<string, unknown> }[]> {
  const blocks = (await response.text()).split('\n\n').filter((block) => block.startsWith('event: '));
  return blocks.map((block) => {
    const [, type = '', text = ''] = /^event: (\w+)\ndata: (.*)$/.exec(block) ?? [];
    const data = CLONE_EVENTS[type as CloneEventName].parse(JSON.parse(text));
    return { type: type as CloneEventName, data };
  });
}
const streamed = { headers: { accept: 'text/event-stream' } };

test('a repository becomes a project with its files and its history, without what the daemon used', async () => {
  const made = await clone({ cloneUrl: `${server.url}/shop.git` });
  expect(made).toEqual({ status: 201, body: { name: 'shop', path: at('shop'), branch: 'main', isWorking: false } });
  expect(readFileSync(at('shop/src/main.ts'), 'utf8')).toBe('export {};\n');
  expect(server.git(at('shop'), 'status', '--porcelain=v2', '--branch')).toContain('branch.ab +0 -0');
  expect(server.git(at('shop'), 'remote', 'get-url', 'origin').trim()).toBe(`${server.url}/shop.git`);
  expect(server.git(at('shop'), 'log', '--format=%s').trim()).toBe('Begin');
  expect(await clone({ cloneUrl: `${server.url}/shop.git` })).toMatchObject(refused(409, 'name'));
  expect(await clone({ cloneUrl: `${server.url}/shop.git`, name: 'other shop' })).toMatchObject({ status: 201 });
  nothingLeft();
});

test('a clone as events: its progress, then the project', async () => {
  const response = await post({ cloneUrl: `${server.url}/shop.git`, name: 'followed' }, streamed);
  expect(response.headers.get('content-type')).toContain('text/event-stream');
  const events = await eventsOf(response);
  const phases = events.flatMap(({ type, data }) => (type === 'progress' ? [String(data.phase)] : []));
  expect(phases).toContain('receiving');
  expect(events.at(-1)).toMatchObject({
    type: 'complete',
    data: { project: { path: at('followed'), branch: 'main' } },
  });
  nothingLeft();
});

test('an empty repository is cloned, and one without a name in its address needs a name', async () => {
  server.addEmpty('empty');
  expect(await clone({ cloneUrl: `${server.url}/empty.git` })).toMatchObject({ status: 201, body: { branch: 'main' } });
  expect(await clone({ cloneUrl: `${server.url}/` })).toMatchObject(refused(400, 'cloneUrl'));
  expect(await clone({ cloneUrl: `${server.url}/.git` })).toMatchObject(refused(400, 'name'));
});

test.each([
  ['missing.git', 404],
  ['private.git', 403],
  ['moved.git', 409],
])('O1: what stands in the way of a clone of %s is told, and nothing is left', async (path, status) => {
  const failed = await clone({ cloneUrl: `${server.url}/${path}`, name: 'failed' });
  expect(failed).toMatchObject(refused(status, 'cloneUrl'));
  expect(await clone({ cloneUrl: 'http://127.0.0.1:1/nobody.git' })).toMatchObject(refused(409, 'cloneUrl'));
  expect(existsSync(at('failed'))).toBe(false);
  nothingLeft();
});

test.each([
  'file:///etc',
  '/etc',
  '../shop',
  'ext::sh -c touch% /tmp/x',
  '--upload-pack=touch',
  'git@-oProxyCommand=x:y',
  'git@host:-x',
  'git@host::x',
  'http://example.org/shop.git',
  'git://example.org/shop.git',
  'https://user:secret-word@example.org/shop.git',
  'https://secret-word@example.org/shop.git',
  'ssh://git:secret-word@example.org/shop.git',
  'https://example.org/shop.git?token=secret-word',
  'https://example.org/shop.git#secret-word',
  'https://example.org/a%0ab.git',
  'https://example.org/a\nb.git',
  'https://example.org/a b.git',
  'ftp://example.org/shop.git',
  'HTTPS://example.org/shop.git',
  `https://example.org/${'a'.repeat(2048)}`,
])('S2: the address %j is refused by its field, and repeated nowhere', async (cloneUrl) => {
  const { status, body } = await clone({ cloneUrl, name: 'never' });
  expect({ status, body }).toMatchObject(refused(400, 'cloneUrl'));
  expect(JSON.stringify(body)).not.toContain('secret-word');
  expect(readFileSync(join(world.daemon.home, 'logs/audit.log'), 'utf8')).not.toContain('secret-word');
  expect(readFileSync(join(world.daemon.home, 'logs/companion.log'), 'utf8')).not.toContain('secret-word');
});

test('S2: nothing that a repository or the settings of the person name is run', async () => {
  const ran = join(at(), '../ran');
  const home = world.daemon.environment.HOME ?? '';
  const program = join(home, 'program.sh');
  writeFileSync(program, `#!/bin/sh\ntouch '${ran}'\ncat\n`);
  chmodSync(program, 0o755);
  mkdirSync(join(home, 'template/hooks'), { recursive: true });
  symlinkSync(program, join(home, 'template/hooks/post-checkout'));
  const settings = [
    `[init]\n\ttemplateDir = ${join(home, 'template')}`,
    `[core]\n\thooksPath = ${join(home, 'template/hooks')}\n\tfsmonitor = ${program}\n\taskPass = ${program}`,
    `[filter "evil"]\n\tsmudge = ${program}\n\tprocess = ${program}\n\trequired = true`,
    '[submodule]\n\trecurse = true',
  ];
  writeFileSync(join(home, '.gitconfig'), `${settings.join('\n')}\n`);
  const submodule = server.add('part', (folder) => writeFileSync(join(folder, 'part.txt'), 'part'));
  server.add('hostile', (folder) => {
    writeFileSync(join(folder, '.gitattributes'), '* filter=evil\n');
    writeFileSync(join(folder, 'page.txt'), 'as it is\n');
    symlinkSync('/etc', join(folder, 'outside'));
    server.git(folder, 'submodule', '--quiet', 'add', submodule, 'part');
  });
  // It would be, by git alone.
  const alone = { env: { HOME: home, PATH: process.env.PATH }, stdio: 'ignore' } as const;
  await once(spawn('git', ['clone', '-q', `${server.url}/hostile.git`, join(at(), '../alone')], alone), 'exit');
  expect(existsSync(ran)).toBe(true);
  rmSync(ran);
  expect(await clone({ cloneUrl: `${server.url}/hostile.git` })).toMatchObject({ status: 201 });
  expect(readFileSync(at('hostile/page.txt'), 'utf8')).toBe('as it is\n');
  expect(readdirSync(at('hostile/part'))).toEqual([]);
  expect(await clone({ cloneUrl: `${server.url}/private.git` })).toMatchObject(refused(403, 'cloneUrl'));
  expect(existsSync(ran)).toBe(false);
  nothingLeft();
});

test('a repository that is too large is refused: as received, and as checked out', async () => {
  server.add('large', (folder) => writeFileSync(join(folder, 'large.bin'), randomBytes(8 * MIB)));
  server.add('bomb', (folder) => writeFileSync(join(folder, 'zeros.bin'), Buffer.alloc(8 * MIB)));
  for (const name of ['large', 'bomb']) {
    expect(await clone({ cloneUrl: `${server.url}/${name}.git` })).toMatchObject(refused(413, 'cloneUrl'));
    expect(existsSync(at(name))).toBe(false);
  }
  nothingLeft();
});

test('a client that leaves ends git with its children, and nothing is left', async () => {
  const leaving = new AbortController();
  const body = { cloneUrl: `${server.url}/half.git` };
  const asked = post(body, { ...streamed, signal: leaving.signal });
  await world.daemon.until(() => server.hanging === 1);
  expect(clonesRunning().length).toBeGreaterThan(1);
  expect(hidden()).toHaveLength(1);
  expect(await clone(body)).toMatchObject(refused(409, 'name'));
  leaving.abort();
  // What it got before does not matter.
  await asked.then((response) => response.text()).catch(() => {});
  await world.daemon.until(() => clonesRunning().length === 0 && hidden().length === 0 && notes().length === 0);
  expect(existsSync(at('half'))).toBe(false);
});

test('at most three clones run at a time', async () => {
  const leaving = new AbortController();
  const { signal } = leaving;
  const asked = ['a', 'b', 'c'].map((name) =>
    // They are cut off below.
    post({ cloneUrl: `${server.url}/stall.git`, name }, { signal }).catch(() => {}),
  );
  await world.daemon.until(() => server.hanging === 3);
  const fourth = await clone({ cloneUrl: `${server.url}/shop.git`, name: 'd' });
  expect(fourth).toMatchObject({ status: 503, body: { error: { code: 'CAPACITY' } } });
  leaving.abort();
  await Promise.all(asked);
  await world.daemon.until(() => clonesRunning().length === 0 && hidden().length === 0);
});

test.each(['SIGKILL', 'SIGTERM'] as const)(
  'after %s of the daemon nothing of a clone is left at the next start',
  async (signal) => {
    const asked = post({ cloneUrl: `${server.url}/half.git` }, streamed)
      .then((response) => response.text())
      // The connection ends with the daemon.
      .catch(() => {});
    await world.daemon.until(() => server.hanging === 1);
    await world.daemon.restart(signal);
    await asked;
    await world.daemon.until(() => clonesRunning().length === 0 && hidden().length === 0 && notes().length === 0);
    expect(existsSync(at('half'))).toBe(false);
  },
);
