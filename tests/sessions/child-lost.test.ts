/** A child that dies before it has begun what it was given: that ends, whatever else happens to it. */
import { beforeEach, expect, test } from '@jest/globals';
import type { DeviceId, PermissionId, PromptId, SessionId } from '../../protocol/scalars.js';
import type { ClaudeLauncher } from '../../services/ports/claude.js';
import type { Journal, KnownContent } from '../../services/ports/journal.js';
import type { PromptRecord, StoredSession, UserId } from '../../services/ports/records.js';
import * as child from '../../services/sessions/machine/decide-child.js';
import * as command from '../../services/sessions/machine/decide-command.js';
import type { SessionState } from '../../services/sessions/machine/session-state.js';
import { stateOf } from '../../services/sessions/machine/stored-state.js';
import { newTurn } from '../../services/sessions/machine/turns.js';
import { Session } from '../../services/sessions/session.js';
import { sessionDefaults } from '../support/session-defaults.js';
import { sessionRecord } from '../support/session-record.js';
import { waitUntil } from '../support/wait-until.js';

const promptOf = (id: string, more: Partial<PromptRecord> = {}): PromptRecord => ({
  promptId: id as PromptId,
  sessionId: 'session' as SessionId,
  device: { userId: 'user' as UserId, deviceId: 'device' as DeviceId },
  requestId: id,
  uuid: id,
  text: 'hello',
  mode: 'queue',
  state: 'queued',
  announced: false,
  createdAt: 0,
  answer: {},
  ...more,
});

const GIVEN = promptOf('given', { state: 'dispatching', announced: true });
const EXIT = { code: 1, signal: null, lastWords: 'no' };

const liveWith = (...prompts: PromptRecord[]): SessionState => ({
  ...stateOf({
    record: { ...sessionRecord('session'), child: { childId: 'c', processed: 0, resume: 0, costBase: 0 } },
    head: 0,
    prompts,
    permissions: [],
  }),
  child: { phase: 'live', ready: true, input: 'open' },
});

const afterDeath = (state: SessionState): SessionState =>
  child.onChildExited(state, { exit: EXIT, cut: [], resumption: promptOf('resumption', { mode: 'resume' }) }, 1).state;

test('a child that dies five times before it begins its prompt is given up, and the prompt ends', () => {
  const ends: string[] = [];
  let state = liveWith(GIVEN);
  for (let death = 1; death <= 5; death += 1) {
    const step = child.onTranscriptChecked(afterDeath(state), { found: new Set() }, 1);
    if (death === 5) expect(step.effects).toEqual([]);
    ends.push(...(step.change?.prompts ?? []).flatMap(({ outcome }) => outcome?.subtype ?? []));
    if (death < 5) state = child.onChildStarted(step.state, { childId: 'c' }, 1).state;
  }
  expect(ends).toEqual(['child_exited']);
});

test('while it is looked up what a dead child had begun, the prompt that is cancelled is the one that was named', () => {
  const step = command.cancelPrompt(afterDeath(liveWith(GIVEN, promptOf('other'))), GIVEN.promptId, 2);
  expect((step.change?.prompts ?? []).map(({ promptId }) => promptId)).not.toContain('other');
});

test('I1: a daemon that dies while it is looked up leaves the next one to do it', async () => {
  const { record, head, prompts } = afterDeath(liveWith(GIVEN));
  const session = nextDaemon({ record, head, prompts: [...prompts], permissions: [] });
  await session.recover();
  await waitUntil('the prompt is given to another child', () => starts > 0);
  await session.release();
});

/** How often a child was to be started. */
let starts = 0;
/** The messages that the journal has. */
let messages: KnownContent['messages'] = new Map();
beforeEach(() => {
  starts = 0;
  messages = new Map();
});

/** The session as the next daemon has it: the transcript has nothing, and no child can be started. */
function nextDaemon(stored: StoredSession): Session {
  const launcher: Partial<ClaudeLauncher> = {
    discard: async () => {},
    findTranscript: async () => undefined,
    findInTranscript: async () => new Set(),
    findBefore: async () => undefined,
    start: async () => {
      starts += 1;
      throw new Error('enough');
    },
  };
  const journal: Partial<Journal> = {
    epoch: 'e',
    commit: () => {},
    sync: async () => {},
    findKnownContent: async () => ({ messages, toolUses: new Set(), toolResults: new Set() }),
  };
  return new Session({
    ...sessionDefaults(),
    stored,
    journal: journal as Journal,
    launcher: launcher as ClaudeLauncher,
  });
}

const BEGUN = promptOf('begun', { state: 'processing', announced: true });

/** A child has died that waited for a person. */
function afterLoss(prompt: PromptRecord): SessionState {
  const ask = { requestId: 'r', toolUseId: 't', toolName: 'Bash', input: {} };
  const place = { sessionId: 'session' as SessionId, childId: 'c', createdAt: 0 };
  const permissions = [{ permissionId: 'p' as PermissionId, ...place, ask }];
  return afterDeath({ ...liveWith(prompt), permissions, turn: { ...newTurn(0), answering: true } });
}

/** The text with which the conversation is continued. */
async function continuationAfter({ record, head, prompts }: SessionState): Promise<string> {
  const session = nextDaemon({ record, head, prompts: [...prompts], permissions: [] });
  await session.recover();
  await waitUntil('it was looked up', () => session.state.record.continues === undefined);
  await session.release();
  return session.state.prompts.map(({ text }) => text).join();
}

test('a daemon that dies before it has told the next child what the lost one was asked leaves that to the next', async () => {
  const image = { type: 'image', mediaType: 'image/png', bytes: 3 };
  const content = [{ type: 'text', text: `Mend ${'é'.repeat(40_000)} then stop.` }, image];
  messages.set('begun', [{ content, partial: false }]);
  const text = await continuationAfter(afterLoss(BEGUN));
  expect(text).toContain('stands below the line');
  expect(text).toContain('too long to be repeated whole');
  expect(text).toContain('Images that were attached (1)');
  const repeated = text.slice(text.indexOf('Mend'));
  expect(repeated).toMatch(/^Mend é+$/);
  expect(Buffer.byteLength(repeated)).toBeLessThanOrEqual(64 * 1024);
  expect(Buffer.byteLength(repeated)).toBeGreaterThan(64 * 1024 - 4);
});

test('a continuation that was lost itself is repeated as it was', async () => {
  messages.set('begun', [{ content: [{ type: 'text', text: 'Go on, with all of it.' }], partial: false }]);
  expect(await continuationAfter(afterLoss({ ...BEGUN, mode: 'resume' }))).toBe('Go on, with all of it.');
});
