import type { ClaudeChild } from '../../ports/claude.js';
import type { PromptRecord } from '../../ports/records.js';
import { givenPrompts } from '../machine/session-state.js';
import type { SessionCore } from '../session-core.js';
import type { CurrentChild } from './current-child.js';
import type { PersistentSteps } from './persistent-steps.js';

export interface PromptToolsOptions {
  core: SessionCore;
  current: CurrentChild;
  steps: PersistentSteps;
}

/** What a child was told; undefined where that is not known. */
interface Told {
  childId: string | undefined;
  rules: string | undefined;
}

/** Lets the tools that a prompt names run without a question while its turn runs, and no longer. */
export class PromptTools {
  readonly #options: PromptToolsOptions;
  #told: Told;

  constructor(options: PromptToolsOptions) {
    this.#options = options;
    const { record, journal, sessionId } = options.core;
    const childId = record.child?.childId;
    // An earlier daemon may have told it, and have died before it took that back.
    const recent = childId === undefined ? [] : journal.listPrompts({ sessionId, limit: RECENT, offset: 0 }).prompts;
    const wasTold = recent.some(({ prompt }) => prompt.allowedTools !== undefined);
    this.#told = { childId, rules: wasTold ? undefined : NONE };
  }

  /** Must be called before a prompt is given, and after every step. */
  update(): void {
    const child = this.#options.current.held;
    if (!child || this.#options.core.state.child.phase !== 'live') return;
    const told = child.childId === this.#told.childId ? this.#told.rules : NONE;
    const wanted = rulesOf(givenPrompts(this.#options.core.state));
    if (told !== JSON.stringify(wanted)) this.#tell(child, wanted);
  }

  /** Repeated until the child has agreed or is gone: it must not go on with what was meant for a turn before. */
  #tell(child: ClaudeChild, rules: readonly string[]): void {
    const { steps, current } = this.#options;
    const said = JSON.stringify(rules);
    this.#told = { childId: child.childId, rules: said };
    child.allowTools(rules).catch((error: Error) => {
      if (current.held !== child || this.#told.rules !== said) return;
      this.#told = { childId: child.childId, rules: undefined };
      steps.tryAgain('allow the tools of a prompt', { error, action: () => this.update() });
    });
  }
}

const NONE = '[]';
/** More than the prompts of one turn. */
const RECENT = 20;

const rulesOf = (prompts: readonly PromptRecord[]): string[] => [
  ...new Set(prompts.flatMap(({ allowedTools = [] }) => allowedTools)),
];
