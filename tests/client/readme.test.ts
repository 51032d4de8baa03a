/** The programs in README.md, as they stand there. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import { TOKEN } from '../support/daemon.js';
import { scenario } from '../support/scripted-api.js';
import { waitUntil } from '../support/wait-until.js';
import { useWorld } from '../support/world.js';

const world = useWorld();
const ROOT = join(import.meta.dirname, '../..');
const README = readFileSync(join(ROOT, 'README.md'), 'utf8');
const folder = mkdtempSync(join(tmpdir(), 'readme-'));
mkdirSync(join(folder, 'node_modules'));
symlinkSync(join(ROOT, 'node_modules/ws'), join(folder, 'node_modules/ws'));
symlinkSync(ROOT, join(folder, 'node_modules/claude-companion'));
afterAll(() => rmSync(folder, { recursive: true }));

/** The program of README.md that has these words in it. */
function programWith(words: string, language: string): string {
  const programs = [...README.matchAll(new RegExp(`\`\`\`${language}\n(.*?)\`\`\``, 'gs'))].map(
    ([, text = '']) => text,
  );
  const [found, other] = programs.filter((text) => text.includes(words));
  if (found === undefined || other !== undefined) throw new Error(`README.md has no single program with ${words}`);
  return found;
}

function run(name: string, text: string, args: string[]) {
  writeFileSync(join(folder, name), text);
  const env = { ...world.daemon.environment, TOKEN };
  const child = spawn(process.execPath, [join(folder, name), ...args], { cwd: world.daemon.project(), env });
  const said = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream].on('data', (chunk: Buffer) => {
      said[stream] += chunk.toString();
    });
  }
  return { child, said, exited: once(child, 'close').then(([code]) => code as number | null) };
}

describe('hello.mjs', () => {
  const hello = (...args: string[]) => run('hello.mjs', programWith("import WebSocket from 'ws'", 'js'), args);

  test('prints what Claude says, and ends', async () => {
    const { said, exited } = hello(world.daemon.url, TOKEN, scenario({ text: 'Hello from the raw frames.' }));
    expect(await exited).toBe(0);
    expect(said).toEqual({ stdout: 'Hello from the raw frames.', stderr: '' });
  });

  test.each([
    ['without a daemon', () => ['http://127.0.0.1:9', TOKEN, 'hi'], /^No connection to http:\/\/127.0.0.1:9: .+\n$/],
    ['with a wrong token', () => [world.daemon.url, 'wrong', 'hi'], /^No connection to .+: .*401\n$/],
    ['without a token', () => [], /^Usage: node hello.mjs <url> <token> <prompt>\n$/],
  ])('%s says so in one line', async (_what, args, words) => {
    const { said, exited } = hello(...args());
    expect(await exited).toBe(1);
    expect(said.stderr).toMatch(words);
  });
});

test('the program of the REST client prints what the turn has said', async () => {
  const prompt = scenario({ text: 'All tests pass.' });
  const text = programWith('createRestClient', 'ts')
    .replace('process.env.URL', JSON.stringify(world.daemon.url))
    .replace('process.env.DIR', JSON.stringify(world.daemon.project()))
    .replace("'Run the tests.'", JSON.stringify(prompt));
  const { said, exited } = run('rest.mjs', text, []);
  expect(await exited).toBe(0);
  expect(said).toEqual({ stdout: 'All tests pass.\n', stderr: '' });
});

test('the program of the TypeScript client prints what Claude says', async () => {
  const text = programWith('new TextAssembler', 'ts')
    .replace('ws://127.0.0.1:3001/ws', `${world.daemon.url.replace('http', 'ws')}/ws`)
    .replace('/home/me/.my-script/cursors.json', join(folder, 'cursors.json'))
    .replace('/home/me/work/app', world.daemon.project())
    .replace("'Hello'", JSON.stringify(scenario({ text: 'Hello from the client.' })));
  const { child, said, exited } = run('client.mjs', text, []);
  await waitUntil('it is said', () => said.stdout.includes('Hello from the client.'));
  child.kill('SIGKILL');
  await exited;
  expect(said.stderr).toBe('');
});
