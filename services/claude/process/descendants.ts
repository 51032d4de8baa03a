/**
 * The processes that a child and its tools have started, including those without the marker (a tool can clear its
 * environment): recorded below the child in the system's process table.
 */

import type { CliFact } from '../../ports/claude.js';
import { isSameStart } from './process-identity.js';
import type { ProcessIdentity, ProcessRow } from './process-reading.js';
import { findOrphanedWriters, listProcesses } from './process-table.js';
import { SESSION_MARKER } from './sweep.js';

/** A process that was seen below the child. */
export interface Descendant extends ProcessIdentity {
  group: number;
}

/** The recorded data of a child. */
export interface DescendantRecord extends ProcessIdentity {
  seen?: readonly Descendant[] | undefined;
  /** The CLI's own session, once it is known. */
  conversation?: string | undefined;
}

/** Recorded processes of each group: one live member is enough to identify the group. */
const MAX_OF_GROUP = 4;
const MAX_RECORDED = 128;

export class Descendants {
  readonly #child: ProcessIdentity;
  #known: readonly Descendant[];
  #hasShell = false;
  conversation: string | undefined;

  constructor({ pid, startTime, seen = [], conversation }: DescendantRecord) {
    this.#child = { pid, startTime };
    this.#known = seen;
    this.conversation = conversation;
  }

  /** Returns its live descendants without the child itself, and remembers new ones. */
  async look(): Promise<readonly Descendant[]> {
    // A daemon that was started by a tool must not end itself or its other children.
    const rows = (await listProcesses()).filter(({ pid }) => pid !== process.pid);
    const child = this.#child;
    this.#hasShell = rows.some(({ parent, group }) => parent === child.pid && group !== child.pid);
    const { conversation } = this;
    const writers = conversation === undefined ? [] : await findOrphanedWriters(rows, leftBy(conversation));
    this.#known = findDescendants(rows, { child, known: [...this.#known, ...writers] });
    return this.#known;
  }

  /** Whether a tool ran at the last scan: its shell is a child of the CLI in its own group. */
  get hasShell(): boolean {
    return this.#hasShell;
  }

  /** The results of the last scan that must be kept. */
  recorded(): Descendant[] {
    const perGroup = new Map<number, number>();
    const chosen = this.#known.filter(({ group }) => {
      const count = (perGroup.get(group) ?? 0) + 1;
      perGroup.set(group, count);
      return count <= MAX_OF_GROUP;
    });
    return chosen.slice(0, MAX_RECORDED);
  }
}

/**
 * The CLI (2.1.197 and 2.1.329) makes its tools write into files of the conversation, and their leftover processes
 * still do. A process with a marker is found by that, and can belong to another session.
 */
const leftBy = (conversation: string) => ({ part: `/${conversation}/tasks/`, without: SESSION_MARKER });

/**
 * Those of these processes that descend from the child, the known ones, their descendants, and the members of their
 * groups. The system reuses no group number while a process is in the group, so a group with one identified member is
 * the known one.
 */
export function findDescendants(
  rows: readonly ProcessRow[],
  { child, known }: { child: ProcessIdentity; known: readonly ProcessIdentity[] },
): Descendant[] {
  const starts = new Map([...known, child].map(({ pid, startTime }) => [pid, startTime]));
  const isKnown = ({ pid, startTime }: ProcessRow) => isSameStart(starts.get(pid) ?? '', startTime);
  const descendants = new Set(rows.filter(isKnown));
  for (let before = -1; before < descendants.size; ) {
    before = descendants.size;
    const pids = new Set([...descendants].map(({ pid }) => pid));
    const groups = new Set([...descendants].map(({ group }) => group));
    for (const row of rows) if (pids.has(row.parent) || groups.has(row.group)) descendants.add(row);
  }
  return [...descendants]
    .filter(({ pid }) => pid !== child.pid)
    .map(({ pid, group, startTime }) => ({ pid, group, startTime }));
}

export interface DescendantWatchOptions {
  descendants: Descendants;
  /** Stores the observed processes. Can throw for lack of space: it is called again after the next scan. */
  record: (seen: Descendant[]) => void;
}

/** After a tool use, in milliseconds: its shell appears after about 30, and can be gone soon after that. */
const FIRST_LOOKS_MS = [50, 150, 300];
/** After a tool's end, which for a background tool comes before its shell appears. */
const LAST_LOOKS_MS = [0, 150, 300];
/** While a tool runs; increasing while nothing changes. */
const LOOK_MS = 1000;
const MAX_LOOK_MS = 8000;

/**
 * Records a child's descendants while its tools run, since their parents no longer lead to them later. No scans take
 * place while no tool runs.
 */
export class DescendantWatch {
  readonly #options: DescendantWatchOptions;
  readonly #tools = new Set<string>();
  #timer: NodeJS.Timeout | undefined;
  #firstLooks: number[] = [];
  #pace = LOOK_MS;
  /** An adopted child already has its earlier descendants on record. */
  #recorded: string;
  #closed = false;

  constructor(options: DescendantWatchOptions) {
    this.#options = options;
    this.#recorded = this.#said();
  }

  /** Handles a fact from the child's output. */
  take(fact: CliFact): void {
    if (fact.kind === 'init') this.#onTurn(fact.init.claudeSessionId);
    else if (fact.kind === 'result') this.#tools.clear();
    else if (fact.kind === 'permissionRead') this.#lookFrom(FIRST_LOOKS_MS);
    else if (fact.kind === 'toolResult') this.#onToolEnd(fact.toolId);
    else if (fact.kind === 'block' && fact.content.type === 'tool_use' && 'id' in fact.content) {
      this.#tools.add(fact.content.id);
      this.#lookFrom(FIRST_LOOKS_MS);
    }
  }

  /** Recorded at once: it identifies processes that a tool leaves behind a moment later, for the next daemon too. */
  #onTurn(conversation: string): void {
    const { descendants } = this.#options;
    if (conversation === descendants.conversation) return;
    descendants.conversation = conversation;
    try {
      this.#keep();
    } catch {
      // No space: the next scan tries again.
    }
  }

  #onToolEnd(toolId: string): void {
    this.#tools.delete(toolId);
    this.#lookFrom(LAST_LOOKS_MS);
  }

  /** Scans a child that was found: one of its tools may be running. */
  lookNow(): void {
    this.#lookFrom([0]);
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  #lookFrom(delays: readonly number[]): void {
    this.#firstLooks = [...delays];
    this.#pace = LOOK_MS;
    this.#schedule();
  }

  #schedule(): void {
    clearTimeout(this.#timer);
    if (this.#closed) return;
    const isRunning = this.#tools.size > 0 || this.#options.descendants.hasShell;
    const delay = this.#firstLooks.shift() ?? (isRunning ? this.#pace : undefined);
    if (delay === undefined) return;
    this.#timer = setTimeout(() => void this.#look(), delay).unref();
  }

  async #look(): Promise<void> {
    const timer = this.#timer;
    try {
      await this.#options.descendants.look();
      if (this.#closed) return;
      this.#pace = this.#keep() ? LOOK_MS : Math.min(2 * this.#pace, MAX_LOOK_MS);
    } catch {
      // No space, or the system did not answer: the next scan tries again.
    }
    // A concurrent call for other scans has set its own timer.
    if (this.#timer === timer) this.#schedule();
  }

  /** Returns whether there was a change. */
  #keep(): boolean {
    const said = this.#said();
    if (said === this.#recorded) return false;
    this.#options.record(this.#options.descendants.recorded());
    this.#recorded = said;
    return true;
  }

  #said(): string {
    const { descendants } = this.#options;
    return JSON.stringify([descendants.recorded(), descendants.conversation]);
  }
}
