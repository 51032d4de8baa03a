import { CompanionError } from '../../protocol/error-codes.js';
import type { ClaudeChild } from '../ports/claude.js';
import type { SessionRecord } from '../ports/records.js';
import type { CurrentChild } from './child/current-child.js';
import { Mailbox, type SessionCore } from './session-core.js';

const LIVE = [
  'modelChoice',
  'permissionMode',
  'effort',
  'maxThinkingTokens',
  'addedDirectories',
  'deniedTools',
] as const;
type Changes = Pick<Partial<SessionRecord>, (typeof LIVE)[number]>;

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

/** Changes or reverts a setting of the child. */
type Tell = () => Promise<void>;

/** The changes of settings that the child does not report, each with its reversal. */
function unreported(changes: Changes, record: SessionRecord, child: ClaudeChild): { tell: Tell; undo: Tell }[] {
  const { effort, maxThinkingTokens: tokens, addedDirectories: directories, deniedTools: denied } = changes;
  const { effort: effortBefore = null, maxThinkingTokens: tokensBefore = null, addedDirectories: before = [] } = record;
  const told: { tell: Tell; undo: Tell }[] = [];
  if (effort !== undefined && effort !== effortBefore) {
    told.push({ tell: () => child.setEffort(effort), undo: () => child.setEffort(effortBefore) });
  }
  if (tokens !== undefined && tokens !== tokensBefore) {
    const undo = () => child.setMaxThinkingTokens(tokensBefore);
    told.push({ tell: () => child.setMaxThinkingTokens(tokens), undo });
  }
  if (directories && directories.length !== before.length) {
    told.push({ tell: () => child.setDirectories(directories), undo: () => child.setDirectories(before) });
  }
  if (denied) {
    told.push({ tell: () => child.denyTools(denied), undo: () => child.denyTools(record.deniedTools ?? []) });
  }
  return told;
}

/**
 * Changes settings of the running child and of the record together: a change that cannot be recorded is reverted in
 * the child. One change at a time, so that both see the same order.
 */
export class LiveSettings {
  readonly #core: SessionCore;
  readonly #current: CurrentChild;
  readonly #changes = new Mailbox();

  constructor(core: SessionCore, current: CurrentChild) {
    this.#core = core;
    this.#current = current;
  }

  /**
   * Tells the child, then records the change in the session's mailbox. `record` gets the changes as the child has taken
   * them, and resolves to whether they were recorded. Rejects with the CLI's objection, or with the error of the step;
   * nothing has changed then. `changes`: a function decides on them when those before it are done.
   */
  change<Result>(
    changes: Changes | (() => Changes),
    record: (inEffect: Changes) => Promise<{ result: Result; recorded: boolean }>,
  ): Promise<Result> {
    const run = (inEffect: Changes) => this.#core.inTurn(() => record(inEffect));
    if (typeof changes !== 'function' && LIVE.every((setting) => changes[setting] === undefined)) {
      return run(changes).then(({ result }) => result);
    }
    return this.#changes.run(async () => {
      const undo: Tell[] = [];
      try {
        const wanted = typeof changes === 'function' ? changes() : changes;
        const { result, recorded } = await run({ ...wanted, ...(await this.#tell(wanted, undo)) });
        if (!recorded) this.#putBack(undo);
        return result;
      } catch (error) {
        this.#putBack(undo);
        throw error;
      } finally {
        await this.#core.inTurn(async () => this.#request(undefined));
      }
    });
  }

  async #tell(changes: Changes, undo: Tell[]): Promise<Changes> {
    const child = this.#current.held;
    const { record, state } = this.#core;
    const { model, mode } = differing(changes, record);
    // A child that is being ended would not answer; the next starts with the recorded settings.
    if (!child || state.child.phase === 'ending') return {};
    if (child.inputTorn) {
      if (mode) throw torn();
      return {};
    }
    if (model) await this.#tellModel(child, model, undo);
    for (const one of unreported(changes, record, child)) {
      undo.push(one.undo);
      await one.tell();
    }
    return mode ? { permissionMode: await this.#tellMode(child, mode, undo) } : {};
  }

  async #tellModel(child: ClaudeChild, { before, after }: Change, undo: Tell[]): Promise<void> {
    if (before !== undefined) undo.push(() => child.setModel(before));
    await child.setModel(after);
  }

  /** Resolves with the mode that is then in effect: the CLI can choose another one. */
  async #tellMode(child: ClaudeChild, { before = 'default', after }: Change, undo: Tell[]): Promise<string> {
    undo.push(async () => void (await child.setPermissionMode(before)));
    await this.#core.inTurn(async () => this.#request(after));
    return child.setPermissionMode(after);
  }

  /** A child handles requests in order, so it returns to its earlier settings even if it has not answered yet. */
  #putBack(undo: Tell[]): void {
    const { log, sessionId } = this.#core;
    const onFailed = ({ message }: Error) =>
      log.warn('the settings of the child may differ from the record', { sessionId, error: message });
    for (const step of undo.splice(0).reverse()) step().catch(onFailed);
  }

  /** The mode requested from the child, whose own report of that change is no news. */
  #request(mode: string | undefined): void {
    const { requestedMode: _requestedMode, ...state } = this.#core.state;
    this.#core.note(mode === undefined ? state : { ...state, requestedMode: mode });
  }
}

const torn = () =>
  new CompanionError('CONFLICT', 'The Claude CLI cannot change this now. The daemon replaces it when its turn ends.', {
    suggestion: 'Try again then, or interrupt the turn.',
  });
