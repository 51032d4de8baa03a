/** What turns have used is kept with their ends. */
import { expect, test } from '@jest/globals';
import type { SessionId } from '../../protocol/scalars.js';
import type { Journal } from '../../services/ports/journal.js';
import type { UserId } from '../../services/ports/records.js';
import type { UsageQuery, UsageRow } from '../../services/ports/usage.js';
import { sessionRecord } from '../support/session-record.js';

interface UsageBench {
  record(): {
    journal: Journal;
    trim(sessionId: SessionId, events: number): void;
    fill(how: 'at once'): void;
    makeRoom(): void;
  };
  reopen(): void;
}

const DAY_MS = 86_400_000;
const tokens = { input_tokens: 1, output_tokens: 20, cache_read_input_tokens: 300, cache_creation_input_tokens: 4000 };

interface Turn {
  id?: string;
  owner?: string;
  model?: string;
  seq: number;
  day?: number;
  data?: object;
}

export function testUsage({ record, reopen }: UsageBench): void {
  const end = ({
    id = 'spent',
    owner = 'user',
    model = 'opus',
    seq,
    day = 0,
    data = { usage: tokens, cost: 0.5 },
  }: Turn) => {
    const event = { seq, type: 'streamComplete' as const, at: day * DAY_MS, data: JSON.stringify(data) };
    const session = { ...sessionRecord(id), owner: owner as UserId, model, directory: `/of/${id}` };
    record().journal.commit({ record: session, events: [event], prompts: [], permissions: [] });
  };
  const all = async (query: UsageQuery = {}): Promise<UsageRow[]> => {
    const rows: UsageRow[] = [];
    for await (const page of record().journal.readUsage(query)) rows.push(...page);
    return rows;
  };
  const short = async (query?: UsageQuery) =>
    (await all(query)).map(({ userId, day, sessionId, model, turns }) =>
      [userId, day, sessionId, model, turns].join(' '),
    );

  test('turns of a day are summed by session and model, and outlive their events', async () => {
    end({ seq: 1 });
    end({ seq: 2 });
    end({ seq: 3, data: { usage: { output_tokens: 'many' } } });
    end({ seq: 4, model: 'haiku' });
    end({ seq: 5, day: 1 });
    end({ id: 'other', owner: 'zoe', seq: 1 });
    record().trim('spent' as SessionId, 1);
    reopen();
    expect((await all())[1]).toEqual({
      userId: 'user',
      day: '1970-01-01',
      sessionId: 'spent',
      model: 'opus',
      project: '/of/spent',
      turns: 3,
      input: 2,
      output: 40,
      cacheRead: 600,
      cacheWrite: 8000,
      cost: 1,
    });
    expect(await short()).toEqual([
      'user 1970-01-01 spent haiku 1',
      'user 1970-01-01 spent opus 3',
      'user 1970-01-02 spent opus 1',
      'zoe 1970-01-01 other opus 1',
    ]);
    expect(await short({ userId: 'zoe' as UserId })).toEqual(['zoe 1970-01-01 other opus 1']);
    expect(await short({ from: '1970-01-02' })).toEqual(['user 1970-01-02 spent opus 1']);
    expect(await short({ userId: 'user' as UserId, to: '1970-01-01' })).toHaveLength(2);
  });

  test('more than a page of it is read whole, and in order', async () => {
    for (let day = 0; day < 1001; day += 1) end({ seq: day + 1, day });
    const days = (await all()).map((row) => row.day);
    expect(days).toHaveLength(1001);
    expect(days).toEqual([...days].sort());
  });

  test('what cannot be written is not counted, and what is purged is gone', async () => {
    end({ seq: 1 });
    record().fill('at once');
    expect(() => end({ seq: 2 })).toThrow();
    record().makeRoom();
    expect(await short()).toEqual(['user 1970-01-01 spent opus 1']);
    await record().journal.forget('spent' as SessionId);
    expect(await all()).toEqual([]);
  });
}
