import type { PairingView } from '../protocol/auth.js';
import type { PairingAddress } from './pairing-address.js';

interface OpenCode {
  code: string;
  /** Epoch milliseconds. */
  expiresAt: number;
}

/**
 * The content of the QR code for an app: the daemon's address, a one-time code, and a value to recognise the daemon by.
 * That is the SHA-256 of its certificate where it terminates TLS itself, else the thumbprint of the key that signs its
 * tokens.
 */
export async function pairingOf(
  { code, expiresAt }: OpenCode,
  { url: address, note }: PairingAddress,
  fingerprint: string,
): Promise<PairingView> {
  const query = new URLSearchParams({ url: address, code, fp: fingerprint });
  const url = `claude-companion://pair?${query.toString()}`;
  const { default: qrcode } = await import('qrcode');
  const qr = await qrcode.toString(url, { type: 'terminal', small: true, errorCorrectionLevel: 'L' });
  return { url, code, expiresAt: new Date(expiresAt).toISOString(), qr, ...(note !== undefined && { note }) };
}
