/** A disk that is full for a while. The journal is the real one, made to fail on demand; the child is a stand-in. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { CompanionError } from '../../protocol/error-codes.js';
import type { DeviceId, SessionId } from '../../protocol/scalars.js';
import type { ChildListener, ClaudeChild, ClaudeLauncher, CliFact } from '../../services/ports/claude.js';
import type { Journal } from '../../services/ports/journal.js';
import type { Publication } from '../../services/ports/publication.js';
import type { UserId } from '../../services/ports/records.js';
import { openDatabase } from '../../services/record/sqlite/schema.js';
import type { SqliteDatabase } from '../../services/record/sqlite/sqlite-database.js';
import { createSqliteJournal } from '../../services/record/sqlite/sqlite-journal.js';
import { offerPrompt } from '../../services/sessions/new-prompt.js';
import { Session } from '../../services/sessions/session.js';
import { sessionDefaults } from '../support/session-defaults.js';
import { waitUntil } from '../support/wait-until.js';

const device = { userId: 'user' as UserId, deviceId: 'phone' as DeviceId };
const sessionId = 'session' as SessionId;

let folder: string;
let database: SqliteDatabase;
let journal: Journal & { close(): Promise<void> };
let full: boolean;
let commitsLeft: number;
let listener: ChildListener;
let sent: string[];
let published: Publication[];
let session: Session;

const child: ClaudeChild = {
  childId: 'child',
  pid: 1,
  inputTorn: false,
  sendMessage: ({ uuid }) => void sent.push(uuid),
  answerPermission: () => {},
  refuseRequest: () => {},
  directory: async () => undefined,
  ask: async () => ({}),
  usageWindows: async () => undefined,
  questions: {
    capabilities: async () => ({ commands: [], agents: [], models: [], outputStyles: [] }),
    suggestFiles: async () => [],
    contextUsage: async () => ({ totalTokens: 0, maxTokens: 0, categories: [] }),
    effortLevels: async () => undefined,
    askBeside: async () => '',
    mcpServers: async () => [],
    toggleMcpServer: async () => {},
    reconnectMcpServer: async () => {},
    loginToMcpServer: async () => ({}),
    finishMcpLogin: async () => {},
  },
  setModel: async () => {},
  rename: async () => {},
  setPermissionMode: async (mode) => mode,
  setEffort: async () => {},
  setMaxThinkingTokens: async () => {},
  allowTools: async () => {},
  setDirectories: async () => {},
  askAgainFor: async () => {},
  denyTools: async () => {},
  rules: async () => undefined,
  interrupt: async () => {},
  reacts: async () => true,
  openBlocks: () => [],
  checkOutput: async () => 'kept',
  drain: async () => {},
  hasDescendants: async () => false,
  end: async () => {},
  removeFiles: async () => {},
  release: () => {},
};

const launcher = {
  start: async (options) => {
    listener = options.listener;
    return child;
  },
  checkAvailable: async () => {},
} as Pick<ClaudeLauncher, 'start' | 'checkAvailable'> as ClaudeLauncher;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'companion-storage-'));
  database = openDatabase(join(folder, 'journal.db'));
  journal = createSqliteJournal({ database, bootId: 'boot' });
  full = false;
  commitsLeft = Number.POSITIVE_INFINITY;
  sent = [];
  published = [];
  const failing: Journal = {
    ...journal,
    commit: (change) => {
      commitsLeft -= 1;
      if (full || commitsLeft < 0) throw new CompanionError('STORAGE_FULL', 'The disk is full.');
      journal.commit(change);
    },
  };
  const record = { sessionId, owner: device.userId, directory: folder, directoryKey: '1:1' };
  const counts = { messageCount: 0, totalCost: 0, createdAt: 0, updatedAt: 0, lastActivity: 0 };
  session = new Session({
    ...sessionDefaults(),
    stored: { record: { ...record, ...counts }, head: 0, prompts: [], permissions: [] },
    journal: failing,
    launcher,
    publisher: {
      publish: (_, items) => void published.push(...items),
      isNamed: () => false,
      opened: () => {},
      forgotten: async () => {},
    },
  });
  session.create();
});

afterEach(async () => {
  await session.release();
  await journal.close();
  rmSync(folder, { recursive: true, force: true });
});

const prompt = (requestId: string) => offerPrompt({ sessionId, device, requestId, text: 'hello', now: 1 });

const line = (offset: number, ...facts: CliFact[]) => [{ offset, end: offset + 10, resume: offset + 10, facts }];

describe('a disk that is full', () => {
  test('D1: a prompt that cannot be recorded is refused, and nothing of it has happened', async () => {
    full = true;
    await expect(session.start({ changes: {}, offered: prompt('one') })).rejects.toMatchObject({
      code: 'STORAGE_FULL',
    });
    expect(session.state.prompts).toEqual([]);
    expect(published).toEqual([]);
    expect(sent).toEqual([]);
    full = false;
    await session.start({ changes: {}, offered: prompt('one') });
    const [stored] = journal.readEvents({ sessionId, after: 0, limit: 1 });
    expect(published[0]).toMatchObject({ kind: 'event', event: { seq: 1, data: stored?.data } });
  });

  test('D1: what the CLI says while nothing can be recorded is not shown, and is taken when it comes again', async () => {
    await session.start({ changes: {}, offered: prompt('one') });
    await waitUntil('the child has the prompt', () => sent.length === 1);
    const block = { messageId: 'm', blockIndex: 0 };
    const details = { aborted: false, streamType: 'assistant_message' as const };
    const said: CliFact = { kind: 'block', place: block, content: { type: 'text', text: 'Said.' }, details };
    const isSaid = (item: Publication) => item.kind === 'event' && item.event.type === 'assistantMessage';
    full = true;
    await expect(listener.onLines(line(0, said))).rejects.toMatchObject({ code: 'STORAGE_FULL' });
    expect(published.filter(isSaid)).toEqual([]);
    full = false;
    await listener.onLines(line(0, said));
    expect(published.filter(isSaid)).toHaveLength(1);
    const stored = journal.loadSessions();
    expect(stored[0]?.record.child).toMatchObject({ processed: 10 });
  });
});

describe('a line for which the daemon has a mistake', () => {
  test('O1: costs itself, and neither what stands beside it nor the session', async () => {
    await session.start({ changes: {}, offered: prompt('one') });
    await waitUntil('the child has the prompt', () => sent.length === 1);
    const details = { aborted: false, streamType: 'assistant_message' as const };
    const said = (text: string): CliFact => {
      return { kind: 'block', place: { messageId: text, blockIndex: 0 }, content: { type: 'text', text }, details };
    };
    const mistake = { kind: 'permissionAsked' } as CliFact;
    const lines = [...line(0, said('Before.')), ...line(10, mistake), ...line(20, said('After.'))];
    // All are taken, or none: they are read again.
    commitsLeft = 1;
    await listener.onLines(lines);
    expect(commitsLeft).toBe(0);
    commitsLeft = Number.POSITIVE_INFINITY;
    const stored = journal.readEvents({ sessionId, after: 0, limit: 100 });
    const texts = stored.flatMap(({ type, data }) => (type === 'assistantMessage' ? [JSON.parse(data).messageId] : []));
    expect(texts).toEqual(['Before.', 'After.']);
    expect(journal.loadSessions()[0]?.record.child).toMatchObject({ processed: 30 });
  });
});

describe('the end of a prompt', () => {
  test('I1: is told also to somebody who asks when it has come already', async () => {
    const { prompt: asked } = prompt('ended');
    const outcome = { subtype: 'success', isError: false, finalResult: 'Done.', durationMs: 1, numTurns: 1 };
    const ended = { ...asked, state: 'completed' as const, endedAt: 2, outcome };
    journal.commit({ record: session.state.record, events: [], prompts: [ended], permissions: [] });
    expect(await session.outcome(asked.promptId)).toMatchObject({ outcome });
  });

  test('of a prompt that is not on record is not waited for', async () => {
    await expect(session.outcome(prompt('purged').prompt.promptId)).rejects.toMatchObject({
      code: 'SESSION_NOT_FOUND',
    });
  });
});
