/** A piece of network between clients and the daemon that can go quiet, as in a tunnel: neither side is told. */
import { once } from 'node:events';
import { type AddressInfo, createServer, connect as dial, type Socket } from 'node:net';

export interface Relay {
  /** What clients dial instead of the daemon. */
  readonly url: string;
  /** Nothing passes from here on, in either direction, and no end of a connection either. */
  cut(): void;
  /** What the daemon sends passes in pieces of this size, one every `everyMs`. */
  throttle(bytes: number, everyMs: number): void;
  close(): Promise<void>;
}

interface Link {
  client: Socket;
  daemon: Socket;
}

export async function startRelay(daemonUrl: string): Promise<Relay> {
  const { port } = new URL(daemonUrl);
  const links = new Set<Link>();
  let isCut = false;
  let timer: NodeJS.Timeout | undefined;
  const server = createServer({ allowHalfOpen: true }, (client) => {
    const link = { client, daemon: dial({ port: Number(port), host: '127.0.0.1' }) };
    links.add(link);
    for (const [one, other] of [[client, link.daemon] as const, [link.daemon, client] as const]) {
      one.on('error', () => {});
      one.on('close', () => {
        if (!isCut) other.destroy();
      });
      one.pipe(other, { end: false });
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const stopPiping = () => {
    for (const { client, daemon } of links) {
      daemon.unpipe(client).pause();
      if (isCut) client.unpipe(daemon).pause();
    }
  };
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    cut: () => {
      isCut = true;
      stopPiping();
    },
    throttle: (bytes, everyMs) => {
      stopPiping();
      timer = setInterval(() => {
        for (const { client, daemon } of links) {
          const chunk = (daemon.read(bytes) ?? daemon.read()) as Buffer | null;
          if (chunk) client.write(chunk);
        }
      }, everyMs);
    },
    close: async () => {
      clearInterval(timer);
      for (const { client, daemon } of links) {
        client.destroy();
        daemon.destroy();
      }
      server.close();
      await once(server, 'close');
    },
  };
}
