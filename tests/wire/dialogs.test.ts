/** Dialogs of the CLI, through the real one: it asks before another model answers what the first one refused. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { scenario } from '../support/scripted-api.js';
import { useSharedDirectory } from '../support/shared-directory.js';
import type { WireClient } from '../support/wire-client.js';
import { useWorld } from '../support/world.js';

const REFUSING = 'claude-fable-5';
const world = useWorld({ environment: { CLAUDE_MODEL: REFUSING } });
const sharedDirectory = useSharedDirectory(world);

beforeAll(() => {
  const settings = join(world.daemon.environment.HOME ?? '', '.claude');
  mkdirSync(settings, { recursive: true });
  writeFileSync(join(settings, 'settings.json'), JSON.stringify({ switchModelsOnFlag: false }));
});

const ofSession = (client: WireClient, type: string, sessionId: string) =>
  client.waitFor((frame) => frame.type === type && frame.data.sessionId === sessionId);

async function refuse(client: WireClient, workingDirectory?: string) {
  // 2.1.332 asks after the second refusal, 2.1.197 after the first.
  const refused = { text: 'Answered by another.', refusedBy: REFUSING };
  const started = await client.request('streamStart', {
    prompt: scenario(refused, refused),
    workingDirectory: workingDirectory ?? (await sharedDirectory()),
  });
  const { sessionId } = started.data;
  return { sessionId, request: (await ofSession(client, 'permissionRequest', sessionId)).data };
}

/** For an answer by which the CLI stays with the other model. */
const refuseAlone = (client: WireClient) => refuse(client, world.daemon.project());

const answer = (client: WireClient, sessionId: string, response: string) =>
  client.request('permission', { sessionId, response, remember: false });

describe('a dialog of the CLI', () => {
  test('is shown in words with its choices, and one of them answers it', async () => {
    const client = await world.connect();
    const { sessionId, request } = await refuseAlone(client);
    expect(request).toMatchObject({
      kind: 'dialog',
      toolName: 'dialog',
      prompt: `Claude Code asks: ${REFUSING} does not answer this`,
      title: `${REFUSING} does not answer this`,
      toolInput: {
        dialogKind: 'refusal_fallback_prompt',
        message: expect.stringContaining('safeguards'),
        choices: [
          { value: 'retry_fallback', label: expect.stringMatching(/^Continue with claude-opus/) },
          { value: 'edit_prompt', label: expect.any(String) },
        ],
      },
      options: ['retry_fallback', 'edit_prompt', 'deny'],
      default: 'deny',
      oneTap: false,
      canRemember: false,
    });
    const { permissionId } = request;
    const base = { sessionId, permissionId, response: 'retry_fallback', remember: false };
    for (const [wrong, field] of [
      [{ response: 'allow' }, 'response'],
      [{ response: 'always' }, 'response'],
      [{ remember: true }, 'remember'],
      [{ answers: { model: 'x' } }, 'answers'],
      [{ updatedInput: {} }, 'updatedInput'],
    ] as const) {
      const refused = await client.request('permission', { ...base, ...wrong });
      expect(refused.data).toMatchObject({ code: 'INVALID_REQUEST', details: { field } });
    }
    expect((await client.request('permission', base)).data).toMatchObject({ decision: 'allow' });
    const end = await ofSession(client, 'streamComplete', sessionId);
    expect(end.data).toMatchObject({ subtype: 'success', finalResult: 'Answered by another.' });
  });

  test.each(['edit_prompt', 'deny'])('ends the turn without another model on %s', async (response) => {
    const client = await world.connect();
    const { sessionId } = await refuse(client);
    await answer(client, sessionId, response);
    const decision = response === 'deny' ? 'deny' : 'allow';
    expect((await ofSession(client, 'permissionResolved', sessionId)).data).toMatchObject({ decision });
    const end = await ofSession(client, 'streamComplete', sessionId);
    expect(String(end.data.finalResult)).not.toContain('Answered by another.');
  });

  test.each(['interrupt', 'steer'])('is withdrawn by the CLI on %s', async (how) => {
    const client = await world.connect();
    const { sessionId, request } = await refuse(client);
    if (how === 'interrupt') await client.request('interrupt', { sessionId });
    else await client.request('streamSend', { sessionId, prompt: scenario({ text: 'Instead.' }), mode: 'steer' });
    const resolved = await ofSession(client, 'permissionResolved', sessionId);
    expect(resolved.data).toMatchObject({ permissionId: request.permissionId, decision: 'cancelled' });
    expect((await answer(client, sessionId, 'deny')).data).toMatchObject({ code: 'NOT_FOUND' });
    await ofSession(client, 'streamComplete', sessionId);
  });

  test('H2, I2: outlives the daemon, and is answered once', async () => {
    const before = await world.connect({ deviceId: 'dialog-phone' });
    const { sessionId, request } = await refuseAlone(before);
    await world.daemon.restart('SIGKILL');
    const after = await world.connect({ deviceId: 'dialog-phone' });
    await after.request('subscribe', { events: ['*'], sessionIds: [sessionId] });
    expect((await ofSession(after, 'permissionRequest', sessionId)).data).toEqual(request);
    const { permissionId } = request;
    const base = { sessionId, permissionId, remember: false };
    const first = await after.request('permission', { ...base, response: 'retry_fallback' });
    expect(first.type).toBe('permissionAccepted');
    const late = await after.request('permission', { ...base, response: 'deny' });
    expect(late.data).toMatchObject({ code: 'ALREADY_RESOLVED' });
    expect((await ofSession(after, 'streamComplete', sessionId)).data.finalResult).toBe('Answered by another.');
    expect(after.events(sessionId).filter(({ type }) => type === 'notice')).not.toContainEqual(
      expect.objectContaining({ data: expect.objectContaining({ kind: 'adoption' }) }),
    );
  });

  test('ends with its child: it expires, and nothing goes on by itself', async () => {
    const client = await world.connect();
    const { sessionId } = await refuse(client);
    for (const pid of world.daemon.sessionProcesses(sessionId)) process.kill(pid, 'SIGKILL');
    expect((await ofSession(client, 'permissionResolved', sessionId)).data).toMatchObject({ decision: 'expired' });
    expect((await ofSession(client, 'streamComplete', sessionId)).data).toMatchObject({ subtype: 'child_exited' });
    expect(client.events(sessionId).filter(({ type }) => type === 'humanMessage')).toHaveLength(1);
  });
});
