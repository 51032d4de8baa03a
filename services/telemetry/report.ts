import type { Telemetry } from '../../protocol/telemetry.js';
import type { Sample } from './metrics.js';

/** The counters of `/metrics` in the shape of `GET /api/telemetry`. */
export function reportOf(samples: readonly Sample[]): Telemetry {
  const sum = (name: string, labels: Record<string, string> = {}): number =>
    samples.reduce((total, sample) => (isOf(sample, name, labels) ? total + sample.value : total), 0);
  const average = (name: string): number => sum(`${name}_sum`) / (sum(`${name}_count`) || 1);
  return {
    websocket: {
      activeConnections: sum('connections'),
      totalMessages: {
        sent: sum('frames_sent_total'),
        received: sum('frames_received_total'),
        failed: sum('frames_failed_total'),
      },
      reconnections: sum('reconnections_total'),
    },
    sessions: {
      created: sum('sessions_created_total'),
      resumed: sum('sessions_resumed_total'),
      expired: sum('sessions_closed_total', { reason: 'unused' }),
      active: sum('children'),
      duplicatesPrevented: sum('sessions_reused_total'),
    },
    messages: {
      queued: sum('events_total'),
      delivered: sum('events_delivered_total', { outcome: 'sent' }),
      expired: sum('events_expired_total'),
      filtered: sum('events_delivered_total', { outcome: 'filtered' }),
    },
    performance: {
      avgMessageProcessingTime: average('frame_seconds') * MS,
      avgQueueDeliveryTime: average('replay_age_seconds') * MS,
    },
  };
}

const MS = 1000;

const isOf = (sample: Sample, name: string, labels: Record<string, string>): boolean =>
  sample.name === name && Object.entries(labels).every(([label, value]) => sample.labels[label] === value);

/** A line for each value: `name,labels,value`. */
export const csvOf = (samples: readonly Sample[]): string =>
  [['name', 'labels', 'value'], ...samples.map(({ name, labels, value }) => [name, labelsOf(labels), String(value)])]
    .map((cells) => `${cells.map(cellOf).join(',')}\r\n`)
    .join('');

const labelsOf = (labels: Sample['labels']): string =>
  Object.entries(labels)
    .map(([label, value]) => `${label}=${value}`)
    .join(';');

/** RFC 4180; a cell that a spreadsheet would take for a formula is made a text. */
function cellOf(text: string): string {
  const plain = /^[=+\-@\t\r]/.test(text) && Number.isNaN(Number(text)) ? `'${text}` : text;
  return /[",\r\n]/.test(plain) ? `"${plain.replaceAll('"', '""')}"` : plain;
}
