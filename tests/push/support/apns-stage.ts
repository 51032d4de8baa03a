import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach } from '@jest/globals';
import type { PushSender } from '../../../services/ports/push.js';
import { type ApnsSenderOptions, createApnsSender } from '../../../services/push/apns-sender.js';
import { type ApnsServer, KEY_ID, startApnsServer, TEAM_ID, TOPIC } from '../../support/apns-server.js';
import { createCertificate } from '../../support/certificate.js';
import { tokenKey } from './push-samples.js';

export interface ApnsStage {
  production: ApnsServer;
  sandbox: ApnsServer;
  /** PEM of the token key. */
  key: string;
  folder: string;
  /** Speaks to both servers; closed after the test. */
  sender(options?: Partial<ApnsSenderOptions>): PushSender;
  /** A file in the folder, and its path. */
  file(name: string, text: string): string;
}

/** Both of Apple's servers for each test, with a certificate of their own. */
export function useApns(): ApnsStage {
  const stage = {} as ApnsStage;
  let senders: PushSender[] = [];

  beforeEach(async () => {
    senders = [];
    const { publicKey, pem } = tokenKey();
    const folder = mkdtempSync(join(tmpdir(), 'companion-apns-'));
    const certificate = createCertificate(['127.0.0.1']);
    const production = await startApnsServer({ publicKey, certificate });
    const sandbox = await startApnsServer({ publicKey, certificate });
    const file = (name: string, text: string) => {
      writeFileSync(join(folder, name), text);
      return join(folder, name);
    };
    const caFile = file('ca.pem', production.ca);
    const sender = (options: Partial<ApnsSenderOptions> = {}) => {
      const made = createApnsSender({
        credential: { key: pem, keyId: KEY_ID, teamId: TEAM_ID },
        topic: TOPIC,
        endpoints: { production, sandbox },
        caFile,
        actions: 'encrypted',
        ...options,
      });
      senders.push(made);
      return made;
    };
    Object.assign(stage, { production, sandbox, key: pem, folder, file, sender });
  });

  afterEach(async () => {
    await Promise.all(senders.map((sender) => sender.close()));
    await Promise.all([stage.production.close(), stage.sandbox.close()]);
    rmSync(stage.folder, { recursive: true });
  });

  return stage;
}
