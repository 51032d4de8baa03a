/** A child that dies before it has begun what it was given: that ends, whatever else happens to it. */
import { expect, test } from '@jest/globals';
import type { DeviceId, PromptId, SessionId } from '../../protocol/scalars.js';
import type { ClaudeLauncher } from '../../services/ports/claude.js';
import type { Journal } from '../../services/ports/journal.js';
import type { PromptRecord, StoredSession, UserId } from '../../services/ports/records.js';
import * as child from '../../services/sessions/decide-child.js';
import * as command from '../../services/sessions/decide-command.js';
import { Session } from '../../services/sessions/session.js';
import type { SessionState } from '../../services/sessions/session-state.js';
import { stateOf } from '../../services/sessions/stored-state.js';
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
    const step = child.onTranscriptChecked(afterDeath(state), new Set(), 1);
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
  let looked = false;
  const launcher: Partial<ClaudeLauncher> = {
    discard: async () => {},
    findTranscript: async () => undefined,
    findInTranscript: async () => new Set(),
    start: async () => {
      looked = true;
      throw new Error('enough');
    },
  };
  const journal: Partial<Journal> = { epoch: 'e', commit: async () => {}, sync: async () => {} };
  const stored: StoredSession = { record, head, prompts: [...prompts], permissions: [] };
  const session = new Session({
    ...sessionDefaults(),
    stored,
    journal: journal as Journal,
    launcher: launcher as ClaudeLauncher,
  });
  await session.recover();
  await waitUntil('the prompt is given to another child', () => looked);
  await session.release();
});
