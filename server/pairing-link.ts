import type { PairingView } from '../protocol/auth.js';
import type { PairingAddress } from './pairing-address.js';

interface OpenCode {
  code: string;
  /** Epoch milliseconds. */
  expiresAt: number;
}

/**
 * What an app reads from a QR code: where the daemon is, a one-time code, and by what the app knows it again. That is
 * the SHA-256 of its certificate where it speaks TLS itself, else the thumbprint of the key that signs its tokens.
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
