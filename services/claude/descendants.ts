/**
 * What a child and its tools have started, also where it does not carry the marker (a tool may clear its environment):
 * what was seen below the child, by the system's table of processes.
 */
import { isSameStart } from './process-identity.js';
import type { ProcessIdentity, ProcessRow } from './process-reading.js';
import { findOrphanedWriters, listProcesses } from './process-table.js';
import { SESSION_MARKER } from './sweep.js';

/** A process as it was seen below the child. */
export interface Descendant extends ProcessIdentity {
  group: number;
}

/** What is recorded of a child. */
export interface DescendantRecord extends ProcessIdentity {
  seen?: readonly Descendant[] | undefined;
  /** The CLI's own session, once it is known. */
  conversation?: string | undefined;
}

/** What is recorded: some of each group, since one that lives is enough to know the group by. */
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

  /** What lives of it now, the child itself left out; what is found is known from then on. */
  async look(): Promise<readonly Descendant[]> {
    // A daemon that a tool has started is not to be ended by itself, nor are its other children.
    const rows = (await listProcesses()).filter(({ pid }) => pid !== process.pid);
    const child = this.#child;
    this.#hasShell = rows.some(({ parent, group }) => parent === child.pid && group !== child.pid);
    const { conversation } = this;
    const writers = conversation === undefined ? [] : await findOrphanedWriters(rows, leftBy(conversation));
    this.#known = findDescendants(rows, { child, known: [...this.#known, ...writers] });
    return this.#known;
  }

  /** Whether a tool ran at the last look: its shell is the child's, in a group of its own. */
  get hasShell(): boolean {
    return this.#hasShell;
  }

  /** What has to be remembered of the last look. */
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
 * The CLI (2.1.197 and 2.1.329) lets its tools write into files of the conversation, and what a tool leaves behind still
 * does. What carries a marker is found by that, and may be another session's.
 */
const leftBy = (conversation: string) => ({ part: `/${conversation}/tasks/`, without: SESSION_MARKER });

/**
 * Of these processes those that descend from the child, those that are known, their descendants, and whoever is in one
 * group with them. A group's number is not given to another one while a process is in it, so a group with one member
 * that is exactly known is the known one.
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
