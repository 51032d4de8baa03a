import { plainLine } from '../protocol/plain-text.js';
import type { PushDelivery } from '../protocol/push.js';
import { textTable } from './text-table.js';

const HEADINGS = ['AT', 'STATE', 'KIND', 'DEVICE', 'SESSION', 'TRIES', 'REASON'];
const NOTHING = '-';

/** One line for each push below a header line. */
export const pushTable = (deliveries: readonly PushDelivery[]): string =>
  textTable([HEADINGS, ...deliveries.map(cellsOf)]);

const cellsOf = ({ at, state, kind, deviceId, sessionId, attempts, reason }: PushDelivery): string[] => [
  at,
  state,
  plainLine(kind, 20),
  plainLine(deviceId, 40),
  sessionId === null ? NOTHING : plainLine(sessionId, 40),
  String(attempts),
  reason === undefined ? NOTHING : plainLine(reason, 200),
];
