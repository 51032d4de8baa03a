import { plainLine } from '../protocol/plain-text.js';
import type { WaitingPrompt, WaitingSession } from '../protocol/waiting.js';
import { since } from './amounts.js';
import type { AskView } from './ask-view.js';
import type { PermissionDialogue } from './permission-dialogue.js';
import type { Question } from './question.js';

export interface QueueWatchOptions {
  /** The open requests and prompts of the session; undefined when they cannot be read now. */
  read: () => Promise<WaitingSession | undefined>;
  view: AskView;
  dialogue: PermissionDialogue;
  /** Cancels a waiting prompt; resolves with the outcome, in words. */
  cancel: (promptId: string) => Promise<string>;
  cancelCommand: (promptId: string) => string;
}

const SHOWN_TEXT = 60;

/** Shows what a prompt waits for, and offers to cancel earlier prompts whose sender has left. */
export class QueueWatch {
  readonly #options: QueueWatchOptions;
  readonly #offered = new Set<string>();
  readonly #done = new AbortController();
  #promptId = '';
  #said = '';
  #looking: Promise<void> | undefined;
  #again = false;

  constructor(options: QueueWatchOptions) {
    this.#options = options;
  }

  /** Starts showing what this prompt waits for. Resolves after the first time. */
  async follow(promptId: string): Promise<void> {
    this.#promptId = promptId;
    this.look();
    await this.#looking;
  }

  /** The reason for the wait may have changed. */
  look(): void {
    if (this.#promptId === '' || this.#done.signal.aborted) return;
    if (this.#looking) {
      this.#again = true;
      return;
    }
    this.#looking = this.#look()
      // The connection reports a daemon that is gone.
      .catch(() => undefined)
      .finally(() => {
        this.#looking = undefined;
        const again = this.#again;
        this.#again = false;
        if (again) this.look();
      });
  }

  /** The prompt has started or ended: no more is shown or offered. */
  close(): void {
    this.#done.abort();
  }

  async #look(): Promise<void> {
    const { read, view, dialogue } = this.#options;
    const session = await read();
    if (!session || this.#done.signal.aborted) return;
    const at = session.prompts.findIndex(({ promptId }) => promptId === this.#promptId);
    const own = session.prompts[at];
    if (own?.state !== 'queued' || at === 0) return;
    const before = session.prompts.slice(0, at);
    this.#say(before, view);
    if (!dialogue.busy) view.waiting(whatBefore(before));
    for (const prompt of before) this.#offer(prompt);
  }

  /** Once for each change, not counting the age of a prompt. */
  #say(before: readonly WaitingPrompt[], view: AskView): void {
    const key = before.map(({ promptId, state }) => `${promptId} ${state}`).join();
    if (key === this.#said) return;
    this.#said = key;
    view.line(whatBefore(before));
  }

  /** A running prompt is not offered: its answer may be wanted although its sender is away. */
  #offer(prompt: WaitingPrompt): void {
    const { promptId, state, deviceConnected } = prompt;
    if (state !== 'queued' || deviceConnected || this.#offered.has(promptId)) return;
    this.#offered.add(promptId);
    const { dialogue, view, cancelCommand } = this.#options;
    if (!dialogue.canAsk) {
      view.line(`The sender of ${nameOf(prompt)} has left. To cancel that prompt: ${cancelCommand(promptId)}`);
      return;
    }
    void this.#ask(prompt);
  }

  async #ask(prompt: WaitingPrompt): Promise<void> {
    const { dialogue, cancel, view } = this.#options;
    const key = await dialogue.choose(questionAbout(prompt), this.#done.signal);
    if (key === 'c') view.line(await cancel(prompt.promptId));
    this.look();
  }
}

const questionAbout = (prompt: WaitingPrompt): Question => ({
  text: `The sender of ${nameOf(prompt)} has left, and that prompt runs before yours.`,
  choices: [
    { key: 'c', label: 'cancel it' },
    { key: 'k', label: 'keep it' },
  ],
});

const nameOf = ({ text, sentAt }: WaitingPrompt): string =>
  `“${plainLine(text, SHOWN_TEXT)}” (sent ${since(sentAt)} ago)`;

function whatBefore(before: readonly WaitingPrompt[]): string {
  const [first] = before;
  const running = first?.state === 'running' ? first : undefined;
  const queued = before.length - (running ? 1 : 0);
  const prompts = queued === 1 ? '1 prompt waits' : `${queued} prompts wait`;
  const turn = running ? `Another prompt runs in this folder: ${nameOf(running)}` : '';
  if (queued === 0) return `${turn}. Yours is next.`;
  return running ? `${turn}, and ${prompts} before yours.` : `${prompts} before yours in this folder.`;
}
