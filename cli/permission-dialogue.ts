import type { ClientInput } from '../protocol/client-frames.js';
import { CompanionError } from '../protocol/error-codes.js';
import type { EventData } from '../protocol/events.js';
import type { AskView } from './ask-view.js';
import { readKey } from './key-reader.js';
import { type PermissionReply, type Question, questionsOf, replyOf, standingReply } from './permission-question.js';
import type { TerminalInput } from './terminal-io.js';

type Request = EventData<'permissionRequest'>;

export interface PermissionDialogueOptions {
  stdin: TerminalInput;
  view: AskView;
  /** Everything is allowed without asking. */
  yes: boolean;
  answer: (data: ClientInput<'permission'>) => Promise<unknown>;
  onInterrupt: () => void;
  /** See `readKey`. */
  deafMs?: number;
}

/** Asks for what Claude may do, one request at a time. Another device may answer first. */
export class PermissionDialogue {
  readonly #options: PermissionDialogueOptions;
  /** Requests that are not settled. */
  readonly #open = new Map<string, AbortController>();
  readonly #settled = new Set<string>();
  #last: Promise<void> = Promise.resolve();

  constructor(options: PermissionDialogueOptions) {
    this.#options = options;
  }

  /** Whether a person is being asked. */
  get busy(): boolean {
    return this.#open.size > 0;
  }

  /** A request that may have come before. */
  ask(request: Request): void {
    const { permissionId } = request;
    if (this.#open.has(permissionId) || this.#settled.has(permissionId)) return;
    const settled = new AbortController();
    this.#open.set(permissionId, settled);
    this.#last = this.#last.then(() => this.#settle(request, settled.signal));
  }

  /** It was decided, here or elsewhere. */
  resolved({ permissionId, decision }: EventData<'permissionResolved'>): void {
    const open = this.#open.get(permissionId);
    this.#finish(permissionId);
    if (open) this.#options.view.line(`No longer open: ${decision}.`);
    open?.abort();
  }

  close(): void {
    for (const open of this.#open.values()) open.abort();
    this.#open.clear();
  }

  #finish(permissionId: string): void {
    this.#open.delete(permissionId);
    this.#settled.add(permissionId);
  }

  async #settle(request: Request, signal: AbortSignal): Promise<void> {
    const reply = await this.#replyTo(request, signal);
    if (!reply || signal.aborted) return;
    const { sessionId, permissionId } = request;
    this.#finish(permissionId);
    const { answer, view } = this.#options;
    await answer({ sessionId, permissionId, ...reply }).catch((error: unknown) => {
      const isLate = error instanceof CompanionError && error.code === 'ALREADY_RESOLVED';
      view.line(isLate ? 'It was decided elsewhere already.' : `The answer was not taken: ${String(error)}`);
    });
  }

  async #replyTo(request: Request, signal: AbortSignal): Promise<PermissionReply | undefined> {
    const { stdin, yes, view } = this.#options;
    if (yes || !stdin.isTTY) {
      const reply = standingReply(request, { yes });
      view.line(`${request.prompt} ${reply.response} (nobody was asked)`);
      return reply;
    }
    const keys: string[] = [];
    for (const question of questionsOf(request)) {
      const key = await this.#put(question, signal);
      if (key === undefined) return undefined;
      keys.push(key);
      const reply = replyOf(request, keys);
      if (reply) return reply;
    }
    return undefined;
  }

  async #put({ text, choices }: Question, signal: AbortSignal): Promise<string | undefined> {
    if (signal.aborted) return undefined;
    const { stdin, view, onInterrupt, deafMs } = this.#options;
    view.line(`\n${text}\n${choices.map(({ key, label }) => `  [${key}] ${label}`).join('\n')}`);
    const keys = choices.map(({ key }) => key);
    const key = await readKey({ stdin, keys, signal, onInterrupt, ...(deafMs !== undefined && { deafMs }) });
    if (key !== undefined) view.line(`  ${choices.find((choice) => choice.key === key)?.label ?? key}`);
    return key;
  }
}
