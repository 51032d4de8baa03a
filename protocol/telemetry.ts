/** REST of telemetry. */
import * as z from 'zod';
import { timestampSchema } from './scalars.js';

const messagesSchema = z.object({
  sent: z.int().describe('Frames.'),
  received: z.int(),
  failed: z.int().describe('Frames of clients that were answered with an error.'),
});

/** `GET /api/telemetry`: since the start of the daemon. */
export const telemetrySchema = z.object({
  websocket: z.object({
    activeConnections: z.int(),
    totalMessages: messagesSchema,
    reconnections: z.int().describe('Connections of a device that had one before.'),
  }),
  sessions: z.object({
    created: z.int(),
    resumed: z.int().describe('Starts of a CLI that goes on with a conversation.'),
    expired: z.int().describe('Sessions closed after `SESSION_TTL_MS` without use.'),
    active: z.int().describe('With a CLI.'),
    duplicatesPrevented: z.int().describe('Requests for a session of a directory that had one.'),
  }),
  messages: z.object({
    queued: z.int().describe('Events that were published.'),
    delivered: z.int().describe('Events that were sent to a reader, counted for each reader.'),
    expired: z.int().describe('Events that retention has removed.'),
    filtered: z.int().describe('Events that the filter of a reader has left out.'),
  }),
  performance: z.object({
    avgMessageProcessingTime: z.number().describe('Milliseconds from a frame to the end of its service.'),
    avgQueueDeliveryTime: z
      .number()
      .describe('Milliseconds for which a reader that came back had missed the oldest of its events.'),
  }),
});
export type Telemetry = z.infer<typeof telemetrySchema>;

export const clientViewSchema = z.object({
  clientId: z.string(),
  deviceId: z.string(),
  connectedAt: timestampSchema,
  connections: z.int().describe('Of the device since the start of the daemon, this one included.'),
  totalMessages: messagesSchema,
  unsentBytes: z.int(),
});
export type ClientView = z.infer<typeof clientViewSchema>;

const FORMATS = ['json', 'csv', 'prometheus'] as const;
export const exportTelemetrySchema = z.object({
  format: z
    .enum(FORMATS, { error: `must be one of ${FORMATS.join(', ')}` })
    .default('json')
    .describe('`csv`: a line for each value. `prometheus`: as `/metrics`.'),
});

/** The export as JSON. */
export const samplesSchema = z.object({
  timestamp: timestampSchema,
  samples: z.array(
    z.object({
      name: z.string().describe('As in `/metrics`, without `companion_`.'),
      labels: z.record(z.string(), z.union([z.string(), z.number()])),
      value: z.number(),
    }),
  ),
});
