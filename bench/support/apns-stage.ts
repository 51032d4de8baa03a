/** A server that takes pushes as Apple's does, what a daemon needs to know of it, and node-apn alone to compare with. */
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createCertificate } from '../../tests/support/certificate.js';
import { startWorker, type Worker } from './worker.js';

export interface Taken {
  /** When the first and the last request were there. */
  first: number;
  last: number;
  /** By device and collapse id. */
  distinct: number;
  repeated: number;
  bodies: { at: number; body: string }[];
  /** Processor time that the server itself used. */
  busyMs: number;
}

export interface SentAlone {
  tokens: readonly string[];
  collapseIds: readonly string[];
  payload: object;
  /** As fast as it can, if not given. */
  perSecond?: number;
}

export interface ApnsStage {
  /** Of a daemon that pushes there. */
  readonly environment: Record<string, string>;
  /** Forgets what was taken. */
  reset(options?: { bodies: boolean }): Promise<void>;
  /** Resolves when so many have been taken since then. */
  reached(count: number): Promise<void>;
  taken(): Promise<Taken>;
  /** Of node-apn's process. */
  readonly alonePid: number;
  /** One push of node-apn's; resolves to the time of its sending. */
  sendOneAlone(request: { token: string; collapseId: string; payload: object }): Promise<number>;
  sendAlone(requests: SentAlone): Promise<void>;
  close(): Promise<void>;
}

const TOPIC = 'org.example.companion';
const KEY_ID = 'ABC123DEFG';
const TEAM_ID = 'TEAM123456';

export async function openApnsStage(): Promise<ApnsStage> {
  const folder = mkdtempSync(join(tmpdir(), 'companion-apns-'));
  const server = startWorker({ file: 'apns-server.mjs', side: 'load' });
  const alone = startWorker({ file: 'node-apn-sender.mjs', side: 'server' });
  const certificate = createCertificate(['127.0.0.1', 'localhost']);
  const port = await server.ask<number>({ type: 'listen', key: certificate.key, cert: certificate.certificate });
  const key = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' });
  await alone.ask({ type: 'connect', port, key, keyId: KEY_ID, teamId: TEAM_ID, ca: certificate.certificate });
  writeFileSync(join(folder, 'key.p8'), key);
  writeFileSync(join(folder, 'ca.pem'), certificate.certificate);
  return {
    environment: {
      APNS_KEY_FILE: join(folder, 'key.p8'),
      APNS_KEY_ID: KEY_ID,
      APNS_TEAM_ID: TEAM_ID,
      APNS_TOPIC: TOPIC,
      APNS_ADDRESS: '127.0.0.1',
      APNS_PORT: String(port),
      APNS_CA_FILE: join(folder, 'ca.pem'),
    },
    ...takenBy(server),
    alonePid: alone.pid,
    sendOneAlone: (request) => alone.ask({ type: 'one', topic: TOPIC, ...request }),
    sendAlone: (requests) => alone.ask({ type: 'many', topic: TOPIC, ...requests }),
    close: async () => {
      await Promise.all([server.close(), alone.close()]);
      rmSync(folder, { recursive: true });
    },
  };
}

const takenBy = (server: Worker): Pick<ApnsStage, 'reset' | 'reached' | 'taken'> => ({
  reset: (options) => server.ask({ type: 'reset', ...options }),
  reached: (count) => server.ask({ type: 'reached', count }),
  taken: () => server.ask({ type: 'counted' }),
});
