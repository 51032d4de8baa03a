import type { ChildListener, ClaudeChild, CliLine, OpenBlock } from '../../ports/claude.js';
import type { EventLog } from '../../ports/journal.js';
import { type KnownTool, type KnownTools, withKnownTools } from '../machine/decide-blocks.js';
import { type Exited, onChildExited } from '../machine/decide-child.js';
import { decideReadable } from '../machine/decide-fact.js';
import type { SessionState } from '../machine/session-state.js';
import { newResumption } from '../new-prompt.js';
import type { SessionCore } from '../session-core.js';
import type { ChildSlots } from './child-slots.js';
import { ChildWatch } from './child-watch.js';
import type { PersistentSteps } from './persistent-steps.js';
import type { Reconciler } from './reconciler.js';

export interface CurrentChildOptions {
  core: SessionCore;
  steps: PersistentSteps;
  slots: ChildSlots;
  reconciler: Reconciler;
}

/** The child of a session, if there is one: what it writes, and that it ends, become steps of the session. */
export class CurrentChild {
  readonly #options: CurrentChildOptions;
  readonly #watch: ChildWatch;
  #child: ClaudeChild | undefined;
  readonly #waiting = new Set<() => void>();
  /** Lines that the child has read out, and that no step has taken yet. */
  #untaken: readonly CliLine[] = [];

  constructor(options: CurrentChildOptions) {
    this.#options = options;
    this.#watch = new ChildWatch(options.core, options.steps);
  }

  get held(): ClaudeChild | undefined {
    return this.#child;
  }

  /**
   * The text so far of the blocks that are being written, as far as it is published. The child's reader is ahead of that
   * while a step waits: text of a turn must not come before the prompt that began it.
   */
  openBlocks(): OpenBlock[] {
    const open = this.#child?.openBlocks() ?? [];
    return this.#untaken.length === 0 ? open : withoutUntaken(open, this.#untaken);
  }

  /** Without a watch: the session does not know it yet. */
  expect(child: ClaudeChild): void {
    this.#child = child;
  }

  hold(child: ClaudeChild | undefined): void {
    const { core } = this.#options;
    this.#child = child;
    this.#watch.close();
    if (!child) return;
    core.log.info('child held', { sessionId: core.sessionId, pid: child.pid });
    this.update();
  }

  /** Resolves after the next step, or when a child is held; or when this time is over, in milliseconds. */
  async changed(withinMs: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    let wake = () => {};
    await new Promise<void>((resolve) => {
      wake = resolve;
      timer = setTimeout(wake, withinMs);
      this.#waiting.add(wake);
    });
    clearTimeout(timer);
    this.#waiting.delete(wake);
  }

  /** Must be called after every step. */
  update(): void {
    for (const wake of this.#waiting) wake();
    this.#watch.update(this.#child);
  }

  /** Detaches from the child, which keeps running. */
  release(): void {
    this.#watch.close();
    this.#child?.release();
  }

  /** Lines wait until the session knows the child; with `ready(false)` it never will. */
  newListener(): { listener: ChildListener; ready: (isKnown: boolean) => void } {
    const { core, steps } = this.#options;
    let ready = (_isKnown: boolean) => {};
    const known = new Promise<boolean>((resolve) => {
      ready = resolve;
    });
    let ended: ClaudeChild | undefined;
    const onExit: ChildListener['onExit'] = (exit, cut) => {
      const told = known.then(async (isKnown) => {
        if (!isKnown) return;
        ended ??= this.#child;
        await this.#onExit({ exit, cut });
        this.#removeFiles(ended);
      });
      told.catch((error: Error) =>
        steps.tryAgain('record the end of the child', { error, action: () => onExit(exit, cut) }),
      );
    };
    const onLines = async (lines: CliLine[]) => {
      this.#untaken = lines;
      if (await known) await this.#takeLines(lines);
    };
    const isTaken: ChildListener['isTaken'] = (start) => core.journal.isMessageTaken(core.sessionId, start);
    const onTrouble = (error: unknown) => steps.tellFailed('record the output of the child', error);
    return { listener: { isTaken, onLines, onTrouble, onExit }, ready };
  }

  async #onExit({ exit, cut }: Omit<Exited, 'resumption'>): Promise<void> {
    const { core, steps, reconciler, slots } = this.#options;
    const { sessionId } = core;
    reconciler.childEnded(exit, cut);
    this.#watch.close();
    this.#child = undefined;
    core.log.info('child ended', { sessionId, code: exit.code, signal: exit.signal });
    // Before the step, which can request a slot again: others have waited longer.
    slots.leave(sessionId);
    await steps.takeOrTell((state, now) =>
      onChildExited(state, { exit, cut, resumption: newResumption(state.record, now) }, now),
    );
    void reconciler.reconcile();
  }

  /** Its output exists only in its files until the journal is on the disk. */
  #removeFiles(ended: ClaudeChild | undefined): void {
    const { core, steps } = this.#options;
    steps.attempt('remove the files of the child', async () => {
      await core.journal.sync();
      await ended?.removeFiles();
    });
  }

  async #takeLines(lines: CliLine[]): Promise<void> {
    const { core, steps } = this.#options;
    // An answer to a request of the daemon is no sign of work.
    if (lines.some(({ facts }) => facts.some(({ kind }) => kind !== 'initialized'))) this.#watch.heard();
    const faults: unknown[] = [];
    const onFault = (error: unknown) => void faults.push(error);
    await core.take(
      (before, now) => {
        const known = findKnownTools(lines, before, core.journal);
        return decideReadable(withKnownTools(before, known), lines, { now, onFault });
      },
      () => {
        this.#untaken = [];
      },
    );
    for (const fault of faults) steps.tellFailed('read a line of the child', fault);
  }
}

/** These blocks as they were before the lines. */
function withoutUntaken(blocks: readonly OpenBlock[], lines: readonly CliLine[]): OpenBlock[] {
  const facts = lines.flatMap((line) => line.facts);
  return blocks.flatMap((block) => {
    const isOf = (other: OpenBlock) => other.messageId === block.messageId && other.blockIndex === block.blockIndex;
    if (facts.some((fact) => fact.kind === 'blockStarted' && isOf(fact.block))) return [];
    const first = facts.find((fact) => fact.kind === 'delta' && isOf(fact.block));
    return first?.kind === 'delta' ? { ...block, text: block.text.slice(0, first.offset) } : block;
  });
}

/** The recorded tools that are used, or whose results arrive, in these lines. */
function findKnownTools(lines: readonly CliLine[], state: SessionState, journal: EventLog): KnownTools {
  const { sessionId } = state.record;
  const facts = lines.flatMap((line) => line.facts);
  const ids = facts.flatMap((fact) => (fact.kind === 'block' && 'id' in fact.content ? [fact.content.id] : []));
  const taken = new Set<string>();
  for (const id of new Set(ids)) if (journal.isToolTaken(sessionId, id)) taken.add(id);
  const isRunning = new Set([...ids, ...[...state.tools.values()].map(({ foreignId }) => foreignId)]);
  const used = new Map<string, KnownTool>();
  for (const fact of facts) {
    if (fact.kind !== 'toolResult' || isRunning.has(fact.toolId)) continue;
    const tool = journal.findTool(sessionId, fact.toolId);
    if (tool) used.set(fact.toolId, tool);
  }
  return { taken, used };
}
