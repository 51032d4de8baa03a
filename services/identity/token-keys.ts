import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  randomUUID,
} from 'node:crypto';
import { readFileSync } from 'node:fs';
import { calculateJwkThumbprint, exportJWK } from 'jose';
import * as z from 'zod';
import { BrokenFileError } from '../../disk/json-fault.js';
import { writeWholeSync } from '../../disk/write-whole.js';
import { toStorageError } from '../../protocol/storage-error.js';

const MAC_BYTES = 32;

const fileSchema = z.object({
  /** Identifies this daemon in its tokens: those of other daemons are invalid here. */
  instance: z.string().min(1),
  /** PKCS #8, PEM: Ed25519. */
  signingKey: z.string(),
  macKey: z.string().refine((text) => Buffer.from(text, 'base64url').length === MAC_BYTES),
});

/** The keys for signing access tokens and creating refresh tokens. */
export interface TokenKeys {
  instance: string;
  signing: KeyObject;
  verifying: KeyObject;
  /** RFC 7638 thumbprint of the verifying key. */
  keyId: string;
  mac: Buffer;
}

/** Reads or creates the keys of this home. Throws `BrokenFileError` when they are invalid. */
export async function openTokenKeys(path: string): Promise<TokenKeys> {
  const { instance, signingKey, macKey } = read(path) ?? create(path);
  const signing = createPrivateKey(signingKey);
  const verifying = createPublicKey(signing);
  const keyId = await calculateJwkThumbprint(await exportJWK(verifying));
  return { instance, signing, verifying, keyId, mac: Buffer.from(macKey, 'base64url') };
}

function read(path: string): z.infer<typeof fileSchema> | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    const keys = fileSchema.parse(JSON.parse(text));
    if (createPrivateKey(keys.signingKey).asymmetricKeyType !== 'ed25519') throw new Error('another kind of key');
    return keys;
  } catch {
    // The original error can quote the file's content.
    throw new BrokenFileError(
      `${path} does not contain valid keys. Restore or remove it. After a removal, all devices must be paired again.`,
    );
  }
}

/** A partly written key would make every later start fail. */
function create(path: string): z.infer<typeof fileSchema> {
  const { privateKey } = generateKeyPairSync('ed25519');
  const keys = {
    instance: randomUUID(),
    signingKey: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    macKey: randomBytes(MAC_BYTES).toString('base64url'),
  };
  try {
    writeWholeSync(path, JSON.stringify(keys));
  } catch (error) {
    throw toStorageError('The key of the tokens', error);
  }
  return keys;
}
