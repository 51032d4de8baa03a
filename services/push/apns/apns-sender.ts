/** Pushes by Apple's service. The only importer of `@parse/node-apn`, which is loaded with the first push. */
import { randomUUID } from 'node:crypto';
import type { OutgoingHttpHeaders } from 'node:http2';
import type { PushMessage, PushRegistration, PushSender, SendOutcome } from '../../ports/push.js';
import { type ApnsAnswer, ApnsConnection, CLOSING } from './apns-connection.js';
import { type ApnsCredential, apnsProblem, type PushProblem, type ReadyApns } from './apns-key.js';
import { type ApnsNotification, composeApns } from './apns-payload.js';

export type ApnsEnvironment = PushRegistration['environment'];

export interface ApnsEndpoint {
  /** A host name or an address. */
  address: string;
  port: number;
}

export interface ApnsSenderOptions {
  ready: ReadyApns;
  /** For registrations without a bundle id. */
  topic?: string | undefined;
  endpoints: Readonly<Record<ApnsEnvironment, ApnsEndpoint>>;
  /** Whether Apple can read tokens that allow actions. */
  actions: 'encrypted' | 'clear';
  /** Per request. Default: 5 s. */
  timeoutMs?: number;
  /** Interval of the checks of an open session. Default: a minute. */
  pingMs?: number;
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

export const createApnsSender = (options: ApnsSenderOptions): PushSender => new ApnsSender(options);

/** A request to one environment, and Apple's judged answer. */
interface Tried {
  environment: ApnsEnvironment;
  id: string;
  answer: ApnsAnswer;
  verdict: ApnsVerdict | 'accepted' | 'unanswered';
}

/** One of Apple's environments. */
interface ApnsService {
  connection: ApnsConnection;
  /** Undefined with a certificate. */
  providerToken: ProviderToken | undefined;
}

/** The notification's headers and body, by node-apn. */
async function compile(composed: ApnsNotification, { id, topic }: { id: string; topic: string }) {
  const { Notification } = await import('@parse/node-apn');
  const notification = new Notification();
  const { pushType, priority, collapseId, expiration, payload } = composed;
  Object.assign(notification, { id, topic, pushType, priority, collapseId, expiry: expiration });
  notification.rawPayload = payload;
  const compiled = notification as typeof notification & CompiledNotification;
  return { headers: compiled.headers(), body: compiled.compile() };
}

/** What the types of node-apn 8.1 omit. */
interface CompiledNotification {
  headers(): OutgoingHttpHeaders;
  /** The body. */
  compile(): string;
}

/** The token that node-apn signs. `regenerate` renews it, unless it is of a later generation. */
interface ProviderToken {
  readonly current: string;
  readonly generation: number;
  isExpired(seconds: number): boolean;
  regenerate(generation: number): void;
}

/** The age at which a provider token is renewed: Apple accepts one for an hour. */
const PROVIDER_TOKEN_S = 3300;

/**
 * Has node-apn sign a provider token, or verify that a certificate is for this environment. Throws when the credential
 * is refused, or when node-apn's internals have changed: its token is not documented (8.1).
 */
async function prepareCredential(
  credential: ApnsCredential,
  environment: ApnsEnvironment,
): Promise<ProviderToken | undefined> {
  const { Provider } = await import('@parse/node-apn');
  const production = environment === 'production';
  if (credential.kind === 'certificate') {
    const { certificate: cert, key } = credential;
    await new Provider({ production, cert, key }).shutdown();
    return undefined;
  }
  const { key, keyId, teamId } = credential;
  const provider = new Provider({ production, token: { key, keyId, teamId } });
  const token = tokenIn(provider);
  // Its client is not used, and holds timers.
  await provider.shutdown();
  return token;
}

function tokenIn(provider: object): ProviderToken {
  const { client } = provider as { client?: { config?: { token?: Partial<ProviderToken> } } };
  const token = client?.config?.token;
  if (
    typeof token?.current === 'string' &&
    typeof token.regenerate === 'function' &&
    typeof token.isExpired === 'function'
  )
    return token as ProviderToken;
  throw new Error('node-apn is another version than this was written for');
}

const isHexadecimal = (token: string) => /^([0-9a-f]{2}){1,100}$/i.test(token);
const isBundleId = (text: string) => /^[A-Za-z0-9.-]{1,255}$/.test(text);
const other = (environment: ApnsEnvironment): ApnsEnvironment =>
  environment === 'production' ? 'sandbox' : 'production';

class ApnsSender implements PushSender {
  readonly platform = 'ios';
  readonly #options: ApnsSenderOptions;
  readonly #services = new Map<ApnsEnvironment, Promise<ApnsService>>();
  /** The last problem of each environment. */
  readonly #troubles = new Map<ApnsEnvironment, PushProblem & { isNetwork: boolean }>();
  #closed = false;

  constructor(options: ApnsSenderOptions) {
    this.#options = options;
  }

  get problem(): PushProblem | undefined {
    const own = apnsProblem(this.#options.ready, Date.now());
    if (own) return own;
    const [trouble] = this.#troubles.values();
    return trouble && { message: trouble.message, remedy: trouble.remedy };
  }

  async send(registration: PushRegistration, message: PushMessage): Promise<SendOutcome> {
    if (this.#closed) return { kind: 'retry', reason: 'closing' };
    const { ready } = this.#options;
    if ('problem' in ready) return { kind: 'failed', reason: ready.problem.message };
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
    const opened = await Promise.allSettled(this.#services.values());
    await Promise.all(
      opened.map(async (one) => {
        if (one.status === 'fulfilled') await one.value.connection.close(CLOSE_GRACE_MS);
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

  /** An expired provider token is renewed, once. */
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
      const { headers, body } = await compile(composed, { id, topic });
      // `close` ends the connections that exist: one that is opened after it would stay.
      if (this.#closed) return { environment, id, answer: CLOSING, verdict: 'unanswered' };
      const { connection, providerToken } = await this.#serviceOf(environment);
      if (providerToken?.isExpired(PROVIDER_TOKEN_S)) providerToken.regenerate(providerToken.generation);
      const generation = providerToken?.generation;
      const answer = await connection.request({
        headers: {
          ':path': `/3/device/${token}`,
          ...(providerToken && { authorization: `bearer ${providerToken.current}` }),
          ...headers,
        },
        body,
      });
      // Of several refusals of one token, the first renews it.
      if (generation !== undefined && verdictOf(answer) === 'expired-token') providerToken?.regenerate(generation);
      return { environment, id, answer, verdict: verdictOf(answer) };
    } catch (error) {
      const answer = refusalOfClient(error);
      if (answer.kind === 'unanswered') this.#trouble(environment, CLIENT_FAILED, true);
      return { environment, id, answer, verdict: verdictOf(answer) };
    }
  }

  #serviceOf(environment: ApnsEnvironment): Promise<ApnsService> {
    const known = this.#services.get(environment);
    if (known) return known;
    const opening = this.#open(environment);
    this.#services.set(environment, opening);
    // The next push tries again: the problem can be temporary.
    opening.catch(() => this.#services.delete(environment));
    return opening;
  }

  async #open(environment: ApnsEnvironment): Promise<ApnsService> {
    const { ready } = this.#options;
    if ('problem' in ready) throw new Error('a sender without a credential cannot connect');
    const { credential, ca } = ready;
    const { address, port } = this.#options.endpoints[environment];
    const { timeoutMs = REQUEST_TIMEOUT_MS, pingMs } = this.#options;
    const own = credential.kind === 'certificate' && { cert: credential.certificate, key: credential.key };
    const providerToken = await prepareCredential(credential, environment);
    const tls = { ...(ca !== undefined && { ca }), ...own };
    return {
      connection: new ApnsConnection({ address, port, tls, timeoutMs, ...(pingMs !== undefined && { pingMs }) }),
      providerToken,
    };
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

/** Apple's reasons for refusing a push: the table of "Handling notification responses from APNs". */

/** The meaning of a reason. */
export type ApnsVerdict =
  /** A temporary failure. */
  | 'retry'
  /** The registration is invalid. */
  | 'unregistered'
  /** The token, the key or the certificate belongs to the other of Apple's two environments. */
  | 'environment'
  /** The provider token is too old. */
  | 'expired-token'
  /** The settings are wrong, and every push fails until they are corrected. */
  | 'credential'
  /** The app's id in the settings, or in the registration, is wrong. */
  | 'topic'
  /** This request is invalid. */
  | 'request';

export const APNS_REASONS = {
  BadCollapseId: 'request',
  BadDeviceToken: 'environment',
  BadExpirationDate: 'request',
  BadMessageId: 'request',
  BadPriority: 'request',
  BadTopic: 'topic',
  DeviceTokenNotForTopic: 'unregistered',
  DuplicateHeaders: 'request',
  IdleTimeout: 'retry',
  InvalidPushType: 'request',
  MissingDeviceToken: 'request',
  MissingTopic: 'topic',
  PayloadEmpty: 'request',
  TopicDisallowed: 'topic',
  BadCertificate: 'credential',
  BadCertificateEnvironment: 'environment',
  // Apple uses both spellings, in the table and in answers.
  BadEnvironmentKeyIdInToken: 'environment',
  BadEnvironmentKeyInToken: 'environment',
  ExpiredProviderToken: 'expired-token',
  Forbidden: 'credential',
  InvalidProviderToken: 'credential',
  MissingProviderToken: 'credential',
  UnrelatedKeyIdInToken: 'credential',
  BadPath: 'request',
  MethodNotAllowed: 'request',
  ExpiredToken: 'unregistered',
  Unregistered: 'unregistered',
  PayloadTooLarge: 'request',
  TooManyProviderTokenUpdates: 'retry',
  TooManyRequests: 'retry',
  InternalServerError: 'retry',
  ServiceUnavailable: 'retry',
  Shutdown: 'retry',
} as const satisfies Record<string, ApnsVerdict>;

const TOO_MANY_REQUESTS = 429;
const SERVER_ERRORS = 500;

/** An answer whose reason is not in the table is judged by its status. */
function judgeAnswer(status: number, reason: string | undefined): ApnsVerdict {
  if (reason !== undefined && Object.hasOwn(APNS_REASONS, reason))
    return APNS_REASONS[reason as keyof typeof APNS_REASONS];
  if (status === TOO_MANY_REQUESTS || status >= SERVER_ERRORS) return 'retry';
  return status === 410 ? 'unregistered' : status === 403 ? 'credential' : 'request';
}

/** The minimum interval between provider tokens: "no more than once every 20 minutes". */
const PROVIDER_TOKEN_MIN_MS = 20 * 60_000;
