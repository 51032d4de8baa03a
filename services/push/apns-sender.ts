/** Pushes by Apple's service. The only importer of `@parse/node-apn`, which is loaded with the first push. */
import { randomUUID } from 'node:crypto';
import type { ProviderOptions } from '@parse/node-apn';
import type { PushMessage, PushRegistration, PushSender, SendOutcome } from '../ports/push.js';
import { type ApnsAnswer, ApnsConnection, requireClient } from './apns-connection.js';
import {
  type ApnsCredential,
  type ApnsCredentialSettings,
  endedProblem,
  type PushProblem,
  readApnsCredential,
  readSettingFile,
} from './apns-key.js';
import { type ApnsNotification, composeApns } from './apns-payload.js';
import { type ApnsVerdict, judgeAnswer, PROVIDER_TOKEN_MIN_MS } from './apns-reasons.js';

export type ApnsEnvironment = PushRegistration['environment'];

export interface ApnsEndpoint {
  /** A host name or an address. */
  address: string;
  port: number;
}

export interface ApnsSenderOptions {
  credential: ApnsCredentialSettings;
  /** For registrations without a bundle id. */
  topic?: string | undefined;
  endpoints: Readonly<Record<ApnsEnvironment, ApnsEndpoint>>;
  /** PEM: trusted instead of the system's certificates. */
  caFile?: string | undefined;
  /** Whether Apple can read tokens that allow actions. */
  actions: 'encrypted' | 'clear';
  /** Per request. Default: 5 s. */
  timeoutMs?: number;
}

const REQUEST_TIMEOUT_MS = 5000;
/** Time for requests in flight when the sender is closed. */
const CLOSE_GRACE_MS = 1000;

const APPLE: Readonly<Record<ApnsEnvironment, string>> = {
  production: 'api.push.apple.com',
  sandbox: 'api.sandbox.push.apple.com',
};

/** Apple's two servers, or the one that replaces both. */
export const apnsEndpoints = (address: string | undefined, port: number): ApnsSenderOptions['endpoints'] => ({
  production: { address: address ?? APPLE.production, port },
  sandbox: { address: address ?? APPLE.sandbox, port },
});

/** Reads the credential's files at once, and nothing else until the first push. Never throws for their content. */
export function createApnsSender(options: ApnsSenderOptions): PushSender {
  const read = readApnsCredential(options.credential, Date.now());
  if ('problem' in read) return new ApnsSender(options, read);
  if (options.caFile === undefined) return new ApnsSender(options, read);
  const ca = readSettingFile('APNS_CA_FILE', options.caFile);
  return new ApnsSender(options, 'problem' in ca ? ca : { ...read, ca: ca.text });
}

type Prepared = { credential: ApnsCredential; ca?: string } | { problem: PushProblem };

/** A request to one environment, and Apple's judged answer. */
interface Tried {
  environment: ApnsEnvironment;
  id: string;
  answer: ApnsAnswer;
  verdict: ApnsVerdict | 'accepted' | 'unanswered';
}

const isHexadecimal = (token: string) => /^([0-9a-f]{2}){1,100}$/i.test(token);
const isBundleId = (text: string) => /^[A-Za-z0-9.-]{1,255}$/.test(text);
const other = (environment: ApnsEnvironment): ApnsEnvironment =>
  environment === 'production' ? 'sandbox' : 'production';

class ApnsSender implements PushSender {
  readonly platform = 'ios';
  readonly #options: ApnsSenderOptions;
  readonly #prepared: Prepared;
  readonly #connections = new Map<ApnsEnvironment, Promise<ApnsConnection>>();
  /** The last problem of each environment. */
  readonly #troubles = new Map<ApnsEnvironment, PushProblem & { isNetwork: boolean }>();
  #closed = false;

  constructor(options: ApnsSenderOptions, prepared: Prepared) {
    this.#options = options;
    this.#prepared = prepared;
  }

  get problem(): PushProblem | undefined {
    if ('problem' in this.#prepared) return this.#prepared.problem;
    const ended = endedProblem(this.#prepared.credential, Date.now());
    if (ended) return ended;
    const [trouble] = this.#troubles.values();
    return trouble && { message: trouble.message, remedy: trouble.remedy };
  }

  async send(registration: PushRegistration, message: PushMessage): Promise<SendOutcome> {
    if (this.#closed) return { kind: 'retry', reason: 'closing' };
    if ('problem' in this.#prepared) return { kind: 'failed', reason: this.#prepared.problem.message };
    if (!isHexadecimal(registration.token)) return { kind: 'unregistered', reason: 'BadDeviceToken' };
    const topic = registration.bundleId ?? this.#options.topic;
    if (topic === undefined) return { kind: 'failed', reason: 'no bundle id is registered and APNS_TOPIC is not set' };
    if (!isBundleId(topic)) return { kind: 'failed', reason: 'bundleId is not a bundle id' };
    const composed = composeApns(registration, message, this.#options.actions);
    if ('problem' in composed) return { kind: 'failed', reason: composed.problem };
    const first = await this.#try(registration, composed, topic);
    const second = await this.#tryOther(first, registration, composed, topic);
    const decisive = second && settlesIt(second) ? second : first;
    return this.#conclude(decisive, registration, composed.note);
  }

  async close(): Promise<void> {
    this.#closed = true;
    const opened = await Promise.allSettled(this.#connections.values());
    await Promise.all(
      opened.map(async (one) => {
        if (one.status === 'fulfilled') await one.value.close(CLOSE_GRACE_MS);
      }),
    );
  }

  /** Handles a token of the app's other build, or a key for one environment alone. */
  async #tryOther(
    first: Tried,
    registration: PushRegistration,
    composed: ApnsNotification,
    topic: string,
  ): Promise<Tried | undefined> {
    const { endpoints } = this.#options;
    const [one, two] = [endpoints.production, endpoints.sandbox];
    if (first.verdict !== 'environment' || (one.address === two.address && one.port === two.port)) return undefined;
    return this.#try({ ...registration, environment: other(registration.environment) }, composed, topic);
  }

  /** The client renews an expired provider token, once. */
  async #try({ environment, token }: PushRegistration, composed: ApnsNotification, topic: string): Promise<Tried> {
    const first = await this.#request(environment, token, { composed, topic });
    return first.verdict === 'expired-token' ? this.#request(environment, token, { composed, topic }) : first;
  }

  async #request(
    environment: ApnsEnvironment,
    token: string,
    { composed, topic }: { composed: ApnsNotification; topic: string },
  ): Promise<Tried> {
    const id = randomUUID();
    try {
      const { Notification } = await import('@parse/node-apn');
      const notification = new Notification();
      const { pushType, priority, collapseId, expiration, payload } = composed;
      Object.assign(notification, { id, topic, pushType, priority, collapseId, expiry: expiration });
      notification.rawPayload = payload;
      const connection = await this.#connectionTo(environment);
      const answer = await connection.request(notification, token);
      return { environment, id, answer, verdict: verdictOf(answer) };
    } catch (error) {
      const answer = refusalOfClient(error);
      if (answer.kind === 'unanswered') this.#trouble(environment, CLIENT_FAILED, true);
      return { environment, id, answer, verdict: verdictOf(answer) };
    }
  }

  #connectionTo(environment: ApnsEnvironment): Promise<ApnsConnection> {
    const known = this.#connections.get(environment);
    if (known) return known;
    const opening = this.#open(environment);
    this.#connections.set(environment, opening);
    // The next push tries again: the problem can be temporary.
    opening.catch(() => this.#connections.delete(environment));
    return opening;
  }

  async #open(environment: ApnsEnvironment): Promise<ApnsConnection> {
    if ('problem' in this.#prepared) throw new Error('a sender without a credential cannot connect');
    const { credential, ca } = this.#prepared;
    const { address, port } = this.#options.endpoints[environment];
    const timeoutMs = this.#options.timeoutMs ?? REQUEST_TIMEOUT_MS;
    const options: ProviderOptions = {
      address,
      port,
      production: environment === 'production',
      ...(ca !== undefined && { ca: [ca] }),
      ...(credential.kind === 'token'
        ? { token: { key: credential.key, keyId: credential.keyId, teamId: credential.teamId } }
        : { cert: credential.certificate, key: credential.key }),
      // The outbox retries: the client's own retries are immediate and unreported.
      connectionRetryLimit: 0,
      // The connection's own limit is shorter.
      requestTimeout: 2 * timeoutMs,
    };
    const { Provider } = await import('@parse/node-apn');
    return new ApnsConnection({ provider: requireClient(new Provider(options)), timeoutMs });
  }

  #conclude(tried: Tried, registration: PushRegistration, note: string | undefined): SendOutcome {
    const { answer, environment, id, verdict } = tried;
    if (answer.kind === 'unanswered') {
      if (!answer.connected) this.#trouble(environment, unreachable(answer.why), true);
      return { kind: 'retry', reason: answer.why };
    }
    if (this.#troubles.get(environment)?.isNetwork) this.#troubles.delete(environment);
    if (verdict === 'accepted') {
      this.#troubles.delete(environment);
      return {
        kind: 'accepted',
        id,
        ...(note !== undefined && { note }),
        ...(environment !== registration.environment && { environment }),
      };
    }
    const reason = answer.reason ?? `HTTP ${answer.status}`;
    const problem = problemOf({ verdict, reason, hasOwnTopic: registration.bundleId !== undefined });
    if (problem) this.#trouble(environment, problem, false);
    return refusal(verdict, reason, answer);
  }

  #trouble(environment: ApnsEnvironment, problem: PushProblem, isNetwork: boolean): void {
    this.#troubles.set(environment, { ...problem, isNetwork });
  }
}

function verdictOf(answer: ApnsAnswer): Tried['verdict'] {
  if (answer.kind === 'unanswered') return 'unanswered';
  return answer.status === 200 ? 'accepted' : judgeAnswer(answer.status, answer.reason);
}

/** Whether the other environment's answer counts; otherwise the first one's does. */
const settlesIt = ({ verdict }: Tried): boolean =>
  verdict === 'accepted' || verdict === 'retry' || verdict === 'unanswered' || verdict === 'unregistered';

/** The client parses certificates when it is created. Its certificate errors use Apple's reasons. */
function refusalOfClient(error: unknown): ApnsAnswer {
  const message = error instanceof Error ? error.message : '';
  if (message.startsWith('certificate does not support configured environment'))
    return { kind: 'answered', status: 403, reason: 'BadCertificateEnvironment' };
  if (message.startsWith('certificate')) return { kind: 'answered', status: 403, reason: 'BadCertificate' };
  return { kind: 'unanswered', why: 'the client could not be made', connected: true };
}

type Answered = Extract<ApnsAnswer, { kind: 'answered' }>;

function refusal(verdict: Tried['verdict'], reason: string, answer: Answered): SendOutcome {
  if (verdict === 'expired-token') return { kind: 'retry', reason, afterMs: PROVIDER_TOKEN_MIN_MS };
  if (verdict === 'retry') {
    const afterMs = answer.afterMs ?? (reason === 'TooManyProviderTokenUpdates' ? PROVIDER_TOKEN_MIN_MS : undefined);
    return { kind: 'retry', reason, ...(afterMs !== undefined && { afterMs }) };
  }
  if (verdict === 'unregistered' || reason === 'BadDeviceToken') {
    const { timestamp } = answer;
    return { kind: 'unregistered', reason, ...(timestamp !== undefined && { since: timestamp }) };
  }
  return { kind: 'failed', reason };
}

/** The error's text can contain the key. */
const CLIENT_FAILED: PushProblem = {
  message: "The client for Apple's push service cannot be started",
  remedy: 'Check the key or certificate of the APNS settings, and install the dependencies again (npm ci).',
};

const unreachable = (why: string): PushProblem => ({
  message: `Apple's push service cannot be reached (${why})`,
  remedy: 'Check the network, and APNS_ADDRESS, APNS_PORT and APNS_CA_FILE if they are set.',
});

function problemOf(refused: {
  verdict: Tried['verdict'];
  reason: string;
  hasOwnTopic: boolean;
}): PushProblem | undefined {
  const { verdict, reason, hasOwnTopic } = refused;
  const message = `Apple refuses the pushes: ${reason}`;
  if (verdict === 'expired-token') return { message, remedy: "Check this machine's clock: a new token was too old." };
  if (verdict === 'credential')
    return {
      message,
      remedy: 'Check APNS_KEY_ID, APNS_TEAM_ID and the key (or the certificate), and restart the daemon.',
    };
  if (verdict === 'topic' && !hasOwnTopic)
    return { message, remedy: "Set APNS_TOPIC to the app's bundle id, which the key or certificate must be for." };
  if (verdict === 'environment' && reason !== 'BadDeviceToken')
    return { message, remedy: "Use a key or certificate that is for both of Apple's environments." };
  return undefined;
}
