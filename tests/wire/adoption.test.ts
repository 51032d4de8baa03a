import { describe, expect, test } from '@jest/globals';
import { scenario } from '../support/scripted-api.js';
import type { Frame, WireClient } from '../support/wire-client.js';
import { useWorld } from '../support/world.js';

const world = useWorld();

const view = async (sessionId: string) => {
  const response = await world.daemon.fetch(`/api/sessions/${sessionId}`);
  return (await response.json()) as { pid: number; status: string };
};

/** The text of a block as a client joins it: a frame from offset 0 begins anew, others must meet the end. */
function joinDeltas(frames: Frame[]): string {
  let text = '';
  for (const { type, data } of frames) {
    if (type !== 'streamData' || data.streamType !== 'assistant_message') continue;
    if (data.offset === 0) text = data.content.text;
    else if (data.offset === text.length) text += data.content.text;
  }
  return text;
}

const allEvents = (...clients: WireClient[]): Frame[] => clients.flatMap((client) => client.events());

describe('a daemon that was killed', () => {
  test('H2, D3, D4: in mid-text: the same child goes on, the next daemon tells the rest, every event once', async () => {
    const before = await world.connect({ deviceId: 'phone' });
    const text = 'Nothing of this may be lost or said twice. '.repeat(30);
    const started = await before.request('streamStart', {
      prompt: scenario({ text, gateAfter: { deltas: 10, gate: 'killed' } }),
      workingDirectory: world.daemon.project(),
    });
    const { sessionId, promptId } = started.data;
    await before.waitFor(({ type, data }) => type === 'streamData' && data.offset + data.content.text.length >= 240);
    const { pid } = await view(sessionId);
    await world.daemon.restart('SIGKILL');
    expect(await before.closed).toBe(1006);
    const after = await world.connect({ deviceId: 'phone' });
    const welcome = await after.waitFor('welcome');
    expect(welcome.data.resumed).toMatchObject([{ sessionId, resume: 'replay' }]);
    await after.waitFor('caughtUp');
    expect((await view(sessionId)).pid).toBe(pid);
    world.api.release('killed');
    const end = await after.waitFor(({ type, data }) => type === 'streamComplete' && data.promptId === promptId);
    expect(end.data).toMatchObject({ subtype: 'success', finalResult: text });
    expect(joinDeltas(after.frames)).toBe(text);
    await after.waitFor(({ type, data }) => type === 'sessionStatus' && data.status === 'idle');
    const unseen = after.events().filter(({ seq }) => !before.events().some((known) => known.seq === seq));
    expect(allEvents(before).length + unseen.length).toBe(Math.max(...unseen.map(({ seq }) => seq ?? 0)));
    const twice = after.events().filter(({ seq }) => before.events().some((known) => known.seq === seq));
    for (const frame of twice) expect(frame).toMatchObject({ _queued: true });
    const messages = unseen.filter(({ type }) => type === 'assistantMessage');
    expect(messages.map(({ data }) => data.content)).toEqual([[{ type: 'text', text }]]);
  });

  test('H2, I2: with a permission request open: it can still be answered, once', async () => {
    const before = await world.connect({ deviceId: 'phone-2' });
    const tool = { name: 'Bash', input: { command: 'echo survived > it.txt && cat it.txt', description: 'x' } };
    const started = await before.request('streamStart', {
      prompt: scenario({ tools: [tool] }, { text: 'Survived.' }),
      workingDirectory: world.daemon.project(),
    });
    const { sessionId } = started.data;
    const asked = await before.waitFor('permissionRequest');
    await before.request('subscribe', { events: ['*'], sessionIds: [sessionId] });
    before.send('ack', { sessionId, seq: asked.seq ?? 0 });
    await before.request('ping', {});
    const { pid } = await view(sessionId);
    await world.daemon.restart('SIGKILL');
    const after = await world.connect({ deviceId: 'phone-2' });
    const again = await after.waitFor(({ type, data }) => type === 'permissionRequest' && data.sessionId === sessionId);
    expect(again.data).toEqual(asked.data);
    expect(again.seq).toBeUndefined();
    await after.waitFor(({ type, data }) => type === 'caughtUp' && data.sessionId === sessionId);
    expect(await view(sessionId)).toMatchObject({ pid, status: 'waiting' });
    const { permissionId } = again.data;
    const answer = await after.request('permission', { sessionId, permissionId, response: 'y', remember: false });
    expect(answer.type).toBe('permissionAccepted');
    const result = await after.waitFor('toolResult');
    expect(result.data).toMatchObject({ toolName: 'Bash', result: 'survived' });
    const end = await after.waitFor('streamComplete');
    expect(end.data.finalResult).toBe('Survived.');
  });

  test('H2: with queued prompts: they run after the one in progress, in order', async () => {
    const before = await world.connect({ deviceId: 'phone-4' });
    const started = await before.request('streamStart', {
      prompt: scenario({ text: 'First.', gate: 'queue-kill' }),
      workingDirectory: world.daemon.project(),
    });
    const { sessionId } = started.data;
    await world.api.reached('queue-kill');
    const second = await before.request('streamSend', { sessionId, prompt: scenario({ text: 'Second.' }) });
    await world.daemon.restart('SIGKILL');
    world.api.release('queue-kill');
    const after = await world.connect({ deviceId: 'phone-4' });
    await after.waitFor(({ type, data }) => type === 'streamComplete' && data.promptId === second.data.promptId);
    const ends = after.events(sessionId).filter(({ type }) => type === 'streamComplete');
    expect(ends.map(({ data }) => data.finalResult)).toEqual(['First.', 'Second.']);
  });

  test('H2: right after the child was started: no second child, and the prompt runs once', async () => {
    const before = await world.connect({ deviceId: 'phone-5' });
    const mark = `young-${process.pid}`;
    const started = await before.request('streamStart', {
      prompt: `${mark} ${scenario({ text: 'Young.' })}`,
      workingDirectory: world.daemon.project(),
    });
    const { sessionId, promptId } = started.data;
    await world.daemon.restart('SIGKILL');
    const after = await world.connect({ deviceId: 'phone-5' });
    const end = await after.waitFor(({ type, data }) => type === 'streamComplete' && data.promptId === promptId);
    expect(end.data.finalResult).toBe('Young.');
    expect(world.api.runs(mark)).toBe(1);
    expect(world.daemon.sessionProcesses(sessionId)).toEqual([(await view(sessionId)).pid]);
  });

  test('a child that ended while nobody was there: its turn ends once, what it wrote is kept, the next prompt works', async () => {
    const before = await world.connect({ deviceId: 'phone-6' });
    const text = 'Written, then gone. '.repeat(20);
    const started = await before.request('streamStart', {
      prompt: scenario({ text, gateAfter: { deltas: 5, gate: 'both-die' } }),
      workingDirectory: world.daemon.project(),
    });
    const { sessionId, promptId } = started.data;
    await before.waitFor(({ type, data }) => type === 'streamData' && data.offset + data.content.text.length >= 120);
    const { pid } = await view(sessionId);
    await world.daemon.kill('SIGKILL');
    process.kill(pid, 'SIGKILL');
    await world.daemon.start();
    world.api.release('both-die');
    const after = await world.connect({ deviceId: 'phone-6' });
    const end = await after.waitFor(({ type, data }) => type === 'streamComplete' && data.promptId === promptId);
    expect(end.data.subtype).toBe('child_exited');
    const partial = await after.waitFor(({ type, data }) => type === 'assistantMessage' && data.partial === true);
    expect(partial.data.content[0]?.text).toBe(text.slice(0, 120));
    const next = await after.request('streamSend', { sessionId, prompt: scenario({ text: 'Alive.' }) });
    const well = await after.waitFor(
      ({ type, data }) => type === 'streamComplete' && data.promptId === next.data.promptId,
    );
    expect(well.data.finalResult).toBe('Alive.');
  });

  test('with a long line on its way into the child: the turn ends by its output, then another child resumes', async () => {
    const before = await world.connect({ deviceId: 'phone-7' });
    const started = await before.request('streamStart', {
      prompt: scenario({ text: 'Busy.', chunk: 2, gateAfter: { deltas: 2, gate: 'long-line' } }),
      workingDirectory: world.daemon.project(),
    });
    const { sessionId } = started.data;
    await before.waitFor(({ type, data }) => type === 'streamData' && data.offset + data.content.text.length >= 4);
    const { pid } = await view(sessionId);
    process.kill(pid, 'SIGSTOP');
    const image = { mediaType: 'image/png' as const, data: Buffer.alloc(750_000, 7).toString('base64') };
    const long = await before.request('streamSend', {
      sessionId,
      prompt: scenario({ text: 'Long.' }),
      attachments: [image, image, image],
      mode: 'steer',
    });
    await world.daemon.kill('SIGKILL');
    process.kill(pid, 'SIGCONT');
    await world.daemon.start();
    world.api.release('long-line');
    const after = await world.connect({ deviceId: 'phone-7' });
    const end = await after.waitFor(
      ({ type, data }) => type === 'streamComplete' && data.promptId === long.data.promptId,
    );
    expect(end.data).toMatchObject({ subtype: 'success', finalResult: 'Long.' });
    expect((await view(sessionId)).pid).not.toBe(pid);
    const ends = after.events(sessionId).filter(({ type }) => type === 'streamComplete');
    expect(ends.map(({ data }) => data.finalResult)).toEqual(['Busy.', 'Long.']);
  });
});
