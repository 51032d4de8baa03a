/** What devices and tools did with files is kept with their session. */
import { expect, test } from '@jest/globals';
import type { DeviceId, SessionId } from '../../protocol/scalars.js';
import type { AccessQuery } from '../../services/ports/file-accesses.js';
import type { Journal } from '../../services/ports/journal.js';
import { sessionRecord } from '../support/session-record.js';

interface AccessBench {
  record(): {
    journal: Journal;
    trim(sessionId: SessionId, events: number): void;
    fill(how: 'at once'): void;
    makeRoom(): void;
  };
  reopen(): void;
}

const sessionId = 'files' as SessionId;
const MOST = 10_000;
const SURPLUS = 256;

export function testFileAccesses({ record, reopen }: AccessBench): void {
  const useTool = (seq: number, path: string, toolName = 'Read') => {
    const data = JSON.stringify({ toolName, toolId: `t${seq}`, toolInput: { file_path: path } });
    const event = { seq, type: 'toolUse' as const, at: seq, data };
    record().journal.commit({ record: sessionRecord(sessionId), events: [event], prompts: [], permissions: [] });
  };
  const note = (seq: number, path: string, id = sessionId) =>
    record().journal.noteAccess({ sessionId: id, seq, at: seq, deviceId: 'phone' as DeviceId, kind: 'read', path });
  const all: AccessQuery = { sessionId, tools: ['Read'], kinds: ['read'], limit: 10, offset: 0 };
  const list = (query: Partial<AccessQuery> = {}) => {
    const { accesses, total } = record().journal.listAccesses({ ...all, ...query });
    return [total, ...accesses.map((one) => ('device' in one ? one.device.path : `seq ${one.toolUse.seq}`))];
  };

  test('accesses of tools and devices have one order, survive a restart, and go with their session', async () => {
    useTool(1, 'a');
    note(1, 'x');
    note(1, 'y');
    useTool(2, 'b', 'Bash');
    useTool(3, 'c');
    note(3, 'z');
    note(3, 'other', 'another' as SessionId);
    reopen();
    expect(list()).toEqual([5, 'z', 'seq 3', 'y', 'x', 'seq 1']);
    expect(list({ limit: 2, offset: 1 })).toEqual([5, 'seq 3', 'y']);
    const [, , third] = record().journal.listAccesses(all).accesses;
    expect(list({ before: third?.number ?? 0 })).toEqual([5, 'x', 'seq 1']);
    expect(list({ paths: ['a', 'y'] })).toEqual([2, 'y', 'seq 1']);
    expect(list({ tools: [] })).toEqual([3, 'z', 'y', 'x']);
    record().trim(sessionId, 1);
    expect(list()).toEqual([4, 'z', 'seq 3', 'y', 'x']);
    record().fill('at once');
    expect(() => note(3, 'more')).toThrow();
    record().makeRoom();
    await record().journal.forget(sessionId);
    expect(list()).toEqual([0]);
  });

  test('of what devices did the newest of a session is kept', () => {
    useTool(1, 'a');
    for (let at = 0; at <= MOST + SURPLUS; at += 1) note(1, `${at}`);
    expect(list({ limit: 1 })).toEqual([MOST + 1, `${MOST + SURPLUS}`]);
    expect(list({ limit: 2, offset: MOST - 1 })).toEqual([MOST + 1, `${SURPLUS + 1}`, 'seq 1']);
    reopen();
    note(1, 'last');
    expect(list({ limit: 1 })).toEqual([MOST + 2, 'last']);
  });
}
