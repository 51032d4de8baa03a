/** When a transcript is read, and what becomes of a reading that fails. Journal and session are real, the CLI is not. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { ClaudeSessionId, DeviceId } from '../../protocol/scalars.js';
import type { ChildListener, ClaudeChild, ClaudeLauncher } from '../../services/ports/claude.js';
import type { TranscriptEntry } from '../../services/ports/transcripts.js';
import { openDatabase } from '../../services/record/sqlite/schema.js';
import { createSqliteJournal } from '../../services/record/sqlite/sqlite-journal.js';
import { offerPrompt } from '../../services/sessions/new-prompt.js';
import { Session } from '../../services/sessions/session.js';
import { sessionDefaults } from '../support/session-defaults.js';
import { sessionRecord } from '../support/session-record.js';
import { waitUntil } from '../support/wait-until.js';

const claudeSessionId = '00000000-0000-4000-8000-000000000000' as ClaudeSessionId;

let folder: string;
let journal: ReturnType<typeof createSqliteJournal>;
let session: Session;
let listener: ChildListener | undefined;
/** The transcript, and the byte from which each reading was to begin. */
let entries: TranscriptEntry[];
let readings: number[];
let failing: boolean;
let started: number;

const SIZE_OF_ENTRY = 100;

const launcher = {
  discard: async () => {},
  start: async (options: { listener: ChildListener }) => {
    started += 1;
    listener = options.listener;
    return {
      childId: `child-${started}`,
      pid: 1,
      checkOutput: async () => 'kept',
      release: () => {},
      sendMessage: () => {},
    } as Partial<ClaudeChild>;
  },
  findTranscript: async () => ({ path: 't.jsonl', size: entries.length * SIZE_OF_ENTRY, mtimeMs: 1 }),
  readTranscript: async function* ({ from }: { from: number }) {
    readings.push(from);
    if (failing) throw new Error('the transcript could not be read in 30 s');
    yield entries.slice(from / SIZE_OF_ENTRY);
  },
  findInTranscript: async () => new Set(),
  findBefore: async () => undefined,
  hasConversation: async () => true,
  newestConversations: async () => [],
} as unknown as ClaudeLauncher;

const typed = (uuid: string): TranscriptEntry => ({ kind: 'human', uuid, content: [{ type: 'text', text: uuid }] });

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'companion-reconciler-'));
  journal = createSqliteJournal({ database: openDatabase(join(folder, 'journal.db')), bootId: 'boot' });
  entries = [typed('one')];
  readings = [];
  failing = false;
  started = 0;
  const mark = { claudeSessionId, path: 't.jsonl', size: SIZE_OF_ENTRY, mtimeMs: 1, epoch: journal.epoch, seq: 0 };
  const record = { ...sessionRecord('session'), claudeSessionId, transcript: mark };
  session = new Session({
    ...sessionDefaults(),
    stored: { record, head: 0, prompts: [], permissions: [] },
    journal,
    launcher,
  });
  session.create();
});

afterEach(async () => {
  await session.release();
  await journal.close();
  rmSync(folder, { recursive: true, force: true });
});

async function startChild(): Promise<void> {
  const next = started + 1;
  await session.start({ changes: {} });
  await waitUntil('a child lives', () => started === next && session.state.child.phase === 'live');
}

/** Ends the child, and waits until what follows from that has been done. */
async function endChild(code: number): Promise<void> {
  listener?.onExit({ code, signal: null, lastWords: '' }, []);
  await waitUntil('it is known', () => session.state.child.phase === 'none');
}

const messages = async () =>
  (await journal.readMessages({ sessionId: session.id, limit: 100, offset: 0 })).messages.map(({ id }) => id);

const markOf = () => session.state.record.transcript;

describe('a transcript', () => {
  test('that is as it was is not read, nor is that of a child that ended quietly', async () => {
    await startChild();
    entries.push(typed('of the child'));
    await endChild(0);
    await waitUntil('it is marked', () => markOf()?.size === 2 * SIZE_OF_ENTRY);
    await startChild();
    expect(readings).toEqual([]);
    expect(await messages()).toEqual([]);
  });

  test('that has grown is read from where it was, before the next child is started', async () => {
    entries.push(typed('elsewhere'));
    await startChild();
    expect(readings).toEqual([SIZE_OF_ENTRY]);
    expect(await messages()).toEqual(['elsewhere']);
  });

  test('of a child that died is read when it has died, and what was added counts as known', async () => {
    await startChild();
    entries.push(typed('lost'));
    await endChild(1);
    await waitUntil('it is marked', () => markOf()?.size === 2 * SIZE_OF_ENTRY);
    entries.push(typed('later'));
    await startChild();
    expect(readings).toEqual([SIZE_OF_ENTRY, 2 * SIZE_OF_ENTRY]);
    expect(await messages()).toEqual(['lost', 'later']);
  });

  test('that cannot be read holds nothing up, and is read later, also when the next child ends quietly', async () => {
    entries.push(typed('elsewhere'));
    failing = true;
    await startChild();
    expect(await messages()).toEqual([]);
    failing = false;
    await endChild(0);
    await waitUntil('it is marked', () => markOf()?.size === 2 * SIZE_OF_ENTRY);
    expect(await messages()).toEqual(['elsewhere']);
    expect(markOf()).not.toHaveProperty('owed');
  });

  test('that was taken up again is read from there after the journal was restored: what was left out stays out', async () => {
    await startChild();
    entries.push(typed('before'));
    await endChild(1);
    await waitUntil('it is marked', () => markOf()?.size === 2 * SIZE_OF_ENTRY);
    await session.start({ changes: {}, conversation: { kind: 'new' } });
    await waitUntil('another conversation has begun', () => session.state.child.phase === 'live');
    await endChild(0);
    entries.push(typed('in a terminal'));
    await session.start({ changes: {}, conversation: { kind: 'resume', claudeSessionId, fork: false } });
    await waitUntil('it is taken up', () => session.state.child.phase === 'live');
    entries.push(typed('after'));
    await endChild(1);
    await waitUntil('it is marked', () => markOf()?.size === 4 * SIZE_OF_ENTRY);
    expect(await messages()).toEqual(['before', 'after']);
    await session.release();
    // A part of what was said since is lost, and one thing more stands in the transcript.
    entries.push(typed('lost'));
    const [stored] = journal.loadSessions();
    if (!stored) throw new Error('the session is on record');
    session = new Session({ ...sessionDefaults(), stored, journal: { ...journal, epoch: 'restored' }, launcher });
    await session.recover();
    await waitUntil('it is marked', () => markOf()?.size === 5 * SIZE_OF_ENTRY);
    expect(await messages()).toEqual(['before', 'after', 'lost']);
  });

  test('is read before a prompt that came first is given', async () => {
    entries.push(typed('elsewhere'));
    const device = { userId: session.owner, deviceId: 'phone' as DeviceId };
    const offered = offerPrompt({ sessionId: session.id, device, requestId: null, text: 'mine', now: 1 });
    await session.acceptPrompt(offered);
    await waitUntil('it is given', () => session.state.turn !== null);
    expect(await messages()).toEqual(['elsewhere', offered.prompt.uuid]);
  });
});
