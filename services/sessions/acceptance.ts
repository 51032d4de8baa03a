import type { Journal } from '../ports/journal.js';
import type { PromptRecord } from '../ports/records.js';
import * as command from './decide-command.js';
import type { LiveSettings } from './live-settings.js';
import type { Mailbox } from './mailbox.js';
import type { SessionState } from './session-state.js';
import type { SessionSteps } from './session-steps.js';
import type { OfferedPrompt, WaitingContents } from './waiting-contents.js';

export interface AcceptanceOptions {
  journal: Pick<Journal, 'epoch' | 'findRequest' | 'sync'>;
  waiting: WaitingContents;
  mailbox: Mailbox;
  settings: LiveSettings;
  steps: SessionSteps;
  /** The state as a step must see it. */
  present: () => SessionState;
  now: () => number;
}

export interface Opening extends Omit<command.StartRequest, 'prompt'> {
  offered?: OfferedPrompt;
}

/** Accepts prompts into a session: once per request id of a device, with all their contents on the disk. */
export class Acceptance {
  readonly #options: AcceptanceOptions;

  constructor(options: AcceptanceOptions) {
    this.#options = options;
  }

  /** Opens the session for work, with a different conversation or settings if requested, and sends it a prompt. */
  async start({ offered, ...request }: Opening, reply?: (accepted: PromptRecord | undefined) => void) {
    let accepted: PromptRecord | undefined;
    const start = async (prompt?: PromptRecord) => {
      accepted = await this.#start({ ...request, ...(prompt && { prompt }) }, offered, reply);
    };
    await (offered ? this.#offer(offered, start) : start());
    return accepted;
  }

  /** Accepts a prompt; a repeated request id of the device means the same prompt, which is not accepted again. */
  accept(offered: OfferedPrompt, reply?: (accepted: { prompt: PromptRecord; duplicate: boolean }) => void) {
    const { mailbox, steps, now } = this.#options;
    return this.#offer(offered, (prompt) =>
      mailbox.run(async () => {
        const known = await this.#findAgain(prompt);
        if (known) {
          reply?.({ prompt: known, duplicate: true });
          return;
        }
        const position = command.positionOf(steps.state, prompt.mode);
        const accepted = { ...prompt, answer: { ...prompt.answer, position } };
        const step = command.acceptPrompt(this.#present(offered), accepted, now());
        await steps.applyCommand(step, () => reply?.({ prompt: accepted, duplicate: false }));
      }),
    );
  }

  async #start(
    request: command.StartRequest,
    offered: OfferedPrompt | undefined,
    reply?: (accepted: PromptRecord | undefined) => void,
  ): Promise<PromptRecord | undefined> {
    const { journal, settings, steps, now } = this.#options;
    const { conversation, changes, prompt } = request;
    // A different conversation gets a new child, which starts with the recorded settings.
    return settings.change(conversation ? {} : changes, async () => {
      const known = prompt && (await this.#findAgain(prompt));
      if (known) {
        reply?.(known);
        return { result: known, recorded: false };
      }
      const { epoch } = journal;
      const accepted = prompt && { ...prompt, answer: { ...prompt.answer, head: steps.state.head, epoch } };
      const opened = { ...request, ...(accepted && { prompt: accepted }) };
      const step = command.start(this.#present(offered), opened, now());
      await steps.applyCommand(step, () => reply?.(accepted));
      return { result: accepted, recorded: true };
    });
  }

  /** Skips the write for a repeated request, whose contents are on the disk already. */
  async #offer({ prompt, contents }: OfferedPrompt, take: (kept: PromptRecord) => Promise<void>): Promise<void> {
    const { waiting, steps } = this.#options;
    if (await this.#findRepeated(prompt)) return take(prompt);
    const isTaken = () => steps.state.prompts.some(({ promptId }) => promptId === prompt.promptId);
    return waiting.offer({ prompt, contents, take, isTaken });
  }

  /** A prompt that is next, or that steers, need not be read again. */
  #present(offered: OfferedPrompt | undefined): SessionState {
    const { present } = this.#options;
    return offered ? { ...present(), contents: new Map([[offered.prompt.promptId, offered.contents]]) } : present();
  }

  /** The prompt accepted under this request id. Syncs, since the first answer can have failed at its sync. */
  async #findAgain(prompt: PromptRecord): Promise<PromptRecord | undefined> {
    const known = await this.#findRepeated(prompt);
    if (known) await this.#options.journal.sync();
    return known;
  }

  async #findRepeated({ device, requestId }: PromptRecord): Promise<PromptRecord | undefined> {
    return requestId === null ? undefined : this.#options.journal.findRequest(device, requestId);
  }
}
