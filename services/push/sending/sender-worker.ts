/** The thread that sends pushes, and messages of webhooks. It gets a request for each, in batches, and reports their outcomes. */
import { parentPort, workerData } from 'node:worker_threads';
import type { PushMessage, PushPlatform, PushRegistration, PushSender, SendOutcome } from '../../ports/push.js';
import type { ApnsSenderOptions } from '../apns/apns-sender.js';
import type { NtfySenderOptions } from '../ntfy/ntfy-sender.js';
import type { WebPushSenderOptions } from '../web/web-push-sender.js';
import type { WebhookAnswer, WebhookPost, WebhookSender, WebhookSenderOptions } from '../webhooks/webhook-sender.js';

/** What the senders are made of: plain values, which the thread gets when it is started. */
export interface SenderSettings {
  apns: ApnsSenderOptions | undefined;
  web: Omit<WebPushSenderOptions, 'reach'> & { allowPrivate: boolean };
  ntfy: NtfySenderOptions | undefined;
  webhooks: Omit<WebhookSenderOptions, 'reach'> & { allowPrivate: boolean };
}

export interface PushJob {
  platform: PushPlatform;
  registration: PushRegistration;
  message: PushMessage;
}

export interface WebhookJob {
  post: WebhookPost;
}

export type SenderRequest = { id: number } & (PushJob | WebhookJob);

export interface SenderReport {
  id: number;
  outcome: SendOutcome | WebhookAnswer;
  /** Of the sender of pushes, after this attempt. */
  problem?: PushSender['problem'];
}

const settings = workerData as SenderSettings;
const senders = new Map<PushPlatform, Promise<PushSender>>();
let webhooks: Promise<WebhookSender> | undefined;
let reports: SenderReport[] = [];

parentPort?.on('message', (message: SenderRequest[] | 'close') => {
  if (message === 'close') void close();
  else for (const request of message) void send(request);
});

async function send({ id, ...job }: SenderRequest): Promise<void> {
  const result = 'post' in job ? await post(job) : await push(job);
  if (reports.length === 0) setImmediate(report);
  reports.push({ id, ...result });
}

async function push({ platform, registration, message }: PushJob): Promise<Omit<SenderReport, 'id'>> {
  const opening = senders.get(platform) ?? open(platform);
  senders.set(platform, opening);
  const sender = await opening;
  const outcome = await sender.send(registration, message);
  return { outcome, problem: sender.problem };
}

async function post({ post: message }: WebhookJob): Promise<Omit<SenderReport, 'id'>> {
  webhooks ??= openWebhooks();
  return { outcome: await (await webhooks).post(message) };
}

async function openWebhooks(): Promise<WebhookSender> {
  const { WebhookSender } = await import('../webhooks/webhook-sender.js');
  const { PushReach } = await import('../web/push-reach.js');
  return new WebhookSender({ ...settings.webhooks, reach: new PushReach(settings.webhooks) });
}

/** Those of one turn together: each message interrupts the event loop of the streams. */
function report(): void {
  parentPort?.postMessage(reports);
  reports = [];
}

/** Loads only what this platform needs: the packages of all take several MB. */
async function open(platform: PushPlatform): Promise<PushSender> {
  const { apns, web, ntfy } = settings;
  if (platform === 'web') {
    const { createWebPushSender } = await import('../web/web-push-sender.js');
    const { PushReach } = await import('../web/push-reach.js');
    return createWebPushSender({ ...web, reach: new PushReach(web) });
  }
  if (platform === 'ios' && apns) return (await import('../apns/apns-sender.js')).createApnsSender(apns);
  if (platform === 'ntfy' && ntfy) return (await import('../ntfy/ntfy-sender.js')).createNtfySender(ntfy);
  throw new Error(`there is no sender for ${platform}`);
}

/** The thread ends when its port and its connections are closed. */
async function close(): Promise<void> {
  (await webhooks)?.close();
  await Promise.all(Array.from(senders.values(), async (opening) => (await opening).close()));
  if (reports.length > 0) report();
  parentPort?.close();
}
