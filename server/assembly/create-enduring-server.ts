import { CLOSE } from '../../protocol/error-codes.js';
import { JournalUnusableError } from '../../services/record/damage/salvage.js';
import { type CompanionServer, createServer } from './create-server.js';
import type { ServicesOptions } from './create-services.js';

export interface EnduringServerOptions extends Omit<ServicesOptions, 'damage' | 'onDamage'> {
  /** The journal is unusable; the server is closed. */
  onGivenUp: (error: unknown) => void;
}

type Damage = Parameters<ServicesOptions['onDamage']>[0];

/** If a disk damages the journal more often than this, further attempts are useless. */
const MAX_RENEWALS = 3;
const RENEWALS_WITHIN_MS = 600_000;

/**
 * A server that survives damage to its journal: it closes its connections with 1012, detaches from the children (they
 * live on), saves the intact part of the journal, and serves again at the same address.
 */
export async function createEnduringServer(options: EnduringServerOptions): Promise<CompanionServer> {
  const renewals: number[] = [];
  let isClosing = false;
  let server: CompanionServer | undefined;
  let renewed: Promise<unknown> = Promise.resolve();

  server = await begin();
  const { url, port, hasCredential, invite } = server;
  return {
    url,
    port,
    hasCredential,
    invite,
    findProblems: async () => (await server?.findProblems()) ?? [],
    close: async (code, reason) => {
      isClosing = true;
      // `onGivenUp` receives its failure.
      await renewed.catch(() => {});
      return (await server?.close(code, reason)) ?? 0;
    },
  };

  /** Damage that is found during the start is handled after it. */
  async function begin(damage?: Damage, port = options.config.PORT): Promise<CompanionServer> {
    let found: Damage | undefined;
    let begun: CompanionServer | undefined;
    const onDamage = (next: Damage) => {
      found = next;
      if (begun) renew(begun, next);
    };
    const config = { ...options.config, PORT: port };
    begun = await createServer({ ...options, config, onDamage, ...(damage && { damage }) });
    if (found) setImmediate(renew, begun, found);
    return begun;
  }

  /** Connections are closed before the error reaches the caller that found the damage. */
  function renew(damaged: CompanionServer, damage: Damage): void {
    if (isClosing) return;
    server = undefined;
    const closed = damaged.close(CLOSE.restarting, 'the journal is being mended');
    renewed = closed.then(() => beginAgain(damaged, damage));
    renewed.catch(options.onGivenUp);
  }

  async function beginAgain(served: CompanionServer, damage: Damage): Promise<void> {
    const now = Date.now();
    renewals.push(now);
    if (renewals.filter((at) => at > now - RENEWALS_WITHIN_MS).length > MAX_RENEWALS) {
      throw new JournalUnusableError(`the journal is damaged repeatedly: ${damage.message}`);
    }
    server = await begin(damage, served.port);
    void server.findProblems();
    options.log.info('serving again', { url: served.url });
  }
}
