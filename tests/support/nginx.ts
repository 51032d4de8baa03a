/** The real nginx with the shipped configuration, in a folder of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request as httpRequest, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createCertificate } from './certificate.js';
import { findProgram } from './find-program.js';
import { freePort } from './free-port.js';
import { waitUntil } from './wait-until.js';

const SHIPPED = join(import.meta.dirname, '../../nginx/claude-companion.conf');
/** The name that the shipped file has for the public one. */
export const PUBLIC_NAME = 'companion.example.com';

export interface ProxyResponse {
  status: number;
  headers: IncomingHttpHeaders;
  /** Names in lower case, each as often as it was sent. */
  headerNames: string[];
  body: string;
}

export interface ProxyRequest {
  method?: string;
  headers?: Record<string, string>;
  /** Over http, to the port that only redirects. */
  plain?: boolean;
}

export interface Nginx {
  readonly url: string;
  /** What a client has to trust. */
  readonly certificate: string;
  /** A request under the public name. */
  request(path: string, options?: ProxyRequest): Promise<ProxyResponse>;
  /** Everything in every log. */
  logs(): string;
  close(): Promise<void>;
}

export const findNginx = (): string | undefined => findProgram('nginx');

export interface NginxOptions {
  /** Of `findNginx`. */
  path: string;
  /** Where the daemon listens, or nobody. */
  upstreamPort: number;
}

export async function startNginx({ path, upstreamPort }: NginxOptions): Promise<Nginx> {
  const prefix = mkdtempSync(join(tmpdir(), 'companion-nginx-'));
  const logs = join(prefix, 'logs');
  mkdirSync(logs);
  const port = await freePort();
  const plainPort = await freePort();
  const { certificate, key } = createCertificate([PUBLIC_NAME, '127.0.0.1']);
  const files = { certificate: join(prefix, 'certificate.pem'), key: join(prefix, 'key.pem') };
  writeFileSync(files.certificate, certificate);
  writeFileSync(files.key, key, { mode: 0o600 });
  writeFileSync(join(prefix, 'site.conf'), siteFor({ port, plainPort, upstreamPort, logs, files }));
  writeFileSync(join(prefix, 'nginx.conf'), mainFor(prefix));
  const child = spawn(path, ['-p', prefix, '-c', 'nginx.conf', '-e', 'logs/start.log', '-g', 'daemon off;'], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  await listening(child, port);
  return {
    url: `https://127.0.0.1:${port}`,
    certificate,
    request: (target, options) => send(target, { certificate, port: options?.plain ? plainPort : port, ...options }),
    logs: () =>
      readdirSync(logs)
        .map((name) => readFileSync(join(logs, name), 'utf8'))
        .join('\n'),
    close: async () => {
      if (child.exitCode === null) {
        child.kill('SIGTERM');
        await once(child, 'exit');
      }
      rmSync(prefix, { recursive: true, force: true });
    },
  };
}

interface Site {
  port: number;
  plainPort: number;
  upstreamPort: number;
  logs: string;
  files: { certificate: string; key: string };
}

/** The shipped file with its placeholders replaced. Every one has to be there. */
function siteFor({ port, plainPort, upstreamPort, logs, files }: Site): string {
  const live = `/etc/letsencrypt/live/${PUBLIC_NAME}`;
  const replacements: [string, string][] = [
    ['server 127.0.0.1:3001;', `server 127.0.0.1:${upstreamPort};`],
    ['listen 80;', `listen 127.0.0.1:${plainPort};`],
    ['listen 443 ssl;', `listen 127.0.0.1:${port} ssl;`],
    // A machine may have no IPv6.
    ['listen [::]:80;', ''],
    ['listen [::]:443 ssl;', ''],
    [`${live}/fullchain.pem`, files.certificate],
    [`${live}/privkey.pem`, files.key],
    ['/var/log/nginx/', `${logs}/`],
  ];
  return replacements.reduce(
    (text, [placeholder, value]) => {
      if (!text.includes(placeholder)) throw new Error(`${SHIPPED} has no ${placeholder}`);
      return text.replaceAll(placeholder, value);
    },
    readFileSync(SHIPPED, 'utf8'),
  );
}

/** As packages ship it, with logs of its own; and more talkative than any, since nothing may show there either. */
function mainFor(prefix: string): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  return `
    ${process.getuid?.() === 0 ? 'user root;' : ''}
    worker_processes 1;
    pid ${prefix}/nginx.pid;
    error_log ${prefix}/logs/error.log info;
    events { worker_connections 256; }
    http {
      access_log ${prefix}/logs/access.log combined;
      ${temporary.map((name) => `${name}_temp_path ${prefix}/${name};`).join('\n')}
      include ${prefix}/site.conf;
    }`;
}

async function listening(child: ChildProcess, port: number): Promise<void> {
  const said: string[] = [];
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => said.push(chunk));
  await waitUntil('nginx listens', () => {
    if (child.exitCode !== null) throw new Error(`nginx ended with ${child.exitCode}: ${said.join('')}`);
    return accepts(port);
  });
}

async function accepts(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

interface SendOptions extends ProxyRequest {
  certificate: string;
  port: number;
}

/** Sends the head alone: nginx answers some requests without their bodies. */
async function send(path: string, { certificate, port, plain, method, headers }: SendOptions): Promise<ProxyResponse> {
  const options = {
    host: '127.0.0.1',
    port,
    path,
    method,
    agent: false,
    headers: { host: PUBLIC_NAME, ...headers },
  } as const;
  const request = plain ? httpRequest(options) : httpsRequest({ ...options, ca: certificate, servername: PUBLIC_NAME });
  request.flushHeaders();
  if (method === undefined) request.end();
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  request.on('error', () => {});
  request.destroy();
  return {
    status: response.statusCode ?? 0,
    headers: response.headers,
    headerNames: response.rawHeaders.filter((_text, at) => at % 2 === 0).map((name) => name.toLowerCase()),
    body: Buffer.concat(chunks).toString('utf8'),
  };
}
