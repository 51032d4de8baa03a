/** How the daemon is reached: over TLS, and never by others in the clear. */
import { createHash, generateKeyPairSync, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { type IncomingMessage, request as plainRequest } from 'node:http';
import { request } from 'node:https';
import { createConnection } from 'node:net';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { connect as connectTls, type PeerCertificate, type SecureVersion, type TLSSocket } from 'node:tls';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { CLOSE } from '../../protocol/error-codes.js';
import { healthSchema } from '../../protocol/rest.js';
import { expectRefusal, NO_API, refusalOf, served } from '../support/brief-daemon.js';
import { type Certificate, createCertificate } from '../support/certificate.js';
import { type Daemon, startDaemon, TOKEN } from '../support/daemon.js';
import { freePort } from '../support/free-port.js';
import { hurry } from '../support/hurry.js';
import { askLocally } from '../support/identity-world.js';
import { type ScriptedApi, scenario, startScriptedApi } from '../support/scripted-api.js';
import { waitUntil } from '../support/wait-until.js';
import { connect } from '../support/wire-client.js';

const folder = mkdtempSync(join(tmpdir(), 'companion-door-'));
afterAll(() => rmSync(folder, { recursive: true }));

const FILES = { TLS_CERT_FILE: join(folder, 'cert.pem'), TLS_KEY_FILE: join(folder, 'key.pem') };
/** A supervisor kills what takes longer. */
const SHUTDOWN_MS = 1_500;

let shown: Certificate;

function writeCertificate(validity?: Parameters<typeof createCertificate>[1]): Certificate {
  const made = createCertificate(['127.0.0.1', 'localhost'], validity);
  writeFileSync(FILES.TLS_CERT_FILE, made.certificate);
  writeFileSync(FILES.TLS_KEY_FILE, made.key, { mode: 0o600 });
  return made;
}

beforeEach(() => {
  shown = writeCertificate();
});

const derOf = ({ certificate }: Certificate): Buffer => new X509Certificate(certificate).raw;
const fingerprintOf = (certificate: Certificate): string =>
  createHash('sha256').update(derOf(certificate)).digest('base64url');

interface Greeting {
  url: string;
  version?: SecureVersion;
}

/** What a daemon shows in a handshake of its own, whoever signed it. */
async function greeted({ url, version }: Greeting): Promise<PeerCertificate> {
  const socket: TLSSocket = connectTls({
    port: Number(new URL(url).port),
    host: '127.0.0.1',
    rejectUnauthorized: false,
    // Our own side would not speak the old ones otherwise.
    ...(version !== undefined && { minVersion: version, maxVersion: version, ciphers: 'DEFAULT@SECLEVEL=0' }),
  });
  await once(socket, 'secureConnect');
  const certificate = socket.getPeerCertificate();
  socket.destroy();
  return certificate;
}

const isShown = async (url: string, certificate: Certificate): Promise<boolean> =>
  (await greeted({ url })).raw.equals(derOf(certificate));

async function get(url: string, path: string): Promise<{ status: number | undefined; body: string }> {
  const sent = request(`${url}${path}`, { ca: shown.certificate, headers: { authorization: `Bearer ${TOKEN}` } });
  const [answer] = (await once(sent.end(), 'response')) as [IncomingMessage];
  return { status: answer.statusCode, body: await text(answer) };
}

interface Line extends Record<string, unknown> {
  message: string;
}

/** It is there soon after the daemon serves. */
function logOf({ home }: Pick<Daemon, 'home'>): Line[] {
  const path = join(home, 'logs/companion.log');
  if (!existsSync(path)) return [];
  const lines = readFileSync(path, 'utf8').split('\n').filter(Boolean);
  return lines.map((line) => JSON.parse(line) as Line);
}

describe('a daemon with a certificate', () => {
  let api: ScriptedApi;
  let daemon: Daemon;
  let first: Certificate;
  /** How many lines the log had when the test began. */
  let before = 0;

  beforeAll(async () => {
    first = writeCertificate();
    api = await startScriptedApi();
    daemon = await startDaemon({ apiUrl: api.url, environment: FILES });
  });
  beforeEach(async () => {
    // Each test begins with a certificate of its own, whatever the one before has left.
    await look('the certificate was renewed');
    before = logOf(daemon).length;
  });
  afterAll(async () => {
    await daemon.stop();
    await api.close();
  });

  const said = (message: string) =>
    logOf(daemon)
      .slice(before)
      .filter((line) => line.message.includes(message));
  /** Tells it to look, and waits until it has. */
  const look = async (message: string) => {
    const count = said(message).length;
    process.kill(daemon.pid, 'SIGHUP');
    await waitUntil(`it has said: ${message}`, () => said(message).length > count);
  };

  test('S1: serves HTTP and WebSockets over TLS, and a turn is heard there', async () => {
    expect(daemon.url).toMatch(/^https:\/\/127\.0\.0\.1:\d+$/);
    expect(await get(daemon.url, '/live')).toMatchObject({ status: 200 });
    expect((await get(daemon.url, '/api/sessions')).status).toBe(200);
    const client = await connect(daemon, { ca: shown.certificate });
    const words = 'Under seal. '.repeat(300).trim();
    const prompt = scenario({ text: words, chunk: 100 });
    await client.request('streamStart', { prompt, workingDirectory: daemon.project() });
    const end = await client.waitFor('streamComplete');
    expect(end.data.finalResult).toBe(words);
    await client.close();
  });

  test('S1: speaks TLS 1.2 and 1.3 there, nothing older, and nothing in the clear', async () => {
    const { url } = daemon;
    for (const version of ['TLSv1.2', 'TLSv1.3'] as const)
      await expect(greeted({ url, version })).resolves.toBeTruthy();
    for (const version of ['TLSv1', 'TLSv1.1'] as const)
      await expect(greeted({ url, version })).rejects.toThrow(/protocol version/);
    const plain = plainRequest(url.replace('https', 'http'), { path: '/live' });
    await expect(once(plain.end(), 'response')).rejects.toThrow();
    expect((await get(url, '/live')).status).toBe(200);
  });

  test('says in its log what is shown, as SHA-256 of the certificate, and never the key', async () => {
    const [ready] = logOf(daemon).filter(({ message }) => message === 'ready');
    expect(ready).toMatchObject({ certificate: fingerprintOf(first) });
    expect(JSON.stringify(logOf(daemon))).not.toContain('PRIVATE KEY');
  });

  test('takes a renewed certificate at a SIGHUP, and who is connected stays so', async () => {
    const client = await connect(daemon, { ca: shown.certificate });
    const former = shown;
    shown = writeCertificate();
    expect(await isShown(daemon.url, former)).toBe(true);
    await look('the certificate was renewed');
    expect(await isShown(daemon.url, shown)).toBe(true);
    expect(said('the certificate was renewed')[0]).toMatchObject({ certificate: fingerprintOf(shown) });
    expect((await client.request('ping', {})).type).toBe('pong');
    await client.close();
    const again = await connect(daemon, { ca: shown.certificate });
    await again.close();
  });

  test('goes on with the one before where the new one cannot be used, says why, and takes it when it is mended', async () => {
    const former = shown;
    const renewed = createCertificate(['127.0.0.1']);
    // Half of a renewal: the key is still the old one's.
    writeFileSync(FILES.TLS_CERT_FILE, renewed.certificate);
    await look('cannot be used');
    expect(said('cannot be used').at(-1)).toMatchObject({
      error: expect.stringMatching(/TLS_KEY_FILE .*does not match/),
    });
    writeFileSync(FILES.TLS_CERT_FILE, 'garbage');
    await look('cannot be used');
    unlinkSync(FILES.TLS_CERT_FILE);
    await look('cannot be used');
    expect(await isShown(daemon.url, former)).toBe(true);
    // As certbot does it: a link that leads to another file.
    writeFileSync(join(folder, 'renewed.pem'), renewed.certificate);
    symlinkSync(join(folder, 'renewed.pem'), FILES.TLS_CERT_FILE);
    writeFileSync(FILES.TLS_KEY_FILE, renewed.key);
    await look('the certificate was renewed');
    expect(await isShown(daemon.url, renewed)).toBe(true);
    expect(JSON.stringify(logOf(daemon))).not.toContain('PRIVATE KEY');
    unlinkSync(FILES.TLS_CERT_FILE);
  });

  test.each([
    ['expired', 'ended on', 'Renew it', -2, -1],
    ['not yet valid', 'is valid from', 'clock', 1, 2],
  ])(
    'O1: says that its certificate is %s: in the log, in its health, and at the start, until it is renewed',
    async (verdict, why, remedy, from, to) => {
      const at = (days: number) => Date.now() + days * 86_400_000;
      const tls = async () => {
        const { status, checks, remedies } = healthSchema.parse(await askLocally(daemon, 'GET', '/health'));
        return { isWell: status === 'healthy', tls: checks.tls, remedy: remedies?.tls };
      };
      expect(await tls()).toMatchObject({ tls: 'ok', remedy: undefined });
      writeCertificate({ from: at(from), to: at(to) });
      await look(why);
      const told = { isWell: false, tls: verdict, remedy: expect.stringContaining(remedy) };
      expect(await tls()).toMatchObject(told);
      expect(said(why)).toHaveLength(1);
      await daemon.restart('SIGTERM');
      await waitUntil('the start says so', () => daemon.stderr().includes(why));
      expect(await tls()).toMatchObject(told);
      writeCertificate();
      await look('the certificate was renewed');
      expect(await tls()).toMatchObject({ tls: 'ok', remedy: undefined });
    },
  );

  test('ends within 1.5 s although connections have said nothing yet, and closes the others with 1012', async () => {
    const client = await connect(daemon, { ca: shown.certificate });
    const silent = createConnection(Number(new URL(daemon.url).port), '127.0.0.1');
    await once(silent, 'connect');
    // Served behind it: the silent one has been accepted then.
    expect((await get(daemon.url, '/live')).status).toBe(200);
    const gone = once(silent.resume(), 'close');
    const started = performance.now();
    expect(await daemon.kill('SIGTERM')).toBe(0);
    expect(performance.now() - started).toBeLessThan(SHUTDOWN_MS);
    expect(await client.closed).toBe(CLOSE.restarting);
    await gone;
    await daemon.start();
  });
});

test('a renewed certificate is found without being told, within ten minutes', async () => {
  const daemon = await startDaemon({ apiUrl: NO_API, environment: { ...FILES, ...hurry(2000) } });
  try {
    const renewed = writeCertificate();
    await waitUntil('it is shown', () => isShown(daemon.url, renewed));
  } finally {
    await daemon.stop();
  }
});

interface Wrong {
  what: string;
  files?: () => Record<string, string | undefined>;
  said: RegExp[];
}

const inFolder = (name: string, content: string): string => {
  writeFileSync(join(folder, name), content);
  return join(folder, name);
};

const encrypted = (): string =>
  generateKeyPairSync('ec', {
    namedCurve: 'P-256',
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'a passphrase' },
  }).privateKey;

const KEY_OF_ANOTHER = 'the key of another certificate';

const WRONG: Wrong[] = [
  {
    what: 'no key file named',
    files: () => ({ TLS_KEY_FILE: undefined }),
    said: [/TLS_KEY_FILE is not set, but TLS_CERT_FILE is: set both or neither/],
  },
  {
    what: 'no certificate file named',
    files: () => ({ TLS_CERT_FILE: undefined }),
    said: [/TLS_CERT_FILE is not set, but TLS_KEY_FILE is: set both or neither/],
  },
  {
    what: 'a certificate file that is not there',
    files: () => ({ TLS_CERT_FILE: join(folder, 'nowhere.pem') }),
    said: [/TLS_CERT_FILE names .*nowhere\.pem, which cannot be read: ENOENT/],
  },
  {
    what: 'a key file that is a folder',
    files: () => ({ TLS_KEY_FILE: folder }),
    said: [/TLS_KEY_FILE names .*, which cannot be read: EISDIR/],
  },
  {
    what: 'a certificate file without one',
    files: () => ({ TLS_CERT_FILE: inFolder('wrong.pem', 'no certificate') }),
    said: [/TLS_CERT_FILE names .*wrong\.pem, which does not contain a certificate in PEM/],
  },
  {
    what: 'a broken certificate behind a good one',
    files: () => ({
      TLS_CERT_FILE: inFolder('chain.pem', `${shown.certificate}${shown.certificate.replace(/^M.{20}/m, 'MAAA')}`),
    }),
    said: [/TLS_CERT_FILE names .*chain\.pem, which cannot be used: /],
  },
  {
    what: 'the two files in the place of each other',
    files: () => ({ TLS_CERT_FILE: FILES.TLS_KEY_FILE, TLS_KEY_FILE: FILES.TLS_CERT_FILE }),
    said: [/TLS_CERT_FILE names .*key\.pem, which does not contain a certificate in PEM/],
  },
  {
    what: 'a key file without a key',
    files: () => ({ TLS_KEY_FILE: inFolder('wrong.pem', shown.key.replace('MI', 'QQ')) }),
    said: [/TLS_KEY_FILE names .*wrong\.pem, which has no key in PEM/],
  },
  {
    what: 'a key with a passphrase',
    files: () => ({ TLS_KEY_FILE: inFolder('wrong.pem', encrypted()) }),
    said: [/TLS_KEY_FILE names .*wrong\.pem, whose key has a passphrase/],
  },
  {
    what: KEY_OF_ANOTHER,
    files: () => ({ TLS_KEY_FILE: inFolder('wrong.pem', createCertificate(['a.example']).key) }),
    said: [/TLS_KEY_FILE names .*wrong\.pem, whose key does not match the certificate of TLS_CERT_FILE/],
  },
];

/** Lines of a PEM are its content. */
const linesOf = (path: string): string[] =>
  readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => /^[\w+/=]{16,}$/.test(line));

const expectNoKey = (said: string, files: (string | undefined)[]): void => {
  for (const path of files) {
    if (path === undefined || path === folder) continue;
    for (const line of linesOf(path)) expect(said).not.toContain(line);
  }
};

test.each(WRONG)('O1, S1: $what is refused, and nothing of a key is shown', async ({ files, said }) => {
  const environment = { ...FILES, ...files?.() };
  const refusal = await refusalOf({ environment });
  for (const part of said) expect(refusal).toMatch(part);
  expectNoKey(refusal, [environment.TLS_KEY_FILE, FILES.TLS_KEY_FILE]);
});

test.each(WRONG.filter(({ what }) => what === KEY_OF_ANOTHER))(
  'O1, S1: $what stops the start, and nothing of a key is shown',
  async ({ files, said }) => {
    const environment = { ...FILES, ...files?.() };
    const stderr = await expectRefusal({ environment }, ...said);
    expectNoKey(stderr, [environment.TLS_KEY_FILE, FILES.TLS_KEY_FILE]);
  },
);

const OPEN = ['0.0.0.0', '::', '192.0.2.1', '128.0.0.1', 'companion.example', 'localhost.example', '::2'];

const IN_THE_CLEAR = /which other machines can reach/;
const REMEDY = /TLS_CERT_FILE and TLS_KEY_FILE, or TRUST_PROXY=true .*, or leave HOST at 127\.0\.0\.1/;

test.each(OPEN)('O1, S1: HOST=%s without TLS and without a proxy is refused, with what to do', async (HOST) => {
  const refusal = await refusalOf({ environment: { HOST } });
  expect(refusal).toContain(`HOST is "${HOST}", which other machines can reach`);
  expect(refusal).toMatch(REMEDY);
  expect(await refusalOf({ environment: { HOST, TRUST_PROXY: 'false' } })).toMatch(IN_THE_CLEAR);
  expect(await refusalOf({ file: { HOST } })).toMatch(IN_THE_CLEAR);
});

test('O1, S1: HOST=0.0.0.0 without TLS and without a proxy stops the start, and says what to do', async () => {
  await expectRefusal({ environment: { HOST: '0.0.0.0' } }, IN_THE_CLEAR, REMEDY);
});

const hasIpv6 = Object.values(networkInterfaces()).some((all) => all?.some(({ address }) => address === '::1'));

test.each(['127.1.2.3', 'LOCALHOST', ...(hasIpv6 ? ['0:0:0:0:0:0:0:1'] : [])])(
  'HOST=%s is this machine alone and needs neither; without a certificate a SIGHUP ends the daemon, as that of a closed terminal does',
  async (HOST) => {
    await served({ environment: { HOST } }, async ({ kill, exited }, url) => {
      expect((await fetch(`${url}/live`)).status).toBe(200);
      kill('SIGHUP');
      expect(await exited).toBeNull();
    });
  },
);

test.each(['127.0.0.1', 'localhost', '::1'])('HOST=%s is allowed as well', async (HOST) => {
  // What is looked at next is what is wrong.
  expect(await refusalOf({ environment: { HOST, NTFY_TOKEN: 'tk_test' } })).toMatch(/^NTFY_URL is not set/);
});

test('HOST=0.0.0.0 is served with TRUST_PROXY=true', async () => {
  const environment = { HOST: '0.0.0.0', PORT: String(await freePort()), TRUST_PROXY: 'true' };
  await served({ environment }, async (_daemon, url) => {
    expect((await fetch(`${url.replace('0.0.0.0', '127.0.0.1')}/live`)).status).toBe(200);
  });
});

test('HOST=0.0.0.0 is served with a certificate, which config.json may name, and a key that only its owner can read will do', async () => {
  chmodSync(FILES.TLS_KEY_FILE, 0o400);
  try {
    const PORT = String(await freePort());
    await served({ environment: { PORT }, file: { ...FILES, HOST: '0.0.0.0' } }, async (_daemon, url) => {
      expect(url).toMatch(/^https:/);
      expect((await get(url.replace('0.0.0.0', '127.0.0.1'), '/live')).status).toBe(200);
    });
  } finally {
    chmodSync(FILES.TLS_KEY_FILE, 0o600);
  }
});
