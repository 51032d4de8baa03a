import { plainLine } from '../protocol/plain-text.js';
import type { SessionView } from '../protocol/rest.js';
import { elapsed } from './elapsed.js';
import { textTable } from './text-table.js';

const HEADINGS = ['SESSION', 'STATUS', 'FOR', 'PID', 'MEMORY', 'UPTIME', 'QUEUED', 'DIRECTORY'];
const NOTHING = '-';

/** One line for each session below a header line. `now`: epoch milliseconds. */
export function sessionTable(sessions: readonly SessionView[], now: number): string {
  return textTable([HEADINGS, ...sessions.map((session) => cellsOf(session, now))]);
}

function cellsOf(session: SessionView, now: number): string[] {
  const { sessionId, status, statusSince, pid, memoryBytes, uptimeSeconds, queueDepth } = session;
  return [
    plainLine(sessionId, 40),
    status,
    statusSince === undefined ? NOTHING : elapsed((now - Date.parse(statusSince)) / 1000),
    pid === undefined ? NOTHING : String(pid),
    memoryBytes === undefined ? NOTHING : `${Math.round(memoryBytes / (1024 * 1024))} MiB`,
    uptimeSeconds === undefined ? NOTHING : elapsed(uptimeSeconds),
    String(queueDepth),
    placeOf(session),
  ];
}

const placeOf = ({ workingDirectory, sessionName, openPermissions }: SessionView): string =>
  [
    plainLine(workingDirectory, 500),
    ...(sessionName === undefined ? [] : [`"${plainLine(sessionName, 60)}"`]),
    ...(openPermissions > 0 ? [`${openPermissions} waiting for an answer`] : []),
  ].join(' ');
