/** What devices are owed, as the journal keeps it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { type OpenedJournal, openJournal } from '../../services/journal/open-journal.js';
import { connect } from '../../services/journal/sqlite-database.js';
import type { PushRecord } from '../../services/ports/outbox.js';
import { changed, newPush } from '../../services/push/push-record.js';
import { deviceRef, waitingOf } from '../push/situations.js';
import { sessionRecord } from '../support/session-record.js';

const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

let folder: string;
let opened: OpenedJournal;

const path = () => join(folder, 'journal.db');
const open = () => openJournal({ path: path(), bootId: 'boot', log: silent, onDamage: () => {} });

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'companion-pushes-'));
  opened = open();
});

afterEach(async () => {
  await opened.journal.close();
  rmSync(folder, { recursive: true });
});

const pushTo = (deviceId: string): PushRecord =>
  newPush({
    device: deviceRef(deviceId),
    about: { what: 'concern', concern: waitingOf('permission') },
    epoch: opened.journal.epoch,
    now: 1000,
  });

const commit = (...pushes: PushRecord[]) =>
  opened.journal.commit({ record: sessionRecord('session'), events: [], prompts: [], permissions: [] }, () => pushes);

test('P1: what is owed is there after the journal was opened anew, with all that was written of it', async () => {
  const push = pushTo('phone');
  await commit(push);
  const actions = { deny: ['00ff'] };
  const sending = changed(push, { state: 'sending', at: 2000, reason: 'why', actions, attempts: 1, nextTry: 3000 });
  await opened.outbox.write({ changed: [sending] });
  await opened.journal.close();
  opened = open();
  expect(await opened.outbox.readOpen()).toEqual([sending]);
  expect(await opened.outbox.readRequest(waitingOf('permission').sessionId, 'toolu_1')).toEqual([sending]);
});

test('P1: all of a change is written, or no push of it', async () => {
  const push = pushTo('phone');
  await expect(commit(push, push)).rejects.toMatchObject({ message: expect.stringContaining('UNIQUE') });
  expect(await opened.outbox.readOpen()).toEqual([]);
  expect(await opened.journal.loadSessions()).toEqual([]);
});

test('P1: of a journal in which a push was altered the others are saved', async () => {
  const [altered, whole] = [pushTo('phone'), pushTo('tablet')];
  await commit(altered, whole);
  const { epoch } = opened.journal;
  await opened.journal.close();
  const database = connect(path());
  database.prepare(`UPDATE pushes SET device_id = 'other' WHERE push_id = ?`).run(altered.pushId);
  database.close();
  opened = open();
  expect(opened.journal.epoch).not.toBe(epoch);
  expect(await opened.outbox.readOpen()).toEqual([whole]);
});

test('a session that is forgotten takes its pushes with it', async () => {
  const push = pushTo('phone');
  await commit(push);
  await opened.journal.forget(waitingOf('permission').sessionId);
  await opened.outbox.write({ changed: [push] });
  expect(await opened.outbox.readOpen()).toEqual([]);
});
