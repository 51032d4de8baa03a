import { describe, expect, test } from '@jest/globals';
import { createRoughStage, settled } from './support/rough-stage.js';
import { until } from './support/until.js';

const stage = createRoughStage();

describe('frames that make no sense', () => {
  test('a malformed event is told of and stepped over', async () => {
    const { first, seqs, told, handed: some } = await stage.subscribe();
    first.event(1);
    first.event(2, { data: { sessionId: 's' } });
    first.event(3);
    await some(2);
    expect(seqs()).toEqual([1, 3]);
    expect(told.faults).toMatchObject([{ kind: 'malformed', error: { frameType: 'streamComplete' } }]);
  });

  test('an event of a type from the future is stepped over in silence', async () => {
    const { first, seqs, told, handed: some } = await stage.subscribe();
    first.event(1);
    first.event(2, { type: 'telepathy' as never, data: {} });
    first.event(3);
    await some(2);
    expect(seqs()).toEqual([1, 3]);
    expect(told.faults).toEqual([]);
  });

  test('what cannot be read is told of, and the connection stays', async () => {
    const staged = await stage.subscribe();
    const { first, told } = staged;
    first.raw('{"type": "streamData", "requestId"');
    first.raw('null');
    first.frame('caughtUp', { sessionId: 's' });
    first.frame('streamData', { sessionId: 's' });
    first.frame('error', { code: 'NO_SUCH_CODE', message: '' });
    first.raw(JSON.stringify({ type: 'reset', seq: 'x' }));
    first.frame('streamComplete', {}, { seq: 1 });
    first.frame('telepathy', { thoughts: [] });
    first.raw(JSON.stringify({ type: 'telepathy' }));
    await settled(staged, first);
    expect(told.faults.map((fault) => fault.kind === 'malformed' && fault.error.frameType)).toEqual([
      undefined,
      undefined,
      'caughtUp',
      'streamData',
      'error',
      'reset',
      'streamComplete',
    ]);
    expect(staged.client.state.kind).toBe('open');
  });

  test('an error that answers nothing is told of', async () => {
    const { first, told } = await stage.connect();
    first.frame('error', { code: 'INVALID_REQUEST', message: 'seq: must be at most 3' });
    await until('it is told', () => told.faults.length === 1);
    expect(told.faults).toMatchObject([{ kind: 'server', error: { code: 'INVALID_REQUEST' } }]);
  });
});

describe('listeners', () => {
  test('one that throws keeps nothing from the others', async () => {
    const { client, first, seqs, told, handed: some } = await stage.subscribe();
    client.on('event', () => {
      throw new Error('my bug');
    });
    first.event(1);
    first.event(2);
    await some(2);
    expect(seqs()).toEqual([1, 2]);
    expect(told.faults).toMatchObject([{ kind: 'listener', listener: 'event', error: { message: 'my bug' } }, {}]);
  });

  test('one that was detached hears nothing more', async () => {
    const { client, first, handed: some } = await stage.subscribe();
    const heard: number[] = [];
    const detach = client.on('event', ({ seq }) => {
      heard.push(seq);
      detach();
    });
    first.event(1);
    first.event(2);
    await some(2);
    expect(heard).toEqual([1]);
  });

  test('one that another one detaches hears nothing more either', async () => {
    const { client, first, handed: some } = await stage.subscribe();
    const heard: string[] = [];
    client.on('event', ({ seq }) => {
      heard.push(`one ${seq}`);
      detach();
    });
    const detach = client.on('event', ({ seq }) => heard.push(`two ${seq}`));
    first.event(1);
    await some(1);
    expect(heard).toEqual(['one 1']);
  });

  test('hear of positioned frames, and of open permission requests that come again', async () => {
    const { first, told } = await stage.connect();
    const streamed = {
      sessionId: 's',
      streamType: 'thinking',
      content: { type: 'text', text: 'hm' },
      messageId: 'm',
      blockIndex: 0,
      offset: 0,
      isComplete: false,
    };
    const asked = {
      permissionId: 'p',
      sessionId: 's',
      kind: 'tool',
      toolName: 'Bash',
      toolInput: {},
      prompt: 'Allow Bash?',
      options: ['allow', 'deny'],
      default: 'deny',
      defaultOption: 'deny',
      timeout: 0,
    };
    first.frame('streamData', streamed);
    first.frame('permissionRequest', asked);
    await until('both are there', () => told.frames.length === 2);
    expect(told.frames).toEqual([
      { type: 'streamData', data: streamed },
      { type: 'permissionRequest', data: asked },
    ]);
  });
});
