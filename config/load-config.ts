/** The only reader of the environment and of `COMPANION_HOME/config.json`. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { BrokenFileError, parseJsonFile } from '../disk/json-fault.js';
import { conflictIn } from './check-conflicts.js';
import { doorProblem } from './check-door.js';
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
  return Object.freeze({ ...parsed.data, home, childEnvironment: environmentOf(environment, names) });
}

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
