import { type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http';
import { createInterface } from 'node:readline';
import * as z from 'zod';
import { callingSession } from '../config/calling-session.js';
import { parseJson } from '../protocol/json.js';
import { errorBodySchema } from '../protocol/rest.js';
import type { AddOptions } from './add-commands.js';
import { NoDaemonError } from './cli-errors.js';
import { type CommandContext, type Report, say } from './commands.js';
import { isNobody } from './local-daemon.js';

interface McpFlags {
  scopes?: string;
}

/** `mcp`: stdout belongs to the protocol. */
export function addMcpCommand({ program, execute }: AddOptions): void {
  program
    .command('mcp')
    .description('serve a client of MCP on stdin and stdout with the tools of the daemon')
    .option('--scopes <scopes>', 'what its agent may do, separated by commas (default: read,prompt)')
    .action((flags: McpFlags) => execute((context) => mcpCommand(context, flags), {}));
}

/** Without `approve`: an agent does not permit itself anything unless the owner says so. */
const DEFAULT_SCOPES = 'read,prompt';

/**
 * Passes messages of a client of MCP on to the daemon: one line of stdin for each, and one of stdout for each answer.
 * Ends with stdin, when what was asked is answered, or a second later; prompts that it has sent go on. The daemon may
 * stop and come back meanwhile.
 */
async function mcpCommand({ io, socketPath }: CommandContext, flags: McpFlags): Promise<Report> {
  const passage = new Passage({
    socketPath,
    scopes: flags.scopes ?? DEFAULT_SCOPES,
    write: (line) => io.stdout.write(line),
  });
  for await (const line of createInterface({ input: io.stdin, crlfDelay: Number.POSITIVE_INFINITY })) {
    if (line.trim() !== '') passage.send(line);
  }
  await passage.close();
  return say({}, '');
}

interface PassageOptions {
  socketPath: string;
  scopes: string;
  write: (line: string) => void;
}

const messageSchema = z.object({ id: z.union([z.string(), z.number()]).optional(), method: z.string().optional() });
type Message = z.infer<typeof messageSchema>;

/** A client that has closed stdin waits about two seconds before it ends the program itself. */
const LEAVE_MS = 1000;

const initializedSchema = z.object({ result: z.object({ protocolVersion: z.string() }) });

class Passage {
  readonly #options: PassageOptions;
  readonly #left = new AbortController();
  readonly #open = new Set<Promise<void>>();
  /** What each message after the first one says of the session of the protocol. */
  #session: Record<string, string> = {};

  constructor(options: PassageOptions) {
    this.#options = options;
  }

  send(line: string): void {
    const message = messageSchema.safeParse(parseJson(line)).data ?? {};
    const session = callingSession();
    const headers = {
      Host: 'localhost',
      'Content-Type': 'application/json',
      Accept: 'application/json, text/event-stream',
      ...this.#session,
      ...(session !== undefined && { 'X-Companion-Session': session }),
    };
    const { socketPath, scopes } = this.#options;
    const path = `/mcp?scopes=${encodeURIComponent(scopes)}`;
    const request = httpRequest({ socketPath, method: 'POST', path, headers, agent: false, signal: this.#left.signal });
    const answered = this.#follow(message, request).catch((error: unknown) => this.#fail(message, error));
    this.#open.add(answered);
    void answered.finally(() => this.#open.delete(answered));
    request.end(line);
  }

  /** Resolves when nothing more is written. */
  async close(): Promise<void> {
    const leave = setTimeout(() => this.#left.abort(), LEAVE_MS);
    await Promise.all(this.#open);
    clearTimeout(leave);
  }

  async #follow(message: Message, request: ClientRequest): Promise<void> {
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      request.once('response', resolve);
      request.on('error', reject);
    });
    await this.#take(message, response);
  }

  async #take(message: Message, response: IncomingMessage): Promise<void> {
    response.setEncoding('utf8');
    const isStream = response.headers['content-type']?.startsWith('text/event-stream') ?? false;
    if (isStream) await this.#takeEvents(response);
    else this.#takeWhole(message, response, await textOf(response));
  }

  async #takeEvents(response: IncomingMessage): Promise<void> {
    for await (const line of createInterface({ input: response })) {
      if (line.startsWith(DATA)) this.#write(line.slice(DATA.length));
    }
    if (!response.complete) throw new NoDaemonError(this.#options.socketPath);
  }

  #takeWhole(message: Message, { headers }: IncomingMessage, text: string): void {
    const answer = parseJson(text);
    const refused = errorBodySchema.safeParse(answer).data;
    if (refused) this.#refuse(message, refused.error.message, refused.error);
    else if (answer !== undefined) {
      if (message.method === 'initialize') this.#begin(answer, headers['mcp-session-id']);
      this.#write(JSON.stringify(answer));
    }
  }

  #begin(answer: unknown, id: string | string[] | undefined): void {
    const protocolVersion = initializedSchema.safeParse(answer).data?.result.protocolVersion;
    this.#session = {
      ...(protocolVersion !== undefined && { 'MCP-Protocol-Version': protocolVersion }),
      ...(typeof id === 'string' && { 'Mcp-Session-Id': id }),
    };
  }

  #fail(message: Message, thrown: unknown): void {
    if (this.#left.signal.aborted) return;
    const error = thrown instanceof Error ? thrown : new Error(String(thrown));
    this.#refuse(message, isNobody(error) ? new NoDaemonError(this.#options.socketPath).message : error.message);
  }

  /** A notification gets no answer. */
  #refuse({ id }: Message, message: string, data?: unknown): void {
    if (id === undefined) return;
    const error = { code: SERVER_ERROR, message, ...(data !== undefined && { data }) };
    this.#write(JSON.stringify({ jsonrpc: '2.0', id, error }));
  }

  #write(text: string): void {
    this.#options.write(`${text}\n`);
  }
}

const DATA = 'data: ';
const SERVER_ERROR = -32000;

async function textOf(response: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of response) text += chunk as string;
  return text;
}
