/** What a reader that comes now is given of a block: as much as is published. Journal and session are real, the CLI is not. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { DeviceId } from '../../protocol/scalars.js';
import type {
  ChildListener,
  ClaudeChild,
  ClaudeLauncher,
  CliFact,
  CliLine,
  OpenBlock,
} from '../../services/ports/claude.js';
import type { Publication } from '../../services/ports/publication.js';
import { openDatabase } from '../../services/record/sqlite/schema.js';
import { createSqliteJournal } from '../../services/record/sqlite/sqlite-journal.js';
import { offerPrompt } from '../../services/sessions/new-prompt.js';
import { Session } from '../../services/sessions/session.js';
import { sessionDefaults } from '../support/session-defaults.js';
import { sessionRecord } from '../support/session-record.js';
import { waitUntil } from '../support/wait-until.js';

let folder: string;
let journal: ReturnType<typeof createSqliteJournal>;
let session: Session;
let listener: ChildListener | undefined;
/** What the child's reader has put together. */
let read: OpenBlock[];
/** What was published, and the text that a reader who came at that moment was given. */
let published: { what: string; given: string }[];
/** While it waits, so does the answer to a prompt. */
let sync: () => Promise<void>;

const launcher = {
  start: async (options: { listener: ChildListener }) => {
    listener = options.listener;
    const child: Partial<ClaudeChild> = {
      childId: 'child',
      pid: 1,
      checkOutput: async () => 'kept',
      openBlocks: () => read,
      release: () => {},
      sendMessage: () => {},
    };
    return child;
  },
  findTranscript: async () => undefined,
  hasConversation: async () => true,
  newestConversations: async () => [],
} as unknown as ClaudeLauncher;

const textOf = (blocks: readonly OpenBlock[]): string => blocks.map(({ text }) => text).join('|');

const publish = (items: readonly Publication[]): void => {
  for (const item of items) {
    const what = item.kind === 'event' ? item.event.type : item.frame.type;
    if (what === 'humanMessage' || what === 'streamData') published.push({ what, given: textOf(session.openBlocks()) });
  }
};

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'companion-published-'));
  journal = createSqliteJournal({ database: openDatabase(join(folder, 'journal.db')), bootId: 'boot' });
  sync = journal.sync;
  read = [];
  published = [];
  const defaults = sessionDefaults();
  session = new Session({
    ...defaults,
    publisher: { ...defaults.publisher, publish: (_, items) => publish(items) },
    stored: { record: sessionRecord('session'), head: 0, prompts: [], permissions: [] },
    journal: { ...journal, sync: () => sync() },
    launcher,
  });
  session.create();
  await session.start({ changes: {} });
  await waitUntil('a child lives', () => session.state.child.phase === 'live');
});

afterEach(async () => {
  await session.release();
  await journal.close();
  rmSync(folder, { recursive: true, force: true });
});

const BLOCK = { messageId: 'message', blockIndex: 0, streamType: 'assistant_message' } as const;
let end = 0;

/** The child's reader is through with a line of the CLI before the session takes it. */
function write(text: string): Promise<void> {
  const block = read[0] ?? { ...BLOCK, text: '' };
  const offset = block.text.length;
  const begins = offset === 0;
  block.text += text;
  read = [block];
  const facts: CliFact[] = [
    ...(begins ? [{ kind: 'blockStarted' as const, block }] : []),
    { kind: 'delta', block, offset, text },
  ];
  const line: CliLine = { offset: end, end: end + 1, resume: 0, facts };
  end += 1;
  return listener?.onLines([line]) ?? Promise.resolve();
}

function prompt(text: string) {
  const device = { userId: session.owner, deviceId: 'phone' as DeviceId };
  return offerPrompt({ sessionId: session.id, device, requestId: null, text, now: 1 });
}

test('the first words of a turn are given to nobody before the prompt that began it, however fast they come', async () => {
  let isSynced = () => {};
  let isWaiting = false;
  sync = () => {
    isWaiting = true;
    return new Promise((resolve) => {
      isSynced = resolve;
    });
  };
  const answered = session.acceptPrompt(prompt('Go on.'), () =>
    published.push({ what: 'answer', given: textOf(session.openBlocks()) }),
  );
  await waitUntil('the child has the prompt, and its record is being synced', () => isWaiting);
  const taken = write('Slow');
  isSynced();
  await Promise.all([answered, taken]);
  expect(published).toEqual([
    { what: 'answer', given: '' },
    { what: 'humanMessage', given: '' },
    { what: 'streamData', given: 'Slow' },
  ]);
});

test('while a step waits, a reader is given the text before it, and in the step that of it', async () => {
  await session.acceptPrompt(prompt('Go on.'));
  await write('Slow');
  let isDone = () => {};
  sync = () =>
    new Promise((resolve) => {
      isDone = resolve;
    });
  const waits = session.acceptPrompt(prompt('Later.'));
  await waitUntil('it is being synced', () => session.state.prompts.length === 2);
  const taken = write('ly, ');
  expect(textOf(session.openBlocks())).toBe('Slow');
  isDone();
  await Promise.all([waits, taken]);
  expect(published.at(-1)).toEqual({ what: 'streamData', given: 'Slowly, ' });
  expect(textOf(session.openBlocks())).toBe('Slowly, ');
});
