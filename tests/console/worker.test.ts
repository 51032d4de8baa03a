/** The service worker of the console: the page without the daemon, and pushes that are shown, answered and taken back. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { freePort } from '../support/free-port.js';
import { scenario } from '../support/scripted-api.js';
import { waitUntil } from '../support/wait-until.js';
import { startWebPushServer } from '../support/web-push-server.js';
import { useWorld } from '../support/world.js';
import { inChromium, useConsolePage } from './support/console-page.js';
import { deliver as deliverTo, notificationsOf } from './support/delivered.js';

const port = await freePort();
const service = await startWebPushServer();
const folder = mkdtempSync(join(tmpdir(), 'companion-worker-'));
writeFileSync(join(folder, 'ca.pem'), service.ca);
afterAll(async () => {
  await service.close();
  rmSync(folder, { recursive: true });
});

inChromium('the service worker of the console', (path) => {
  const world = useWorld({
    environment: { PORT: String(port), NODE_EXTRA_CA_CERTS: join(folder, 'ca.pem'), PUSH_ALLOW_PRIVATE: 'true' },
  });
  const shown = useConsolePage(world, path);
  const notifications = () => notificationsOf(shown.page);
  const deliver = (payload: object) => deliverTo(shown.page, world.daemon.url, payload);

  const untilShown = async (titles: string[]) => {
    let shownNow: string[] = [];
    await waitUntil(`${titles.join()} is shown`, async () => {
      shownNow = (await notifications()).map(({ title }) => title).sort();
      return JSON.stringify(shownNow) === JSON.stringify(titles);
    }).catch(() => expect(shownNow).toEqual(titles));
  };

  /** Chromium forgets some notifications by itself, some time after a page is left. */
  const dismissAll = async () => {
    await shown.page.evaluate(
      'navigator.serviceWorker.ready.then((one) => one.getNotifications()).then((all) => all.forEach((one) => one.close()))',
    );
    await untilShown([]);
  };

  /** What the system tells the worker when somebody presses a button; only the system's own events can be waited for. */
  async function press(action: string, reply?: string): Promise<void> {
    const [worker] = shown.page.context().serviceWorkers();
    await worker?.evaluate(`(async () => {
      const [notification] = await self.registration.getNotifications();
      const acted = new Promise((resolve) => { NotificationEvent.prototype.waitUntil = (end) => end.then(resolve); });
      const event = new NotificationEvent('notificationclick', { notification, action: ${JSON.stringify(action)} });
      // Platforms with a field in notifications put there what was written.
      Object.defineProperty(event, 'reply', { value: ${JSON.stringify(reply ?? null)} });
      self.dispatchEvent(event);
      await acted;
    })()`);
  }

  test('the page is there without the daemon, and goes on when that is back', async () => {
    const { page } = shown;
    await shown.begin(world.daemon.project('kept'), scenario({ text: 'Before.' }));
    await page.getByText('Before.', { exact: true }).waitFor();
    await page.evaluate('navigator.serviceWorker.ready');
    await page.reload();
    await page.getByText('Before.', { exact: true }).waitFor();
    // Other pages of the daemon are no shell.
    const session = page.url();
    await page.goto(`${world.daemon.url}/openapi.json`);
    await page.goto(session);
    await page.getByText('Before.', { exact: true }).waitFor();
    await world.daemon.kill('SIGKILL');
    await page.reload();
    await page.getByText('No connection. Trying again…').waitFor();
    // What is loaded when it is needed is there as well, and says that the daemon is not.
    await page.goto(new URL('/#/usage', session).href);
    await page.getByRole('alert').getByText('could not be loaded').first().waitFor();
    await page.goto(session);
    await page.getByRole('button', { name: /^Model|Ask first/ }).click();
    await page.getByRole('combobox', { name: 'Permission mode' }).waitFor();
    await page.getByRole('button', { name: /^Model|Ask first/ }).click();
    await world.daemon.start();
    await page.getByText('Before.', { exact: true }).waitFor();
    await page.getByText('No connection. Trying again…').waitFor({ state: 'detached' });
    shown.faults.splice(0);
  });

  test('P1: a push is shown with its answers, is answered without a page of the session, and is taken back', async () => {
    const { page } = shown;
    await page.context().grantPermissions(['notifications'], { origin: world.daemon.url });
    const key = await world.daemon.fetch('/api/push-notifications/vapid-key');
    service.expectKey(((await key.json()) as { publicKey: string }).publicKey);
    const phone = await world.connect({ deviceId: 'phone' });
    await phone.request('registerDevice', { platform: 'web', token: service.subscription });
    // No device of the person is in the foreground any more: it is pushed at once.
    await page.goto('about:blank');
    const prompt = scenario(
      { gate: 'away', tools: [{ name: 'Read', input: { file_path: '/etc/hostname' } }] },
      { text: 'Read it.' },
    );
    const { data } = await phone.request('streamStart', { prompt, workingDirectory: world.daemon.project('site') });
    await world.api.reached('away');
    await phone.close();
    world.api.release('away');
    await world.daemon.until(() => service.pushes.length === 1);
    const payload = service.pushes[0]?.payload ?? {};
    await page.goto(world.daemon.url);
    await deliver(payload);
    await untilShown(['site']);
    const [asked] = await notifications();
    expect(asked).toMatchObject({
      title: 'site',
      actions: [
        { action: 'allow', title: 'Allow once' },
        { action: 'deny', title: 'Deny' },
      ],
    });
    await press('allow');
    await untilShown([]);
    await page.goto(`${world.daemon.url}/#/s/${data.sessionId}`);
    await page.getByText('Read it.', { exact: true }).waitFor();

    // The same once more: it was answered.
    await deliver(payload);
    await untilShown(['site']);
    await press('deny');
    await untilShown(['Not answered']);
    await deliver({ title: 'one', body: 'Done.', collapseId: 'one' });
    await untilShown(['Not answered', 'one']);
    await deliver({ title: 'one, newer', body: 'Done, really.', collapseId: 'one', badge: 1 });
    await untilShown(['Not answered', 'one, newer']);
    await deliver({ withdraw: 'one', badge: 0 });
    await untilShown(['Not answered']);
    expect(service.violations).toEqual([]);
    // The browser tells of the refusal itself.
    for (const fault of shown.faults.splice(0)) expect(fault).toMatch(/40[19]|WebSocket|ERR_/);
  });

  test('P1: a reply in a notification is sent once, answers a question, and is kept in the message if it is refused', async () => {
    const { page } = shown;
    const id = await shown.begin(world.daemon.project('reply'), scenario({ text: 'Where to?' }));
    await page.getByText('Where to?', { exact: true }).waitFor();
    await dismissAll();
    await deliver({ title: 'reply', kind: 'turn_complete', sessionId: id, collapseId: `turn.${id}` });
    await untilShown(['reply']);
    expect((await notifications())[0]?.actions).toMatchObject([{ action: 'reply', title: 'Reply' }]);
    await page.goto(world.daemon.url);
    const prompt = scenario({ text: 'Home it is.' });
    await press('reply', prompt);
    await untilShown([]);
    await page.goto(`${world.daemon.url}/#/s/${id}`);
    await page.getByText('Home it is.', { exact: true }).waitFor();
    expect(world.api.runs(prompt)).toBe(1);

    const options = ['Bus', 'Train'].map((label) => ({ label, description: label }));
    const questions = [{ question: 'By what?', header: 'Way', multiSelect: false, options }];
    await shown.send(scenario({ tools: [{ name: 'AskUserQuestion', input: { questions } }] }, { text: 'I take it.' }));
    await page.getByRole('radio', { name: 'Bus Bus' }).waitFor();
    const open = (await (await world.daemon.fetch(`/api/sessions/${id}/permissions`)).json()) as {
      permissions: { permissionId: string }[];
    };
    const asked = { kind: 'question', sessionId: id, permissionId: open.permissions[0]?.permissionId };
    await deliver({ title: 'asked', ...asked });
    await untilShown(['asked']);
    await press('reply', 'By boat');
    await untilShown([]);
    await page.getByText('I take it.', { exact: true }).waitFor();
    expect(JSON.stringify(world.api.requests.at(-1)?.messages)).toContain('By boat');

    // It was answered: what is written now waits in the message.
    await deliver({ title: 'asked again', ...asked });
    await untilShown(['asked again']);
    await press('reply', 'No, by train');
    await untilShown(['Not sent: it is in the message of the session']);
    const message = page.getByRole('textbox', { name: 'Message', exact: true });
    await waitUntil('the reply is in the message', async () => (await message.inputValue()) === 'No, by train');
    await message.fill('');
    for (const fault of shown.faults.splice(0)) expect(fault).toMatch(/40[19]/);
  });

  test('notifications are in the language of the console', async () => {
    const { page } = shown;
    const payload = service.pushes.find(({ payload: { kind } }) => kind === 'permission')?.payload;
    if (!payload) throw new Error('nothing was pushed');
    await page.goto(world.daemon.url);
    const say = async (language: string) => {
      await page.locator('footer select').selectOption(language);
      await page.locator(`html[lang=${{ Deutsch: 'de', 中文: 'zh', English: 'en' }[language]}]`).waitFor();
    };
    const told: unknown[] = [];
    for (const language of ['Deutsch', '中文', 'English']) {
      await say(language);
      await dismissAll();
      await deliver(payload);
      await untilShown(['site']);
      const [site] = await notifications();
      told.push([site?.body.split('\n')[0], ...(site?.actions ?? []).map(({ title }) => title)]);
    }
    expect(told).toEqual([
      ['Erlaubnis: Read', 'Einmal erlauben', 'Ablehnen'],
      ['请求许可：Read', '允许一次', '拒绝'],
      ['Permission: Read', 'Allow once', 'Deny'],
    ]);
    await dismissAll();
  });

  test('P1: what comes while the page is hidden is pushed to the phone', async () => {
    const { page } = shown;
    await shown.begin(world.daemon.project('hidden'), scenario({ text: 'Here.' }));
    await page.getByText('Here.', { exact: true }).waitFor();
    const sessionId = new URL(page.url()).hash.replace('#/s/', '');
    const look = (state: string) =>
      page.evaluate(`(() => {
        Object.defineProperty(document, 'visibilityState', { value: '${state}', configurable: true });
        document.dispatchEvent(new Event('visibilitychange'));
      })()`);
    await look('hidden');
    const prompt = scenario({ tools: [{ name: 'Read', input: { file_path: '/etc/hostname' } }] }, { text: 'Seen.' });
    const sent = await world.daemon.fetch(`/api/sessions/${sessionId}/prompts`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ prompt }),
    });
    expect(sent.status).toBe(202);
    // Of the session before, the end of a turn can be pushed in between.
    await waitUntil('the phone is asked', () =>
      service.pushes.some(({ payload }) => payload.kind === 'permission' && payload.sessionId === sessionId),
    );
    // The page has it all the same, and says so when it is looked at.
    await page.getByRole('button', { name: 'Deny', exact: true }).waitFor();
    await look('visible');
    await waitUntil('the daemon knows that it has been seen', async () => {
      const { devices } = (await (await world.daemon.fetch('/api/devices')).json()) as {
        devices: { id: string; platform?: string }[];
      };
      const own = devices.find(({ platform }) => platform === 'web')?.id;
      const queue = (await (await world.daemon.fetch(`/api/devices/${own}/queue`)).json()) as {
        sessions: { sessionId: string; depth: number }[];
      };
      return queue.sessions.find((one) => one.sessionId === sessionId)?.depth === 0;
    });
    await page.getByRole('button', { name: 'Deny', exact: true }).click();
    await page.getByText('Seen.', { exact: true }).waitFor();
  });

  test('can be installed: its manifest and icons are there', async () => {
    await shown.page.locator('link[rel=manifest]').waitFor({ state: 'attached' });
    const session = await shown.page.context().newCDPSession(shown.page);
    const { errors, url } = await session.send('Page.getAppManifest');
    expect({ errors, url }).toEqual({ errors: [], url: `${world.daemon.url}/manifest.webmanifest` });
    const { installabilityErrors } = await session.send('Page.getInstallabilityErrors');
    expect(installabilityErrors.map(({ errorId }) => errorId).filter((id) => id !== 'in-incognito')).toEqual([]);
  });
});
