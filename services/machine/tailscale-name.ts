import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import * as z from 'zod';

const LOOK_UP_MS = 2000;
const MAX_ANSWER_BYTES = 16 * 1024 * 1024;

const statusSchema = z.object({ Self: z.object({ DNSName: z.string() }) });
const DNS_NAME = /^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])$/i;

/**
 * The name of this machine in its tailnet, without the trailing dot. Takes at most 2 s. Undefined without Tailscale,
 * and when its program fails or gives another answer: the name is optional, and nothing depends on it.
 */
export async function findTailscaleName(environment: Readonly<Record<string, string>>): Promise<string | undefined> {
  const options = {
    env: { ...environment },
    timeout: LOOK_UP_MS,
    killSignal: 'SIGKILL',
    maxBuffer: MAX_ANSWER_BYTES,
  } as const;
  try {
    const { stdout } = await promisify(execFile)('tailscale', ['status', '--json'], options);
    const name = statusSchema.parse(JSON.parse(stdout)).Self.DNSName.replace(/\.$/, '');
    return DNS_NAME.test(name) ? name : undefined;
  } catch {
    // As above: the name is optional.
    return undefined;
  }
}
