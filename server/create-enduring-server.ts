import { CLOSE } from '../protocol/error-codes.js';
import { JournalUnusableError } from '../services/journal/salvage.js';
import { type CompanionServer, createServer } from './create-server.js';
import type { ServicesOptions } from './create-services.js';

export interface EnduringServerOptions extends Omit<ServicesOptions, 'damage' | 'onDamage'> {
  /** The journal cannot be used any more; the server is closed. */
  onGivenUp: (error: unknown) => void;
}

type Damage = Parameters<ServicesOptions['onDamage']>[0];

/** A disk that damages the journal more often than this is not worth another try. */
const MAX_RENEWALS = 3;
const RENEWALS_WITHIN_MS = 600_000;

/**
 * A server that outlives damage to its journal: it closes its connections with 1012, lets go of the children (they live
 * on), saves what is whole of the journal, and serves again in the same place.
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
      // Its failure is given to `onGivenUp`.
      await renewed.catch(() => {});
      return (await server?.close(code, reason)) ?? 0;
    },
  };

  /** Damage that is found while the server is only coming up is seen to when it is there. */
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

  /** Connections are told before the error reaches whoever came upon the damage. */
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
      throw new JournalUnusableError(`the journal was damaged repeatedly: ${damage.message}`);
    }
    server = await begin(damage, served.port);
    void server.findProblems();
    options.log.info('serving again', { url: served.url });
  }
}
