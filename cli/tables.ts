import { plainLine } from '../protocol/plain-text.js';
import type { PushDelivery } from '../protocol/push.js';
import type { SessionView } from '../protocol/rest.js';
import { elapsed } from './amounts.js';

const MAX_CELL = 500;

/** Lines of cells, each column as wide as its widest cell. No cell can start a new line. */
export function textTable(cellRows: readonly (readonly string[])[]): string {
  const rows = cellRows.map((cells) => cells.map((cell) => plainLine(cell, MAX_CELL)));
  const columns = Math.max(0, ...rows.map((cells) => cells.length));
  const widths = Array.from({ length: columns }, (_, column) =>
    Math.max(...rows.map((cells) => cells[column]?.length ?? 0)),
  );
  return rows
    .map((cells) =>
      cells
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

const SESSION_HEADINGS = ['SESSION', 'STATUS', 'FOR', 'PID', 'MEMORY', 'UPTIME', 'QUEUED', 'DIRECTORY'];
const NOTHING = '-';

/** One line for each session below a header line. `now`: epoch milliseconds. */
export function sessionTable(sessions: readonly SessionView[], now: number): string {
  return textTable([SESSION_HEADINGS, ...sessions.map((session) => cellsOfSession(session, now))]);
}

function cellsOfSession(session: SessionView, now: number): string[] {
  const { sessionId, status, statusSince, pid, memoryBytes, uptimeSeconds, queueDepth } = session;
  return [
    plainLine(sessionId, 40),
    status,
    statusSince === undefined ? NOTHING : elapsed((now - Date.parse(statusSince)) / 1000),
    pid === undefined ? NOTHING : String(pid),
    memoryBytes === undefined ? NOTHING : `${Math.round(memoryBytes / (1024 * 1024))} MiB`,
    uptimeSeconds === undefined ? NOTHING : elapsed(uptimeSeconds),
    String(queueDepth),
    directoryCell(session),
  ];
}

const directoryCell = ({ workingDirectory, sessionName, tag, archived, openPermissions }: SessionView): string =>
  [
    plainLine(workingDirectory, 500),
    ...(sessionName === undefined ? [] : [`"${plainLine(sessionName, 60)}"`]),
    ...(tag === undefined ? [] : [`#${plainLine(tag, 60)}`]),
    ...(archived ? ['archived'] : []),
    ...(openPermissions > 0 ? [`${openPermissions} waiting for an answer`] : []),
  ].join(' ');

const PUSH_HEADINGS = ['AT', 'STATE', 'KIND', 'DEVICE', 'SESSION', 'TRIES', 'REASON'];

/** One line for each push below a header line. */
export const pushTable = (deliveries: readonly PushDelivery[]): string =>
  textTable([PUSH_HEADINGS, ...deliveries.map(cellsOfPush)]);

const cellsOfPush = ({ at, state, kind, deviceId, sessionId, attempts, reason }: PushDelivery): string[] => [
  at,
  state,
  plainLine(kind, 20),
  plainLine(deviceId, 40),
  sessionId === null ? NOTHING : plainLine(sessionId, 40),
  String(attempts),
  reason === undefined ? NOTHING : plainLine(reason, 200),
];
