import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach } from '@jest/globals';
import { localSocketPath } from '../../../config/local-socket-path.js';
import type { EventType } from '../../../protocol/events.js';
import { runInTerminal, type TerminalOptions } from './cli-run.js';
import { type RoughConnection, type RoughServer, startRoughServer } from './rough-server.js';
import { until } from './until.js';

export interface HttpCall {
  method: string;
  path: string;
  body: string;
}

/** A command in a terminal that is a test's, and a daemon that says what a test tells it to. */
export function createCliStage() {
  let home = '';
  let server: RoughServer | undefined;
  const calls: HttpCall[] = [];
  let answer: { status: number; body: unknown } = { status: 200, body: {} };
  beforeEach(() => {
    home = mkdtempSync(join(tmpdir(), 'cli-'));
    calls.length = 0;
  });
  afterEach(async () => {
    await server?.close();
    server = undefined;
    rmSync(home, { recursive: true });
  });
  const respond = (request: IncomingMessage, response: ServerResponse) => {
    let body = '';
    request.on('data', (chunk: Buffer) => {
      body += chunk.toString();
    });
    request.on('end', () => {
      calls.push({ method: request.method ?? '', path: request.url ?? '', body });
      response.writeHead(answer.status, { 'Content-Type': 'application/json' }).end(JSON.stringify(answer.body));
    });
  };
  return {
    calls,
    home: () => home,
    /** A home whose socket's path is too long for the operating system. */
    moveHome: () => {
      home = join(home, 'a'.repeat(120));
      mkdirSync(home);
    },
    startDaemon: async () => {
      const path = localSocketPath(home);
      mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
      server = await startRoughServer({ path }, respond);
      return server;
    },
    answerWith: (status: number, body: unknown) => {
      answer = { status, body };
    },
    run: (args: string[], terminal: TerminalOptions = {}) => runInTerminal({ ...terminal, args, home }),
  };
}

const timestamp = '2025-01-01T00:00:00.000Z';

/** What a daemon says around one turn of session `s` and prompt `p`. */
export class RoughTurn {
  readonly connection: RoughConnection;
  #seq = 0;

  constructor(connection: RoughConnection) {
    this.connection = connection;
  }

  /** Welcomes the client, takes its prompt and begins its turn, all in one go. */
  static async begin(server: RoughServer): Promise<{ turn: RoughTurn; start: unknown }> {
    const connection = await server.connection(1);
    connection.welcome();
    const start = await connection.take('streamStart');
    const turn = new RoughTurn(connection);
    const started = { sessionId: 's', workingDirectory: '/w', reused: false, promptId: 'p' };
    connection.answer(start, 'streamStarted', started);
    turn.say('humanMessage', { messageId: 'h', content: [], deviceId: 'd', promptId: 'p' });
    return { turn, start: start.data };
  }

  say(type: EventType, data: object): void {
    this.#seq += 1;
    this.connection.event(this.#seq, { type, data });
  }

  delta(offset: number, text: string): void {
    const place = { sessionId: 's', messageId: 'm', blockIndex: 0, streamType: 'assistant_message' };
    this.connection.frame('streamData', { ...place, offset, content: { type: 'text', text }, isComplete: false });
  }

  message(text: string): void {
    const content = [{ type: 'text', text }];
    this.say('assistantMessage', { type: 'assistant', messageId: 'm', blockIndex: 0, content, timestamp });
  }

  tool(toolInput: object, result: { success: boolean; error?: string }): void {
    const place = { toolName: 'Bash', toolId: 't', timestamp };
    this.say('toolUse', { type: 'tool_use', toolInput, ...place });
    this.say('toolResult', { type: 'tool_result', ...place, ...result });
  }

  permission(parts: object = {}): void {
    const asked = {
      permissionId: 'perm',
      sessionId: 's',
      kind: 'tool',
      toolName: 'Bash',
      toolInput: { command: 'ls' },
    };
    const offered = {
      prompt: 'Allow Bash?',
      options: ['allow', 'deny'],
      default: 'deny',
      defaultOption: 'deny',
      timeout: 0,
    };
    this.say('permissionRequest', { ...asked, ...offered, ...parts });
  }

  async permissionAnswer() {
    const request = await this.connection.take('permission');
    this.connection.answer(request, 'permissionAccepted', { permissionId: 'perm', decision: 'allow' });
    return request.data;
  }

  complete(parts: object = {}): void {
    const end = { sessionId: 's', promptId: 'p', finalResult: 'Done.', subtype: 'success', isError: false };
    this.say('streamComplete', { ...end, duration: 1200, cost: 0.01, numTurns: 1, ...parts });
  }

  /** Lets the client go: it leaves the session before it closes. */
  async end(): Promise<void> {
    const request = await this.connection.take('unsubscribe');
    this.connection.answer(request, 'unsubscribed', request.data);
    await until('the client is gone', () => this.connection.closed !== undefined);
  }
}
