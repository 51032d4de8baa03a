import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach } from '@jest/globals';
import type { Log } from '../../../services/ports/log.js';
import type { PushSender } from '../../../services/ports/push.js';
import { type ApnsCredentialSettings, readApnsFiles } from '../../../services/push/apns/apns-key.js';
import { type ApnsSenderOptions, createApnsSender } from '../../../services/push/apns/apns-sender.js';
import { SenderThread } from '../../../services/push/sending/sender-thread.js';
import { type ApnsServer, KEY_ID, startApnsServer, TEAM_ID, TOPIC } from '../../support/apns-server.js';
import { createCertificate } from '../../support/certificate.js';
import { tokenKey } from './push-samples.js';

/** Without the functions of a server, which no thread can be given. */
const endpointOf = ({ address, port }: ApnsServer) => ({ address, port });

const NO_WEBHOOKS = { userAgent: 'test', allowPrivate: false };
const NO_KEYS = { problem: { message: 'no keys', remedy: '' } };

/** The settings, as the daemon reads them. */
export interface StageSenderOptions extends Partial<Omit<ApnsSenderOptions, 'ready'>> {
  credential?: ApnsCredentialSettings;
  caFile?: string | undefined;
}

export interface ApnsStage {
  production: ApnsServer;
  sandbox: ApnsServer;
  /** PEM of the token key. */
  key: string;
  folder: string;
  /** Speaks to both servers; closed after the test. */
  sender(options?: StageSenderOptions): PushSender;
  /** The same in a thread that runs this script. */
  threadSender(script: string, options: StageSenderOptions | undefined, log: Log): PushSender;
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
    const optionsOf = (options: StageSenderOptions = {}): ApnsSenderOptions => {
      const own = { credential: { key: pem, keyId: KEY_ID, teamId: TEAM_ID }, caFile };
      const { credential, caFile: trusted, ...others } = { ...own, ...options };
      const ready = readApnsFiles(credential, trusted, Date.now());
      return { ready, topic: TOPIC, endpoints: { production, sandbox }, actions: 'encrypted', ...others };
    };
    const sender = (options?: StageSenderOptions) => {
      const made = createApnsSender(optionsOf(options));
      senders.push(made);
      return made;
    };
    const threadSender = (script: string, options: StageSenderOptions | undefined, log: Log) => {
      const web = { opened: NO_KEYS, subject: 'mailto:owner@example.org', allowPrivate: false };
      const endpoints = { production: endpointOf(production), sandbox: endpointOf(sandbox) };
      const settings = { apns: optionsOf({ endpoints, ...options }), web, ntfy: undefined, webhooks: NO_WEBHOOKS };
      const made = new SenderThread({ script, settings, log }).senderFor('ios');
      senders.push(made);
      return made;
    };
    Object.assign(stage, { production, sandbox, key: pem, folder, file, sender, threadSender });
  });

  afterEach(async () => {
    await Promise.all(senders.map((sender) => sender.close()));
    await Promise.all([stage.production.close(), stage.sandbox.close()]);
    rmSync(stage.folder, { recursive: true });
  });

  return stage;
}
