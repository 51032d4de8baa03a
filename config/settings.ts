/** Every setting: its name, its allowed values and its default. */
import { isIP } from 'node:net';
import { homedir, totalmem } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';
import * as z from 'zod';
import { modelSchema, permissionModeSchema } from '../protocol/scalars.js';

const MIB = 1024 * 1024;
const CHILD_BYTES = 300 * MIB;

/** Memory of the machine, or of the daemon's container. Node reports 0 or an absurd number when there is no limit. */
function memoryBytes(): number {
  const limit = process.constrainedMemory();
  return limit > 0 ? Math.min(limit, totalmem()) : totalmem();
}

const expand = (path: string) => (path === '~' || path.startsWith('~/') ? join(homedir(), path.slice(1)) : path);
/** A settings file written on another system can end its lines with a carriage return. */
const isPlain = (text: string) => text === text.trim() && !/\p{Cc}/u.test(text);
const PATH_RULE = 'must be an absolute path without control characters or spaces at its ends';
const absolutePath = z
  .string()
  .transform(expand)
  .refine((path) => isAbsolute(path) && isPlain(path), { error: PATH_RULE });

const list = (separator: RegExp) =>
  z.string().transform((text) =>
    text
      .split(separator)
      .map((part) => part.trim())
      .filter(Boolean),
  );

const hostName = /^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$/;
const isHost = (text: string) => isIP(text) > 0 || hostName.test(text);
const host = z.string().refine(isHost, { error: 'must be a host name or an IP address' });

const flag = z.enum(['true', 'false'], { error: 'must be true or false' }).transform((text) => text === 'true');

/** In the CLI's notation: `Bash(git log:*)`. The text in brackets is defined by the tool. */
const toolRule = /^[A-Za-z_][\w:*-]*(\(.*\))?$/u;
const toolRules = list(/,(?![^(]*\))/).refine((rules) => rules.every((rule) => toolRule.test(rule) && isPlain(rule)), {
  error: 'must be permission rules such as Read or Bash(git log:*), separated by commas',
});

const origins = list(/[\s,]+/).refine((all) => all.every(isOrigin), {
  error: 'must be origins such as https://example.org, separated by commas',
});

function isOrigin(text: string): boolean {
  return URL.canParse(text) && new URL(text).origin === text;
}

const isBareUrl = (text: string) => {
  const { username, password, search, hash } = new URL(text);
  return [username, password, search, hash].every((part) => part === '') && isPlain(text);
};
const URL_RULE = 'must be an http or https URL, without a user, a query and a fragment';
const publicUrl = z
  .url({ protocol: /^https?$/, error: URL_RULE })
  .refine((text) => !URL.canParse(text) || isBareUrl(text), { error: URL_RULE });

const MAX_PORT = 65_535;
const wholeNumber = (rule: string, { min, max = Number.MAX_SAFE_INTEGER }: { min: number; max?: number }) =>
  z
    .string()
    .refine((text) => /^\d+$/.test(text) && Number(text) >= min && Number(text) <= max, { error: rule })
    .transform(Number);

const port = wholeNumber('must be a whole number from 0 to 65535', { min: 0, max: MAX_PORT });

const atLeastOne = wholeNumber('must be a whole number of at least 1', { min: 1 });

const servingPort = wholeNumber('must be a whole number from 1 to 65535', { min: 1, max: MAX_PORT });

const appleId = z.string().regex(/^[A-Z0-9]{10}$/, { error: 'must be 10 capital letters and digits' });
const bundleId = z.string().regex(/^[A-Za-z0-9.-]{1,255}$/, { error: 'must be a bundle id such as org.example.app' });

const PUBLIC_KEY_BYTES = 65;
const PRIVATE_KEY_BYTES = 32;
const base64url = (bytes: number) =>
  z.string().refine((text) => /^[\w-]+$/.test(text) && Buffer.from(text, 'base64url').length === bytes, {
    error: `must be ${bytes} bytes in base64url`,
  });
const vapidSubject = z
  .url({ protocol: /^(https|mailto)$/, error: 'must be a mailto: or https: address' })
  .refine((text) => !text.startsWith('mailto:') || text.includes('@'), {
    error: 'must be a mailto: or https: address',
  });
const headerToken = z.string().regex(/^[\x21-\x7e]+$/, { error: 'must be printable ASCII without spaces' });

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;
const milliseconds = wholeNumber('must be a whole number of milliseconds, at least 1', { min: 1 });

export const LOG_LEVELS = ['error', 'warn', 'info', 'debug'] as const;

/** Names are those of the environment; values are strings. */
export const settingsSchema = z.object({
  PORT: port.default(3001),
  HOST: host.default('127.0.0.1'),
  TLS_CERT_FILE: absolutePath.optional(),
  TLS_KEY_FILE: absolutePath.optional(),
  PUBLIC_URL: publicUrl.optional(),
  ALLOWED_HOSTS: list(/[\s,]+/)
    .refine((all) => all.every(isHost), { error: 'must be host names or IP addresses, separated by commas' })
    .default([]),
  ALLOWED_ORIGINS: origins.default([]),
  TRUST_PROXY: flag.default(false),
  PROJECT_ROOTS: list(/:/)
    .refine((roots) => roots.every((root) => isAbsolute(expand(root)) && isPlain(root)), {
      error: 'must be absolute paths without control characters, separated by :',
    })
    .transform((roots) => roots.map((root) => resolve(expand(root))))
    .refine((roots) => roots.length > 0, { error: 'must name at least one folder' })
    .default(() => [homedir()]),
  FILES_ALLOW_SENSITIVE: flag.default(false),
  CLONE_MAX_BYTES: wholeNumber('must be a whole number of bytes, at least 1', { min: 1 }).default(4096 * MIB),
  CLONE_TIMEOUT_MS: milliseconds.default(30 * MINUTE_MS),
  AUTH_TOKEN: headerToken.min(32, { error: 'must have at least 32 characters' }).optional(),
  WS_QUERY_TOKEN: z.enum(['allow', 'deny'], { error: 'must be allow or deny' }).default('allow'),
  WS_COMPRESSION: z.enum(['auto', 'off'], { error: 'must be auto or off' }).default('auto'),
  WS_COMPRESSION_CONNECTIONS: wholeNumber('must be a whole number of at least 0', { min: 0 }).default(64),
  CLAUDE_PATH: absolutePath.optional(),
  CLAUDE_MODEL: modelSchema.optional(),
  CLAUDE_PERMISSION_MODE: permissionModeSchema.optional(),
  CLAUDE_ALLOWED_TOOLS: toolRules.default([]),
  CLAUDE_DISALLOWED_TOOLS: toolRules.default([]),
  ALLOW_BYPASS: flag.default(false),
  AGENT_PROGRESS_SUMMARIES: z.enum(['on', 'off'], { error: 'must be on or off' }).default('on'),
  MAX_PROCESSES: atLeastOne.default(() => Math.max(2, Math.floor(memoryBytes() / CHILD_BYTES))),
  MIN_FREE_MEMORY_BYTES: wholeNumber('must be a whole number of bytes', { min: 0 }).default(300 * MIB),
  MIN_FREE_DISK_BYTES: wholeNumber('must be a whole number of bytes', { min: 0 }).default(1024 * MIB),
  MAX_WAITING_BYTES: wholeNumber('must be a whole number of bytes, at least 1', { min: 1 }).default(2048 * MIB),
  IDLE_HIBERNATE_MS: milliseconds.default(15 * MINUTE_MS),
  DEVICE_TTL_MS: milliseconds.default(90 * DAY_MS),
  SESSION_TTL_MS: milliseconds.default(30 * DAY_MS),
  ORPHAN_GRACE_MS: milliseconds.default(10 * MINUTE_MS),
  ORPHAN_WAIT_MS: milliseconds.default(DAY_MS),
  CAFFEINATE: z.enum(['on', 'off'], { error: 'must be on or off' }).default('on'),
  RETENTION_DAYS: atLeastOne.default(30),
  RETENTION_EVENTS: atLeastOne.default(10_000),
  RETENTION_BYTES: atLeastOne.default(64 * MIB),
  TRASH_DAYS: atLeastOne.default(30),
  TRASH_BYTES: wholeNumber('must be a whole number of bytes, 0 for no trash', { min: 0 }).default(1024 * MIB),
  APNS_KEY_FILE: absolutePath.optional(),
  APNS_KEY: z.string().optional(),
  APNS_KEY_ID: appleId.optional(),
  APNS_TEAM_ID: appleId.optional(),
  APNS_TOPIC: bundleId.optional(),
  APNS_CERT_FILE: absolutePath.optional(),
  APNS_CERT_KEY_FILE: absolutePath.optional(),
  APNS_ADDRESS: host.optional(),
  APNS_PORT: servingPort.default(443),
  APNS_CA_FILE: absolutePath.optional(),
  APNS_BODY: z.enum(['state', 'full'], { error: 'must be state or full' }).default('state'),
  VAPID_PUBLIC_KEY: base64url(PUBLIC_KEY_BYTES).optional(),
  VAPID_PRIVATE_KEY: base64url(PRIVATE_KEY_BYTES).optional(),
  VAPID_SUBJECT: vapidSubject.optional(),
  NTFY_URL: publicUrl.optional(),
  NTFY_TOKEN: headerToken.optional(),
  PUSH_ALLOW_PRIVATE: flag.default(false),
  PUSH_ACTIONS: z.enum(['encrypted', 'clear'], { error: 'must be encrypted or clear' }).default('encrypted'),
  LIMIT_FAILED: atLeastOne.default(10),
  LIMIT_PROMPTS: atLeastOne.default(60),
  LIMIT_FILES: atLeastOne.default(100),
  LIMIT_READS: atLeastOne.default(1000),
  LIMIT_FRAMES: atLeastOne.default(600),
  LIMIT_CONNECTIONS: atLeastOne.default(50),
  LIMIT_SESSIONS: atLeastOne.default(60),
  OTEL_EXPORTER_OTLP_ENDPOINT: publicUrl.optional(),
  LOG_LEVEL: z.enum(LOG_LEVELS, { error: `must be one of ${LOG_LEVELS.join(', ')}` }).default('info'),
});

/** Values that are never repeated, not even invalid ones. */
export const SECRET_SETTINGS: ReadonlySet<string> = new Set([
  'AUTH_TOKEN',
  'APNS_KEY',
  'VAPID_PRIVATE_KEY',
  'NTFY_TOKEN',
  // It can hold a password by mistake.
  'OTEL_EXPORTER_OTLP_ENDPOINT',
]);

export type Settings = z.infer<typeof settingsSchema>;

export const homeSchema = absolutePath.default(() => join(homedir(), '.claude-companion'));
