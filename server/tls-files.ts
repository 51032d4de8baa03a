import { createHash, createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import type { RequestListener, ServerOptions } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { Socket } from 'node:net';
import { createSecureContext, type SecureContextOptions, type TLSSocket } from 'node:tls';
import { type Config, ConfigError } from '../config/load-config.js';
import type { Log } from '../services/ports/log.js';

const LOOK_AGAIN_MS = 600_000;
/** Limits how long a client without a valid credential holds a socket without a TLS handshake. */
const HANDSHAKE_MS = 10_000;

interface Paths {
  certificate: string;
  key: string;
}

/** The problem of a readable certificate. */
export interface TlsProblem {
  verdict: 'expired' | 'not yet valid';
  message: string;
  remedy: string;
}

interface Loaded {
  /** Distinguishes files from their replacements. */
  stamp: string;
  context: SecureContextOptions;
  fingerprint: string;
  /** Epoch milliseconds. */
  validFrom: number;
  validTo: number;
}

/**
 * Opens the files in the settings. Throws `ConfigError` with the wrong setting; never with the content of the key's
 * file.
 */
export function openTlsFiles({ TLS_CERT_FILE: certificate, TLS_KEY_FILE: key }: Config): TlsFiles | undefined {
  return certificate === undefined || key === undefined ? undefined : new TlsFiles({ certificate, key });
}

/** The certificate and its key, and the servers that use it. A renewed one is adopted while they serve. */
export class TlsFiles {
  readonly #paths: Paths;
  readonly #servers = new Set<Server>();
  /**
   * Connections without a handshake yet, by their remote address. Node's `closeAllConnections` does not include them.
   */
  readonly #unspoken = new Map<string, Socket>();
  #loaded: Loaded;
  #timer: NodeJS.Timeout | undefined;
  #told: string | undefined;

  constructor(paths: Paths) {
    this.#paths = paths;
    this.#loaded = load(paths);
  }

  /** SHA-256 of the certificate (the first of the file, in DER), in base64url. */
  fingerprint(): string {
    return this.#loaded.fingerprint;
  }

  /**
   * Why clients refuse the certificate at this moment (epoch milliseconds), with a remedy; undefined when it is valid.
   */
  problemAt(now: number): TlsProblem | undefined {
    const { validFrom, validTo } = this.#loaded;
    const { certificate } = this.#paths;
    if (now >= validTo) {
      const message = `the certificate in ${certificate} ended on ${new Date(validTo).toISOString()}`;
      return { verdict: 'expired', message, remedy: 'Renew it. The daemon loads the new file without a restart.' };
    }
    if (now >= validFrom) return undefined;
    const message = `the certificate in ${certificate} is valid from ${new Date(validFrom).toISOString()} on`;
    return { verdict: 'not yet valid', message, remedy: "Check this machine's clock." };
  }

  createServer(options: ServerOptions, listener: RequestListener): Server {
    const server = createServer({ ...options, ...this.#loaded.context, handshakeTimeout: HANDSHAKE_MS }, listener);
    this.#servers.add(server);
    server.once('close', () => this.#servers.delete(server));
    server.on('connection', (socket: Socket) => {
      const end = remoteEnd(socket);
      this.#unspoken.set(end, socket);
      socket.once('close', () => {
        if (this.#unspoken.get(end) === socket) this.#unspoken.delete(end);
      });
    });
    server.on('secureConnection', (socket: TLSSocket) => this.#unspoken.delete(remoteEnd(socket)));
    return server;
  }

  /** A server that is being closed also waits for these. */
  endHandshakes(): void {
    for (const socket of this.#unspoken.values()) socket.destroy();
  }

  /** Checks periodically for another certificate and for the validity of the current one, until it is closed. */
  follow(log: Log): void {
    this.#tellProblem(log);
    this.#timer = setInterval(() => this.look(log), LOOK_AGAIN_MS).unref();
  }

  /** Logged once for each certificate and problem. */
  #tellProblem(log: Log): void {
    const problem = this.problemAt(Date.now());
    if (problem && problem.message !== this.#told) log.warn(problem.message, { remedy: problem.remedy });
    this.#told = problem?.message;
  }

  /** Adopts a renewed certificate. An unusable one leaves the earlier one in place. */
  look(log: Log): void {
    this.#renew(log);
    this.#tellProblem(log);
  }

  #renew(log: Log): void {
    try {
      if (stampOf(this.#paths) === this.#loaded.stamp) return;
      this.#loaded = load(this.#paths);
      for (const server of this.#servers) server.setSecureContext(this.#loaded.context);
      log.info('the certificate was renewed', { certificate: this.fingerprint() });
    } catch (error) {
      const { message } = error as Error;
      log.warn('the new certificate cannot be used; the previous one stays in use', { error: message });
    }
  }

  close(): void {
    clearInterval(this.#timer);
  }
}

const remoteEnd = ({ remoteAddress, remotePort }: Socket): string => `${remoteAddress} ${remotePort}`;

/** Taken before the files are read: the next check detects changes in between. Links are followed. */
const stampOf = ({ certificate, key }: Paths): string =>
  [stampOfFile('TLS_CERT_FILE', certificate), stampOfFile('TLS_KEY_FILE', key)].join();

function stampOfFile(name: string, path: string): string {
  const { mtimeMs, size, ino } = reading(name, path, () => statSync(path));
  return `${mtimeMs} ${size} ${ino}`;
}

function load(paths: Paths): Loaded {
  const stamp = stampOf(paths);
  const cert = reading('TLS_CERT_FILE', paths.certificate, () => readFileSync(paths.certificate));
  const key = reading('TLS_KEY_FILE', paths.key, () => readFileSync(paths.key));
  const leaf = parseCertificate(cert, paths.certificate);
  if (!leaf.checkPrivateKey(parseKey(key, paths.key))) {
    throw new ConfigError(`TLS_KEY_FILE names ${paths.key}, whose key does not match the certificate of TLS_CERT_FILE`);
  }
  const context: SecureContextOptions = { cert, key, minVersion: 'TLSv1.2' };
  try {
    createSecureContext(context);
  } catch (error) {
    throw new ConfigError(
      `TLS_CERT_FILE names ${paths.certificate}, which cannot be used: ${(error as Error).message}`,
    );
  }
  return {
    stamp,
    context,
    fingerprint: createHash('sha256').update(leaf.raw).digest('base64url'),
    validFrom: Date.parse(leaf.validFrom),
    validTo: Date.parse(leaf.validTo),
  };
}

function reading<T>(name: string, path: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw new ConfigError(`${name} names ${path}, which cannot be read: ${(error as Error).message}`);
  }
}

function parseCertificate(pem: Buffer, path: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch {
    // OpenSSL's errors can quote their input, as below.
    throw new ConfigError(`TLS_CERT_FILE names ${path}, which does not contain a certificate in PEM`);
  }
}

function parseKey(pem: Buffer, path: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch {
    // For every kind of file, OpenSSL reports that its decoder is unsupported.
    const why = pem.includes('ENCRYPTED')
      ? 'whose key has a passphrase; it needs one without'
      : 'which has no key in PEM';
    throw new ConfigError(`TLS_KEY_FILE names ${path}, ${why}`);
  }
}
