import type { ClaudeChild } from '../ports/claude.js';
import type { SessionRecord } from '../ports/records.js';
import type { Mailbox } from './mailbox.js';
import type { SessionState } from './session-state.js';

export interface LiveSettingsOptions {
  mailbox: Mailbox;
  child: () => ClaudeChild | undefined;
  state: () => SessionState;
  /** Changes what of the state is in no journal; called in the mailbox alone, like everything that changes the state. */
  note: (state: SessionState) => void;
}

/** Takes a model and a mode to the living child, before they are on record. */
export class LiveSettings {
  readonly #options: LiveSettingsOptions;

  constructor(options: LiveSettingsOptions) {
    this.#options = options;
  }

  /** Resolves when the child has agreed, or needs not be told. Rejects with what the CLI says against it. */
  async tell({ modelChoice, permissionMode }: Partial<SessionRecord>): Promise<void> {
    const { mailbox, state } = this.#options;
    const child = this.#options.child();
    if (!child || child.inputTorn) return;
    if (modelChoice !== undefined && modelChoice !== state().record.modelChoice) await child.setModel(modelChoice);
    if (permissionMode === undefined || permissionMode === state().record.permissionMode) return;
    await mailbox.run(async () => this.#request(permissionMode));
    try {
      await child.setPermissionMode(permissionMode);
    } catch (error) {
      await mailbox.run(async () => this.told());
      throw error;
    }
  }

  /** The change is on record, or was refused: what the CLI says of its mode from here on is news. Called in the mailbox. */
  told(): void {
    this.#request(undefined);
  }

  /** Which mode the child is being asked for. */
  #request(mode: string | undefined): void {
    const { requestedMode: _requestedMode, ...state } = this.#options.state();
    this.#options.note(mode === undefined ? state : { ...state, requestedMode: mode });
  }
}
