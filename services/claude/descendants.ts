/**
 * The processes that a child and its tools have started, including those without the marker (a tool can clear its
 * environment): recorded below the child in the system's process table.
 */
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
