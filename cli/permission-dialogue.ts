import type { ClientInput } from '../protocol/client-frames.js';
import { CompanionError } from '../protocol/error-codes.js';
import type { EventData } from '../protocol/events.js';
import type { AskView } from './ask-view.js';
import { needsPerson, questionsOf, replyOf, standingReply } from './permission-question.js';
import type { Choice, Given, PermissionReply, Question } from './question.js';
import { readText } from './read-text.js';
import type { TerminalInput, TerminalIo } from './terminal-io.js';
import type { ReadFile } from './tool-preview.js';

type Request = EventData<'permissionRequest'>;

export interface PermissionDialogueOptions {
  io: Pick<TerminalIo, 'stdin' | 'stderr'>;
  view: AskView;
  /** Everything is allowed without asking. */
  yes: boolean;
  answer: (data: ClientInput<'permission'>) => Promise<unknown>;
  onInterrupt: () => void;
  /** Shown when another sender's turn waits. */
  othersAsk: string;
  /** The command to answer a request later, where no person can be asked. */
  answerCommand: (permissionId: string) => string;
  readFile: ReadFile;
  /** See `readKey`. */
  deafMs?: number;
}

/** Asks for permissions, one request at a time. Another device can answer first. */
export class PermissionDialogue {
  readonly #options: PermissionDialogueOptions;
  /** Unsettled requests. */
  readonly #open = new Map<string, AbortController>();
  readonly #settled = new Set<string>();
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: PermissionDialogueOptions) {
    this.#options = options;
  }

  /** Whether a person is being asked. */
  get busy(): boolean {
    return this.#open.size > 0;
  }

  /** Whether a person can be asked. */
  get canAsk(): boolean {
    return this.#options.io.stdin.isTTY === true;
  }

  /** Handles a request, possibly a repeated one. Resolves when it is settled, or no longer open. */
  async ask(request: Request): Promise<void> {
    const settled = this.#begin(request.permissionId);
    if (settled) await this.#enqueue(() => this.#settle(request, settled.signal));
  }

  /** A request of another sender's turn: a person can answer it here; without one it stays open. */
  askForAnother(request: Request): void {
    const settled = this.#begin(request.permissionId);
    if (!settled) return;
    const { view, answerCommand, othersAsk } = this.#options;
    if (!this.canAsk) {
      this.#finish(request.permissionId);
      view.line(`${othersAsk} ${request.prompt}`);
      view.line(`To answer it: ${answerCommand(request.permissionId)}`);
      return;
    }
    void this.#enqueue(async () => {
      if (settled.signal.aborted) return;
      view.line(`\n${othersAsk}`);
      await this.#settleByPerson(request, settled.signal);
    });
  }

  /** The request was decided, here or elsewhere. */
  resolved({ permissionId, decision, remembered }: EventData<'permissionResolved'>): void {
    const open = this.#open.get(permissionId);
    this.#finish(permissionId);
    if (open) this.#options.view.line(RESOLVED[decision]);
    if (remembered) this.#options.view.line(`Remembered: ${remembered.text}`);
    open?.abort();
  }

  /** Asks another question after the open ones. Undefined where it is not answered. */
  async choose(question: Question, signal: AbortSignal): Promise<string | undefined> {
    return (await this.#enqueue(() => this.#put(question, signal)))?.key;
  }

  close(): void {
    for (const open of this.#open.values()) open.abort();
    this.#open.clear();
  }

  #begin(permissionId: string): AbortController | undefined {
    if (this.#open.has(permissionId) || this.#settled.has(permissionId)) return undefined;
    const settled = new AbortController();
    this.#open.set(permissionId, settled);
    return settled;
  }

  #enqueue<T>(run: () => Promise<T>): Promise<T> {
    const next = this.#last.then(run);
    // The caller gets the failure from `next`; the following question is still asked.
    this.#last = next.catch(() => undefined);
    return next;
  }

  #finish(permissionId: string): void {
    this.#open.delete(permissionId);
    this.#settled.add(permissionId);
  }

  async #settle(request: Request, signal: AbortSignal): Promise<void> {
    const { yes, view } = this.#options;
    if (this.canAsk && (!yes || needsPerson(request))) return this.#settleByPerson(request, signal);
    const reply = standingReply(request, { yes });
    const outcome = reply.response === 'deny' ? 'Denied: no terminal is there to ask a person.' : 'Allowed by --yes.';
    view.line(`${request.prompt} ${outcome}`);
    return this.#send(request, reply, signal);
  }

  async #settleByPerson(request: Request, signal: AbortSignal): Promise<void> {
    const reply = await this.#ask(request, signal);
    if (reply) await this.#send(request, reply, signal);
  }

  async #send(request: Request, reply: PermissionReply, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    const { sessionId, permissionId } = request;
    this.#finish(permissionId);
    const { answer, view } = this.#options;
    await answer({ sessionId, permissionId, ...reply }).catch((error: unknown) => {
      const isLate = error instanceof CompanionError && error.code === 'ALREADY_RESOLVED';
      view.line(isLate ? 'Another device answered first.' : `The answer was not accepted: ${messageOf(error)}`);
    });
  }

  async #ask(request: Request, signal: AbortSignal): Promise<PermissionReply | undefined> {
    const given: Given[] = [];
    for (const question of questionsOf(request, this.#options.readFile)) {
      const one = await this.#put(question, signal);
      if (one === undefined) return undefined;
      given.push(one);
      const reply = replyOf(request, given);
      if (reply) return reply;
    }
    return undefined;
  }

  async #put(question: Question, signal: AbortSignal): Promise<Given | undefined> {
    const { choices } = question;
    const { view } = this.#options;
    while (!signal.aborted) {
      view.line(shownQuestion(question));
      const key = await this.#key(question, signal);
      if (key === undefined) return undefined;
      const choice = choices.find((one) => one.key === key);
      if (choice?.typed === undefined) {
        view.line(`  ${choice?.label ?? key}`);
        return { key };
      }
      const typed = await this.#fittingText(choice, signal);
      if (typed !== undefined) return { key, text: typed };
    }
    return undefined;
  }

  /** Undefined for an empty text, and for one with a problem, which is shown. */
  async #fittingText({ typed = '', problemOf }: Choice, signal: AbortSignal): Promise<string | undefined> {
    const text = (await this.#text(typed, signal))?.trim() ?? '';
    const problem = text === '' ? undefined : problemOf?.(text);
    if (problem !== undefined) this.#options.view.line(`  It ${problem}.`);
    return text === '' || problem !== undefined ? undefined : text;
  }

  #key({ choices, standard }: Question, signal: AbortSignal): Promise<string | undefined> {
    const { io, onInterrupt, deafMs } = this.#options;
    const keys = new Map(choices.map(({ key }) => [key, key]));
    if (standard !== undefined) for (const enter of ENTER) keys.set(enter, standard);
    return readKey({ stdin: io.stdin, keys, signal, onInterrupt, ...(deafMs !== undefined && { deafMs }) });
  }

  #text(prompt: string, signal: AbortSignal): Promise<string | undefined> {
    const { io, onInterrupt } = this.#options;
    return readText({ io, prompt: `  ${prompt} `, signal, onInterrupt });
  }
}

const ENTER = ['\r', '\n'];

function shownQuestion({ text, choices, standard }: Question): string {
  const lines = choices.map(({ key, label }) => `  [${key}] ${label}${key === standard ? ' (or Enter)' : ''}`);
  return `\n${text}\n${lines.join('\n')}`;
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

const RESOLVED: Record<EventData<'permissionResolved'>['decision'], string> = {
  allow: 'Another device allowed it.',
  deny: 'Another device denied it.',
  expired: 'The request has ended: the Claude CLI that asked is gone.',
  cancelled: 'The request was withdrawn.',
};

interface ReadKeyOptions {
  stdin: TerminalInput;
  /** The accepted keys, and the keys that they stand for; others are ignored. */
  keys: ReadonlyMap<string, string>;
  /** The question is settled: the key is no longer needed. */
  signal: AbortSignal;
  onInterrupt: () => void;
  /** Keys typed before the question could be read do not answer it; in milliseconds. */
  deafMs?: number;
}

const DEAF_MS = 250;
const CTRL_C = '\u0003';

/** One key, in lower case, without waiting for Enter; undefined when it is no longer needed. */
function readKey({ stdin, keys, signal, onInterrupt, deafMs = DEAF_MS }: ReadKeyOptions) {
  return new Promise<string | undefined>((resolve) => {
    const heardFrom = performance.now() + deafMs;
    const onData = (chunk: Buffer) => {
      const key = chunk.toString().toLowerCase();
      if (key === CTRL_C) onInterrupt();
      // Pasted text arrives as one chunk, and is not a key.
      else if (performance.now() >= heardFrom && keys.has(key)) finish(keys.get(key));
    };
    const onAbort = () => finish(undefined);
    const finish = (key: string | undefined) => {
      stdin.off('data', onData);
      signal.removeEventListener('abort', onAbort);
      stdin.setRawMode?.(false);
      stdin.pause();
      resolve(key);
    };
    if (signal.aborted) {
      resolve(undefined);
      return;
    }
    signal.addEventListener('abort', onAbort);
    stdin.setRawMode?.(true);
    stdin.on('data', onData);
    stdin.resume();
  });
}
