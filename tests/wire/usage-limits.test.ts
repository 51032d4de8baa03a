/** Limits as the real CLI reads them from the headers of the API: it does so with the token of a subscription. */
import { describe, expect, test } from '@jest/globals';
import { HOUR_S, inHours, iso, limitHeaders, refusal, SUBSCRIBED } from '../support/rate-limits.js';
import { scenario } from '../support/scripted-api.js';
import type { WireClient } from '../support/wire-client.js';
import { useWorld } from '../support/world.js';

const RESET = inHours(2);

const limitsOf = (client: WireClient) => client.events().filter(({ type }) => type === 'rateLimit');

const endOf = (client: WireClient, promptId: unknown) =>
  client.waitFor(({ type, data }) => type === 'streamComplete' && data.promptId === promptId);

describe('an account with a subscription', () => {
  const world = useWorld({ environment: SUBSCRIBED });

  test('tells its limits when they change: allowed, near, reached; the turn at the limit says when it resets', async () => {
    const client = await world.connect();
    const started = await client.request('streamStart', {
      prompt: scenario({ text: 'Enough.', headers: limitHeaders({ status: 'allowed', used: 0.311, reset: RESET }) }),
      workingDirectory: world.daemon.project(),
    });
    const { sessionId } = started.data;
    const send = async (...steps: Parameters<typeof scenario>) => {
      const sent = await client.request('streamSend', { sessionId, prompt: scenario(...steps) });
      return endOf(client, sent.data.promptId);
    };
    expect((await endOf(client, started.data.promptId)).data.subtype).toBe('success');
    const overage = { inUse: false, status: 'rejected', reason: 'overage_not_provisioned' };
    const common = { sessionId, window: 'five_hour', resetsAt: iso(RESET), overage };
    expect(limitsOf(client)[0]?.data).toMatchObject({ ...common, status: 'allowed' });
    await send({ text: 'The same.', headers: limitHeaders({ status: 'allowed', used: 0.3112, reset: RESET }) });
    expect(limitsOf(client)).toHaveLength(1);
    await send({ text: 'Nearly.', headers: limitHeaders({ status: 'allowed_warning', used: 0.92, reset: RESET }) });
    expect(limitsOf(client)[1]?.data).toMatchObject({ status: 'warning', utilization: 0.92, resetsAt: iso(RESET) });
    const end = await send(refusal({ reset: RESET }));
    expect(end.data).toMatchObject({ subtype: 'usage_limit', isError: true, resetsAt: iso(RESET) });
    expect(end.data.finalResult).toMatch(/^You've hit your /);
    expect(limitsOf(client)).toHaveLength(3);
    expect(limitsOf(client)[2]?.data).toMatchObject({ status: 'rejected', window: 'five_hour', resetsAt: iso(RESET) });
    const later = RESET + 5 * HOUR_S;
    const well = await send({ text: 'Again.', headers: limitHeaders({ status: 'allowed', used: 0.01, reset: later }) });
    expect(well.data).toMatchObject({ subtype: 'success', finalResult: 'Again.' });
    expect(well.data).not.toHaveProperty('resetsAt');
    expect(limitsOf(client)[3]?.data).toMatchObject({ status: 'allowed', resetsAt: iso(later) });
  });

  test('D3: a device that was away gets them in their place', async () => {
    const client = await world.connect();
    const started = await client.request('streamStart', {
      prompt: scenario({
        text: 'Enough.',
        headers: limitHeaders({ status: 'allowed_warning', used: 0.95, reset: RESET }),
      }),
      workingDirectory: world.daemon.project(),
    });
    await endOf(client, started.data.promptId);
    const { sessionId } = started.data;
    await world.daemon.restart('SIGKILL');
    const other = await world.connect({ deviceId: 'was-away' });
    const [told] = limitsOf(client);
    const cursors = { [sessionId]: { epoch: String(told?.epoch), seq: 0 } };
    await other.request('subscribe', { events: ['*'], cursors });
    const replayed = await other.waitFor(({ type, data }) => type === 'rateLimit' && data.sessionId === sessionId);
    expect(replayed).toMatchObject({ seq: told?.seq, data: { status: 'warning', utilization: 0.95 } });
  });
});

describe('an account with an API key', () => {
  const world = useWorld();

  test('has no windows: it tells that the API refused the pace of requests, and that it answers again', async () => {
    const client = await world.connect();
    const headers = limitHeaders({ status: 'allowed', used: 0.5, reset: RESET });
    const started = await client.request('streamStart', {
      prompt: scenario({ ...refusal({ reset: RESET, times: 1 }), text: 'At last.', headers }),
      workingDirectory: world.daemon.project(),
    });
    expect((await endOf(client, started.data.promptId)).data).toMatchObject({ subtype: 'success' });
    const [first, second, ...more] = limitsOf(client);
    expect(first?.data).toMatchObject({ status: 'rejected', resetsAt: expect.any(String) });
    expect(first?.data).not.toHaveProperty('window');
    expect(second?.data).toMatchObject({ status: 'allowed' });
    expect(more).toEqual([]);
  });
});
