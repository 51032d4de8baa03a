import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';

/** Below the ports that systems give to outgoing connections, so that none of those takes it in the meantime. */
const LOWEST = 20_000;
const HIGHEST = 32_000;

/** A port of the loopback interface on which nobody listens: for what has to know its port before it starts. */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < 50; tries += 1) {
    const port = randomInt(LOWEST, HIGHEST);
    const server = createServer();
    try {
      server.listen(port, '127.0.0.1');
      await once(server, 'listening');
      return port;
    } catch {
      // Somebody listens there.
    } finally {
      server.close();
    }
  }
  throw new Error('no port is free');
}
