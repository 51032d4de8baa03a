import { CompanionError } from '../../protocol/error-codes.js';
import type { ClaudeChild } from '../ports/claude.js';
import type { SessionRecord } from '../ports/records.js';
import { Mailbox } from './mailbox.js';
import type { SessionState } from './session-state.js';

export interface LiveSettingsOptions {
  mailbox: Mailbox;
  child: () => ClaudeChild | undefined;
  state: () => SessionState;
  /** Changes state that is not in the journal; called only in the mailbox, like everything that changes the state. */
  note: (state: SessionState) => void;
  /** The child refused to return to the recorded settings. */
  onNotPutBack: (error: Error) => void;
}

type Changes = Pick<Partial<SessionRecord>, 'modelChoice' | 'permissionMode'>;

interface Change {
  before: string | undefined;
  after: string;
}

function differing({ modelChoice, permissionMode }: Changes, record: SessionRecord): { model?: Change; mode?: Change } {
  const isModel = modelChoice !== undefined && modelChoice !== record.modelChoice;
  const isMode = permissionMode !== undefined && permissionMode !== record.permissionMode;
  return {
    ...(isModel && { model: { before: record.modelChoice ?? record.model, after: modelChoice } }),
    ...(isMode && { mode: { before: record.permissionMode, after: permissionMode } }),
  };
}

/** Reverts a setting of the child. */
type Undo = () => Promise<void>;

/**
 * Changes model and mode of the running child and of the record together: a change that cannot be recorded is reverted
 * in the child. One change at a time, so that both see the same order.
 */
export class LiveSettings {
  readonly #options: LiveSettingsOptions;
  readonly #changes = new Mailbox();

  constructor(options: LiveSettingsOptions) {
    this.#options = options;
  }

  /**
   * Tells the child, then records the change in the session's mailbox; `record` resolves to whether the changes were
   * recorded. Rejects with the CLI's objection, or with the error of the step; nothing has changed then.
   */
  change<Result>(changes: Changes, record: () => Promise<{ result: Result; recorded: boolean }>): Promise<Result> {
    const { mailbox } = this.#options;
    const run = () => mailbox.run(record);
    if (changes.modelChoice === undefined && changes.permissionMode === undefined) {
      return run().then(({ result }) => result);
    }
    return this.#changes.run(async () => {
      const undo: Undo[] = [];
      try {
        await this.#tell(changes, undo);
        const { result, recorded } = await run();
        if (!recorded) this.#putBack(undo);
        return result;
      } catch (error) {
        this.#putBack(undo);
        throw error;
      } finally {
        await mailbox.run(async () => this.#request(undefined));
      }
    });
  }

  async #tell(changes: Changes, undo: Undo[]): Promise<void> {
    const { state } = this.#options;
    const child = this.#options.child();
    const { model, mode } = differing(changes, state().record);
    // A child that is being ended would not answer; the next starts with the recorded settings.
    if (!child || state().child.phase === 'ending') return;
    if (child.inputTorn) {
      if (mode) throw torn();
      return;
    }
    if (model) await this.#tellModel(child, model, undo);
    if (mode) await this.#tellMode(child, mode, undo);
  }

  async #tellModel(child: ClaudeChild, { before, after }: Change, undo: Undo[]): Promise<void> {
    if (before !== undefined) undo.push(() => child.setModel(before));
    await child.setModel(after);
  }

  async #tellMode(child: ClaudeChild, { before = 'default', after }: Change, undo: Undo[]): Promise<void> {
    undo.push(() => child.setPermissionMode(before));
    await this.#options.mailbox.run(async () => this.#request(after));
    await child.setPermissionMode(after);
  }

  /** A child handles requests in order, so it returns to its earlier settings even if it has not answered yet. */
  #putBack(undo: Undo[]): void {
    const onFailed = (error: Error) => this.#options.onNotPutBack(error);
    for (const step of undo.splice(0).reverse()) step().catch(onFailed);
  }

  /** The mode requested from the child, whose own report of that change is no news. */
  #request(mode: string | undefined): void {
    const { requestedMode: _requestedMode, ...state } = this.#options.state();
    this.#options.note(mode === undefined ? state : { ...state, requestedMode: mode });
  }
}

const torn = () =>
  new CompanionError('CONFLICT', 'The Claude CLI cannot change this now. The daemon replaces it when its turn ends.', {
    suggestion: 'Try again then, or interrupt the turn.',
  });
