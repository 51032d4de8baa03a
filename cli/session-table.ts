import { plainLine, plainText } from '../protocol/plain-text.js';
import type { SessionView } from '../protocol/rest.js';
import { textTable } from './text-table.js';

const HEADINGS = ['SESSION', 'STATUS', 'FOR', 'PID', 'MEMORY', 'UPTIME', 'QUEUED', 'DIRECTORY'];
const NOTHING = '-';

/** One line for each session below a line of headings. `now`: epoch milliseconds. */
export function sessionTable(sessions: readonly SessionView[], now: number): string {
  return textTable([HEADINGS, ...sessions.map((session) => cellsOf(session, now))]);
}

function cellsOf(session: SessionView, now: number): string[] {
  const { sessionId, status, statusSince, pid, memoryBytes, uptimeSeconds, queueDepth } = session;
  return [
    plainLine(sessionId, 40),
    status,
    statusSince === undefined ? NOTHING : age((now - Date.parse(statusSince)) / 1000),
    pid === undefined ? NOTHING : String(pid),
    memoryBytes === undefined ? NOTHING : `${Math.round(memoryBytes / (1024 * 1024))} MiB`,
    uptimeSeconds === undefined ? NOTHING : age(uptimeSeconds),
    String(queueDepth),
    placeOf(session),
  ];
}

const placeOf = ({ workingDirectory, sessionName, openPermissions }: SessionView): string =>
  [
    plainText(workingDirectory),
    ...(sessionName === undefined ? [] : [`"${plainLine(sessionName, 60)}"`]),
    ...(openPermissions > 0 ? [`${openPermissions} to be answered`] : []),
  ].join('  ');

const UNITS = [
  ['d', 86_400],
  ['h', 3600],
  ['min', 60],
] as const;

/** In the largest unit of which there are two or more; a clock that was set back makes nothing younger than now. */
function age(seconds: number): string {
  const [unit, size] = UNITS.find(([, unitSeconds]) => seconds >= 2 * unitSeconds) ?? ['s', 1];
  return `${Math.max(0, Math.floor(seconds / size))} ${unit}`;
}
