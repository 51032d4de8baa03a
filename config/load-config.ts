/** The only reader of the environment and of `COMPANION_HOME/config.json`. */

import { readFileSync } from 'node:fs';
import { BlockList, isIP } from 'node:net';
import { homedir } from 'node:os';
import { isAbsolute, join, relative } from 'node:path';
import * as z from 'zod';
import { BrokenFileError, parseJsonFile } from '../disk/json-fault.js';
import { childEnvironment } from './child-environment.js';
import { homeSchema, SECRET_SETTINGS, type Settings, settingsSchema } from './settings.js';

/** All settings, fixed for the life of the process. */
export interface Config extends Readonly<Settings> {
  /** `COMPANION_HOME`, absolute. */
  readonly home: string;
  /** The environment of a CLI child. */
  readonly childEnvironment: Readonly<Record<string, string>>;
}

/** A setting is invalid. The message names the setting, the problem and the allowed values; never the value itself. */
export class ConfigError extends Error {}

/** `home` overrides the home named by the environment. Throws `ConfigError`. */
export function loadConfig(home: string = loadHome(), environment: NodeJS.ProcessEnv = process.env): Config {
  const file = readConfigFile(join(home, 'config.json'));
  const names = Object.keys(settingsSchema.shape);
  const given: Record<string, unknown> = { ...file };
  for (const name of names) {
    const value = environment[name];
    if (value !== undefined && value !== '') given[name] = value;
  }
  const parsed = settingsSchema.safeParse(given);
  if (!parsed.success) throw settingError(parsed.error, given);
  const problem = doorProblem(parsed.data) ?? conflictIn(parsed.data, home);
  if (problem !== undefined) throw new ConfigError(problem);
  return Object.freeze({ ...parsed.data, home, childEnvironment: environmentOf(environment, names.filter(isOwn)) });
}

/** The CLI, and what its tools start, can be traced as well, which is not up to the daemon. */
const isOwn = (name: string): boolean => name !== 'OTEL_EXPORTER_OTLP_ENDPOINT';

function environmentOf(environment: NodeJS.ProcessEnv, names: readonly string[]): Config['childEnvironment'] {
  try {
    return childEnvironment(environment, names);
  } catch (error) {
    throw new ConfigError((error as Error).message);
  }
}

/** The daemon's home, for commands that only connect to it. */
export const loadHome = (environment: NodeJS.ProcessEnv = process.env): string => parseHome(environment.COMPANION_HOME);

function parseHome(value: string | undefined): string {
  const parsed = homeSchema.safeParse(value === '' ? undefined : value);
  if (!parsed.success) throw new ConfigError(`COMPANION_HOME ${parsed.error.issues[0]?.message ?? 'is not valid'}`);
  return parsed.data;
}

const SCALAR = z.union([z.string(), z.number().transform(String), z.boolean().transform(String)]);

/** Values can be JSON numbers and booleans. An unknown name is an error: it is probably misspelt. */
function readConfigFile(path: string): Record<string, string> {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
    throw new ConfigError(`${path} cannot be read: ${(error as Error).message}`);
  }
  const parsed = z.record(z.string(), SCALAR).safeParse(parseConfig(text, path));
  if (!parsed.success) throw new ConfigError(`${path} ${shapeProblem(parsed.error)}`);
  const unknown = Object.keys(parsed.data).find((name) => !Object.hasOwn(settingsSchema.shape, name));
  if (unknown !== undefined) throw new ConfigError(`${path}: ${unknown} is not the name of a setting`);
  return parsed.data;
}

function parseConfig(text: string, path: string): unknown {
  try {
    return parseJsonFile(text, path);
  } catch (error) {
    throw error instanceof BrokenFileError ? new ConfigError(error.message) : error;
  }
}

function shapeProblem({ issues: [issue] }: z.ZodError): string {
  const name = issue?.path[0];
  if (name === undefined) return 'must be a JSON object of setting names and plain values, such as {"PORT": 3001}';
  return `must have a string, number, true or false at ${String(name)}`;
}

/** Secrets are never repeated; other values are, since they show the typing error. */
function settingError(error: z.ZodError, given: Record<string, unknown>): ConfigError {
  const issue = error.issues[0];
  const name = String(issue?.path[0] ?? 'a setting');
  const rule = issue?.message ?? 'must be another value';
  if (SECRET_SETTINGS.has(name)) return new ConfigError(`${name} ${rule}`);
  return new ConfigError(`${name} is ${JSON.stringify(given[name])}, but ${rule}`);
}

/** The conflict between individually valid settings that can never work together, or with this home. */
function conflictIn(settings: Settings, home: string): string | undefined {
  const { CLAUDE_PERMISSION_MODE, ALLOW_BYPASS, PROJECT_ROOTS, VAPID_PUBLIC_KEY, VAPID_PRIVATE_KEY } = settings;
  if (CLAUDE_PERMISSION_MODE === 'bypassPermissions' && !ALLOW_BYPASS)
    return 'CLAUDE_PERMISSION_MODE is "bypassPermissions", which needs ALLOW_BYPASS=true';
  // A home that contains the person's own home is refused elsewhere, with a better reason.
  const root = isWithin(home, homedir()) ? undefined : PROJECT_ROOTS.find((path) => isWithin(home, path));
  if (root !== undefined)
    return `PROJECT_ROOTS has ${JSON.stringify(root)}, which lies in COMPANION_HOME, where nothing may be opened`;
  if ((VAPID_PUBLIC_KEY === undefined) !== (VAPID_PRIVATE_KEY === undefined))
    return `${VAPID_PUBLIC_KEY === undefined ? 'VAPID_PUBLIC_KEY' : 'VAPID_PRIVATE_KEY'} is not set, but the other VAPID key is: set both or neither`;
  if (settings.NTFY_TOKEN !== undefined && settings.NTFY_URL === undefined)
    return 'NTFY_URL is not set, but NTFY_TOKEN is: the token is for that server';
  return undefined;
}

function isWithin(folder: string, path: string): boolean {
  const way = relative(folder, path);
  return way === '' || !(way.split('/')[0] === '..' || isAbsolute(way));
}

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4');
LOOPBACK.addAddress('::1', 'ipv6');

/**
 * The problem with how the daemon would be reached, since individually valid settings can conflict: credentials must
 * not cross a network in clear text.
 */
function doorProblem(settings: Settings): string | undefined {
  const { HOST, TLS_CERT_FILE, TLS_KEY_FILE, TRUST_PROXY } = settings;
  if (TLS_CERT_FILE !== undefined && TLS_KEY_FILE === undefined) return missing('TLS_KEY_FILE', 'TLS_CERT_FILE');
  if (TLS_CERT_FILE === undefined && TLS_KEY_FILE !== undefined) return missing('TLS_CERT_FILE', 'TLS_KEY_FILE');
  if (TLS_CERT_FILE !== undefined || TRUST_PROXY || isLoopback(HOST)) return undefined;
  return (
    `HOST is ${JSON.stringify(HOST)}, which other machines can reach, and credentials would go there in the clear: ` +
    'set TLS_CERT_FILE and TLS_KEY_FILE, or TRUST_PROXY=true behind a proxy that speaks TLS, or leave HOST at 127.0.0.1'
  );
}

const missing = (name: string, given: string) => `${name} is not set, but ${given} is: set both or neither`;

function isLoopback(host: string): boolean {
  const version = isIP(host);
  return version === 0 ? host.toLowerCase() === 'localhost' : LOOPBACK.check(host, version === 6 ? 'ipv6' : 'ipv4');
}
