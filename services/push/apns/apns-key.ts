/** The daemon's credential for Apple: a token key or a certificate. */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';

/** The unchecked values of the settings. */
export interface ApnsCredentialSettings {
  keyFile?: string | undefined;
  /**
   * PEM (line ends can be written as `
   * `), or the base64 within it.
   */
  key?: string | undefined;
  keyId?: string | undefined;
  teamId?: string | undefined;
  certificateFile?: string | undefined;
  certificateKeyFile?: string | undefined;
}

/** The checked credential; PEM. */
export type ApnsCredential =
  | { kind: 'token'; key: string; keyId: string; teamId: string }
  /** `endsAt`: epoch milliseconds. */
  | { kind: 'certificate'; certificate: string; key: string; endsAt: number };

/** The problem and its remedy. Never contains a secret. */
export interface PushProblem {
  message: string;
  remedy: string;
}

/** Whether any of the settings is present: without one, pushes by Apple are off. */
export const wantsApns = (settings: ApnsCredentialSettings): boolean =>
  [settings.keyFile, settings.key, settings.certificateFile].some((value) => value !== undefined);

/**
 * Reads and checks the credential. A key takes precedence over a certificate, and a file over a text. Reads files;
 * never throws.
 */
function readApnsCredential(
  settings: ApnsCredentialSettings,
  now: number,
): { credential: ApnsCredential } | { problem: PushProblem } {
  try {
    return { credential: wantsToken(settings) ? tokenOf(settings) : certificateOf(settings, now) };
  } catch (error) {
    if (error instanceof CredentialError) return { problem: { message: error.message, remedy: error.remedy } };
    throw error;
  }
}

/** A credential with the certificates to trust (PEM; default: the system's), or why there is none. */
export type ReadyApns = { credential: ApnsCredential; ca?: string } | { problem: PushProblem };

/** As `readApnsCredential`, with the file of certificates to trust. */
export function readApnsFiles(settings: ApnsCredentialSettings, caFile: string | undefined, now: number): ReadyApns {
  const read = readApnsCredential(settings, now);
  if ('problem' in read || caFile === undefined) return read;
  const ca = readSettingFile('APNS_CA_FILE', caFile);
  return 'problem' in ca ? ca : { ...read, ca: ca.text };
}

/** The text of the file that a setting names. Never throws. */
function readSettingFile(name: string, path: string): { text: string } | { problem: PushProblem } {
  try {
    return { text: readSetting(name, path) };
  } catch (error) {
    if (error instanceof CredentialError) return { problem: { message: error.message, remedy: error.remedy } };
    throw error;
  }
}

class CredentialError extends Error {
  readonly remedy: string;

  constructor(message: string, remedy: string) {
    super(message);
    this.remedy = remedy;
  }
}

const wantsToken = ({ keyFile, key }: ApnsCredentialSettings): boolean => keyFile !== undefined || key !== undefined;

const KEY_REMEDY =
  'Download the key (AuthKey_….p8) from Certificates, Identifiers & Profiles at developer.apple.com, and restart the daemon.';

function tokenOf({ keyFile, key, keyId, teamId }: ApnsCredentialSettings): ApnsCredential {
  const setting = keyFile === undefined ? 'APNS_KEY' : 'APNS_KEY_FILE';
  const text = keyFile === undefined ? (key ?? '') : readSetting('APNS_KEY_FILE', keyFile);
  const parsed = parseKey(text);
  if (!parsed) throw new CredentialError(`${setting} does not contain a private key`, KEY_REMEDY);
  if (parsed.asymmetricKeyType !== 'ec' || parsed.asymmetricKeyDetails?.namedCurve !== 'prime256v1')
    throw new CredentialError(`${setting} does not contain a P-256 key, the type that Apple issues`, KEY_REMEDY);
  return {
    kind: 'token',
    key: exportPem(parsed),
    keyId: required('APNS_KEY_ID', keyId),
    teamId: required('APNS_TEAM_ID', teamId),
  };
}

function certificateOf(settings: ApnsCredentialSettings, now: number): ApnsCredential {
  const remedy = 'Export the push certificate and its key as PEM from the keychain, and restart the daemon.';
  const certificate = readSetting('APNS_CERT_FILE', required('APNS_CERT_FILE', settings.certificateFile));
  const key = parseKey(readSetting('APNS_CERT_KEY_FILE', required('APNS_CERT_KEY_FILE', settings.certificateKeyFile)));
  if (!key) throw new CredentialError('APNS_CERT_KEY_FILE does not contain a private key', remedy);
  const parsed = parseCertificate(certificate);
  if (!parsed) throw new CredentialError('APNS_CERT_FILE does not contain a certificate in PEM', remedy);
  if (!parsed.checkPrivateKey(key))
    throw new CredentialError('APNS_CERT_KEY_FILE is not the key of APNS_CERT_FILE', remedy);
  const credential: ApnsCredential = {
    kind: 'certificate',
    certificate,
    key: exportPem(key),
    endsAt: Date.parse(parsed.validTo),
  };
  const ended = endedProblem(credential, now);
  if (ended) throw new CredentialError(ended.message, ended.remedy);
  return credential;
}

/** Why no push can be sent with this credential now. */
export const apnsProblem = (ready: ReadyApns, now: number): PushProblem | undefined =>
  'problem' in ready ? ready.problem : endedProblem(ready.credential, now);

/** The problem of a certificate that has expired while the daemon runs. */
function endedProblem(credential: ApnsCredential, now: number): PushProblem | undefined {
  if (credential.kind !== 'certificate' || now < credential.endsAt) return undefined;
  const ended = new Date(credential.endsAt).toISOString();
  return {
    message: `the certificate in APNS_CERT_FILE ended on ${ended}`,
    remedy: 'Renew it at Apple, and restart the daemon.',
  };
}

function required(name: string, value: string | undefined): string {
  if (value !== undefined) return value;
  throw new CredentialError(`${name} is not set`, `Set ${name}, and restart the daemon.`);
}

/** Reports the system's error code, never the file's content. */
function readSetting(name: string, path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown';
    throw new CredentialError(
      `the file of ${name} cannot be read (${code})`,
      `Make ${path} readable for the daemon, or set ${name} to where it is, and restart the daemon.`,
    );
  }
}

function parseKey(text: string): KeyObject | undefined {
  const plain = text.replaceAll('\\n', '\n').trim();
  try {
    if (plain.includes('-----BEGIN')) return createPrivateKey(plain);
    return createPrivateKey({ key: Buffer.from(plain, 'base64'), format: 'der', type: 'pkcs8' });
  } catch {
    // OpenSSL's errors can quote their input.
    return undefined;
  }
}

function parseCertificate(pem: string): X509Certificate | undefined {
  try {
    return new X509Certificate(pem);
  } catch {
    // As above.
    return undefined;
  }
}

const exportPem = (key: KeyObject): string => key.export({ type: 'pkcs8', format: 'pem' }).toString();
