/** A self-signed certificate for tests, made with Node alone: its structure is RFC 5280's, in DER (X.690). */
import { generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { isIPv4 } from 'node:net';

export interface Certificate {
  /** PEM, both. A client that gets `certificate` as its `ca` trusts it. */
  certificate: string;
  key: string;
}

const DAY_MS = 86_400_000;
const TAG = { integer: 0x02, bits: 0x03, octets: 0x04, oid: 0x06, utf8: 0x0c, time: 0x17, sequence: 0x30, set: 0x31 };
/** Context tags: the version and the extensions of a certificate, and names and addresses among its alternative names. */
const CONTEXT = { version: 0xa0, extensions: 0xa3, dnsName: 0x82, address: 0x87 };
const OID = { ecdsaWithSha256: '2a8648ce3d040302', commonName: '550403', subjectAltName: '551d11' };

/** Epoch milliseconds. */
interface Validity {
  from: number;
  to: number;
}

/** Valid for these names and IPv4 addresses, by default from yesterday until tomorrow. */
export function createCertificate(
  names: readonly string[],
  { from, to }: Validity = { from: Date.now() - DAY_MS, to: Date.now() + DAY_MS },
): Certificate {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const algorithm = der(TAG.sequence, oid(OID.ecdsaWithSha256));
  const name = der(
    TAG.sequence,
    der(TAG.set, der(TAG.sequence, oid(OID.commonName), der(TAG.utf8, Buffer.from('claude-companion-test')))),
  );
  const alternatives = der(TAG.sequence, ...names.map(alternative));
  const extension = der(TAG.sequence, oid(OID.subjectAltName), der(TAG.octets, alternatives));
  const toBeSigned = der(
    TAG.sequence,
    der(CONTEXT.version, der(TAG.integer, Buffer.from([2]))),
    der(TAG.integer, Buffer.concat([Buffer.from([1]), randomBytes(8)])),
    algorithm,
    name,
    der(TAG.sequence, time(from), time(to)),
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
    der(CONTEXT.extensions, der(TAG.sequence, extension)),
  );
  const signature = Buffer.concat([Buffer.from([0]), sign('sha256', toBeSigned, privateKey)]);
  return {
    certificate: pem(der(TAG.sequence, toBeSigned, algorithm, der(TAG.bits, signature))),
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
}

function der(tag: number, ...contents: Buffer[]): Buffer {
  const content = Buffer.concat(contents);
  const { length } = content;
  const lengthBytes = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...lengthBytes]), content]);
}

const alternative = (name: string) =>
  isIPv4(name)
    ? der(CONTEXT.address, Buffer.from(name.split('.').map(Number)))
    : der(CONTEXT.dnsName, Buffer.from(name));

const oid = (hex: string) => der(TAG.oid, Buffer.from(hex, 'hex'));

/** UTCTime: YYMMDDHHMMSSZ. */
const time = (ms: number) =>
  der(TAG.time, Buffer.from(`${new Date(ms).toISOString().slice(2, 19).replaceAll(/\D/g, '')}Z`));

const pem = (bytes: Buffer) =>
  `-----BEGIN CERTIFICATE-----\n${bytes.toString('base64').replaceAll(/.{64}(?=.)/g, '$&\n')}\n-----END CERTIFICATE-----\n`;
