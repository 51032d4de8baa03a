/** The real daemon with an ntfy server, and devices that are pushed to under a topic of their own name. */
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll } from '@jest/globals';
import * as z from 'zod';
import type { ClientInput } from '../../protocol/client-frames.js';
import { deliveriesSchema, type PushDelivery } from '../../protocol/push.js';
import { type Daemon, startDaemon } from './daemon.js';
import { type NtfyAnswer, type NtfyServer, startNtfyServer } from './ntfy-server.js';
import { type ScriptedApi, startScriptedApi } from './scripted-api.js';
import { type ConnectOptions, connect, type WireClient } from './wire-client.js';

const messageSchema = z.object({
  topic: z.string(),
  title: z.string(),
  message: z.string(),
  sequence_id: z.string(),
  actions: z.array(z.object({ label: z.string(), url: z.string(), body: z.string() })).optional(),
});
type NtfyMessage = z.infer<typeof messageSchema>;

export interface PushWorld {
  readonly api: ScriptedApi;
  readonly ntfy: NtfyServer;
  /** What the next requests to it are answered with; when there is nothing, they are accepted. */
  answers: NtfyAnswer[];
  readonly daemon: Daemon;
  /** Clients are closed with the world. */
  connect(options?: ConnectOptions): Promise<WireClient>;
  /** A connected device with a registration. */
  register(deviceId: string, others?: Partial<ClientInput<'registerDevice'>>): Promise<WireClient>;
  /** What became of the device's pushes, newest first. */
  deliveries(deviceId: string): Promise<PushDelivery[]>;
  /** As soon as the condition holds; rejects when it does not within 30 s. */
  deliveriesWhen(deviceId: string, condition: (found: PushDelivery[]) => boolean): Promise<PushDelivery[]>;
  /** What was published under a topic, oldest first. */
  messages(topic: string): NtfyMessage[];
  /** As soon as the topic has had so many messages. */
  pushed(deviceId: string, count?: number): Promise<void>;
  send(method: string, path: string, body: object): Promise<Response>;
}

const WAIT_MS = 30_000;
const POLL_MS = 100;

/** One of each for the tests of a file. */
export function usePushWorld(environment: Record<string, string> = {}): PushWorld {
  const clients: WireClient[] = [];
  const registered = new Set<string>();
  let api: ScriptedApi;
  let ntfy: NtfyServer;
  let daemon: Daemon;
  const world: PushWorld = {
    get api() {
      return api;
    },
    get ntfy() {
      return ntfy;
    },
    get daemon() {
      return daemon;
    },
    answers: [],
    messages: (topic) =>
      world.ntfy.requests
        .flatMap(({ method, body }) => (method === 'POST' ? [messageSchema.parse(body)] : []))
        .filter((message) => message.topic === topic),
    connect: async (options) => {
      const client = await connect(world.daemon, options);
      clients.push(client);
      return client;
    },
    register: async (deviceId, others = {}) => {
      const client = await world.connect({ deviceId });
      registered.add(deviceId);
      const answer = await client.request('registerDevice', { platform: 'ntfy', token: deviceId, ...others });
      if (answer.type !== 'deviceRegistered') throw new Error(JSON.stringify(answer));
      return client;
    },
    deliveries: async (deviceId) => {
      const response = await world.daemon.fetch('/api/push-notifications/deliveries?limit=1000');
      const { deliveries } = deliveriesSchema.parse(await response.json());
      return deliveries.filter((delivery) => delivery.deviceId === deviceId);
    },
    deliveriesWhen: async (deviceId, condition) => {
      for (const end = performance.now() + WAIT_MS; performance.now() < end; ) {
        const found = await world.deliveries(deviceId);
        if (condition(found)) return found;
        await delay(POLL_MS);
      }
      throw new Error(`it never came true: ${JSON.stringify(await world.deliveries(deviceId))}`);
    },
    pushed: (deviceId, count = 1) => world.daemon.until(() => world.messages(deviceId).length >= count),
    send: (method, path, body) =>
      world.daemon.fetch(path, {
        method,
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      }),
  };
  beforeAll(async () => {
    api = await startScriptedApi();
    ntfy = await startNtfyServer();
    ntfy.requireToken('tk_test');
    ntfy.answer(() => world.answers.shift() ?? { status: 200 });
    daemon = await startDaemon({
      apiUrl: world.api.url,
      environment: {
        NTFY_URL: world.ntfy.url,
        NTFY_TOKEN: 'tk_test',
        PUSH_ACTIONS: 'clear',
        PUBLIC_URL: 'http://127.0.0.1:1',
        ALLOWED_HOSTS: '127.0.0.1',
        ...environment,
      },
    });
  });
  // All are one person's: those of one test would be pushed to in the next.
  afterEach(async () => {
    for (const deviceId of registered) {
      await world.send('PATCH', `/api/devices/${deviceId}`, { preferences: { enabled: false } });
    }
    registered.clear();
  });
  afterAll(async () => {
    for (const client of clients) client.terminate();
    await world.daemon.stop();
    await Promise.all([world.api.close(), world.ntfy.close()]);
  });
  return world;
}
