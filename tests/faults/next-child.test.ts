/** The end of one child is not the end of the next. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { isAlive, waitUntil } from '../support/wait-until.js';
import { useWorld } from '../support/world.js';

const folder = mkdtempSync(join(tmpdir(), 'leaving-cli-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
/** A CLI that is up at once, and leaves a process behind that takes no notice of SIGTERM; its pid is in a file. */
const CLI = `#!/bin/sh
case " $* " in *stream-json*) sh -c "trap '' TERM; while :; do sleep 0.05; done" & echo $! > left ;; esac
exec ${process.execPath} ${join(import.meta.dirname, '../support/fake-cli.mjs')} "$@"
`;
const cli = join(folder, 'claude');
writeFileSync(cli, CLI, { mode: 0o755 });
const world = useWorld({ environment: { CLAUDE_PATH: cli } });

test('I1: what the last child has left behind is ended without the child that follows it', async () => {
  const client = await world.connect();
  const workingDirectory = world.daemon.project();
  const ask = async (options: object) => {
    const prompt = JSON.stringify([{ result: 'Done.' }]);
    const { data } = await client.request('streamStart', { prompt, workingDirectory, options });
    const end = await client.waitFor(
      (frame) => frame.type === 'streamComplete' && frame.data.promptId === data.promptId,
    );
    return { sessionId: data.sessionId, end: end.data };
  };
  const { sessionId } = await ask({});
  const left = Number(readFileSync(join(workingDirectory, 'left'), 'utf8'));
  await ask({ preserveContext: false });
  await waitUntil('what was left has ended', () => !isAlive(left));
  expect((await ask({})).end).toMatchObject({ subtype: 'success', finalResult: 'Done.' });
  expect(client.events(sessionId).filter(({ type }) => type === 'error')).toEqual([]);
});
