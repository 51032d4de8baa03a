/** Repositories over HTTP: git's own backend behind a server, which can also refuse, redirect and hang. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface GitServer {
  readonly url: string;
  /** Runs git in a folder, as nobody in particular, and returns what it says. */
  git(folder: string, ...args: string[]): string;
  /** A repository `<name>.git`, with what `fill` makes in its working tree as one commit. */
  add(name: string, fill: (folder: string) => void): string;
  /** A repository `<name>.git` without commits. */
  addEmpty(name: string): void;
  /** Requests that hang now: those for `stall.git`, and the packs of `half.git` after their beginning. */
  readonly hanging: number;
  close(): Promise<void>;
}

const ALONE = {
  PATH: process.env.PATH ?? '',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_AUTHOR_NAME: 'A',
  GIT_AUTHOR_EMAIL: 'a@example.org',
  GIT_COMMITTER_NAME: 'A',
  GIT_COMMITTER_EMAIL: 'a@example.org',
};

function runGit(folder: string, ...args: string[]): string {
  return execFileSync('git', ['-C', folder, '-c', 'protocol.file.allow=always', ...args], {
    env: ALONE,
    encoding: 'utf8',
    stdio: 'pipe',
  });
}

export async function startGitServer(): Promise<GitServer> {
  const base = realpathSync(mkdtempSync(join(tmpdir(), 'companion-git-')));
  const open = new Set<ServerResponse>();
  const hang = (response: ServerResponse) => {
    open.add(response);
    response.once('close', () => open.delete(response));
  };
  const server = createServer((request, response) => {
    const [path = ''] = (request.url ?? '').split('?');
    if (path.startsWith('/private.git')) return void response.writeHead(401, { 'WWW-Authenticate': 'Basic' }).end();
    if (path.startsWith('/moved.git')) {
      return void response.writeHead(302, { Location: (request.url ?? '').replace('moved', 'shop') }).end();
    }
    if (path.startsWith('/stall.git')) return hang(response);
    serve(base, { request, response, path, hang });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    git: runGit,
    add: (name, fill) => {
      const work = join(base, 'work', name);
      mkdirSync(work, { recursive: true });
      runGit(work, 'init', '-q', '-b', 'main');
      fill(work);
      runGit(work, 'add', '-A');
      runGit(work, 'commit', '-q', '--allow-empty', '-m', 'Begin');
      runGit(base, 'clone', '-q', '--bare', work, `${name}.git`);
      return work;
    },
    addEmpty: (name) => void runGit(base, 'init', '-q', '--bare', '-b', 'main', `${name}.git`),
    get hanging() {
      return open.size;
    },
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
      rmSync(base, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

interface Serving {
  request: IncomingMessage;
  response: ServerResponse;
  path: string;
  hang: (response: ServerResponse) => void;
}

/** The rest of a pack of this repository never comes. */
const HALF = '/half.git/git-upload-pack';
const HALF_BYTES = 300_000;

function serve(base: string, { request, response, path, hang }: Serving): void {
  const env = {
    ...ALONE,
    GIT_PROJECT_ROOT: base,
    GIT_HTTP_EXPORT_ALL: '1',
    PATH_INFO: path,
    QUERY_STRING: (request.url ?? '').split('?')[1] ?? '',
    REQUEST_METHOD: request.method ?? '',
    CONTENT_TYPE: request.headers['content-type'] ?? '',
    HTTP_CONTENT_ENCODING: request.headers['content-encoding'] ?? '',
    GIT_PROTOCOL: String(request.headers['git-protocol'] ?? ''),
  };
  const backend = spawn('git', ['http-backend'], { env, stdio: ['pipe', 'pipe', 'ignore'] });
  // It can end before it has read everything.
  backend.stdin.on('error', () => {});
  request.pipe(backend.stdin);
  let head = Buffer.alloc(0);
  let sent = 0;
  let isHanging = false;
  backend.stdout.on('data', (piece: Buffer) => {
    if (response.headersSent) return send(piece);
    head = Buffer.concat([head, piece]);
    const end = head.indexOf('\r\n\r\n');
    if (end < 0) return;
    const lines = head.toString('latin1', 0, end).split('\r\n');
    const headers = lines.map((line) => line.split(': ') as [string, string]);
    const status = Number.parseInt(headers.find(([name]) => name === 'Status')?.[1] ?? '200', 10);
    response.writeHead(status, Object.fromEntries(headers.filter(([name]) => name !== 'Status')));
    send(head.subarray(end + 4));
  });
  const send = (piece: Buffer) => {
    const isCut = path === HALF && sent + piece.length > HALF_BYTES;
    if (sent <= HALF_BYTES || path !== HALF) response.write(isCut ? piece.subarray(0, HALF_BYTES - sent) : piece);
    sent += piece.length;
    if (isCut && !isHanging) hang(response);
    isHanging ||= isCut;
  };
  backend.stdout.once('end', () => {
    if (path !== HALF || sent <= HALF_BYTES) response.end();
  });
}
