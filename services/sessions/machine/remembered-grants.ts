/**
 * The meaning of "always": a grant taken from the CLI's suggestions, applied to this session alone, stored with it, and
 * revocable. The CLI would write some of it into the directory's `.claude/settings.local.json`, where it would outlive
 * the session and apply to everyone who runs Claude there. So the daemon stores it, and passes it to each child.
 */

import { createHash } from 'node:crypto';
import * as z from 'zod';
import { CompanionError } from '../../../protocol/error-codes.js';
import type { Remember } from '../../../protocol/events.js';
import { rulesWithin } from '../../../protocol/permission-rules.js';
import { plainLine } from '../../../protocol/plain-text.js';
import type { RememberedView } from '../../../protocol/rest.js';
import { permissionModeSchema } from '../../../protocol/scalars.js';
import type { PermissionAsk, RememberedGrant, SessionRecord } from '../../ports/records.js';

const ruleSchema = z.object({ toolName: z.string().min(1), ruleContent: z.string().optional() });
type Rule = z.infer<typeof ruleSchema>;

const updateSchema = z.union([
  z.object({
    type: z.literal('addRules'),
    behavior: z.literal('allow'),
    rules: z.array(ruleSchema),
    destination: z.string().optional(),
  }),
  z.object({ type: z.literal('addDirectories'), directories: z.array(z.string().min(1)) }),
  z.object({ type: z.literal('setMode'), mode: permissionModeSchema.exclude(['bypassPermissions']) }),
]);
type Update = z.infer<typeof updateSchema>;

/** The grant that a person can choose to remember with one request. */
export interface Grant {
  rules: readonly Rule[];
  directories: readonly string[];
  mode?: string;
}

/** Each child gets all grants on its command line. */
const MAX_GRANT_BYTES = 8 * 1024;
const MAX_REMEMBERED_BYTES = 64 * 1024;

/** Leaves out kinds of updates that cannot be described in words, and the mode that never asks. */
const updatesIn = (suggestions: readonly unknown[]): Update[] =>
  suggestions.flatMap((suggestion) => updateSchema.safeParse(suggestion).data ?? []);

/** The grant that "always" would remember for this request; undefined when there is none, or when it is too large. */
export function grantOf({ suggestions = [] }: PermissionAsk): Grant | undefined {
  const updates = updatesIn(suggestions);
  const rules = updates.flatMap((update) => (update.type === 'addRules' ? update.rules : []));
  const directories = updates.flatMap((update) => (update.type === 'addDirectories' ? update.directories : []));
  const mode = updates.findLast((update) => update.type === 'setMode')?.mode;
  const grant = { rules, directories, ...(mode !== undefined && { mode }) };
  const isSomething = rules.length > 0 || directories.length > 0 || mode !== undefined;
  return isSomething && sizeOf(grant) <= MAX_GRANT_BYTES ? grant : undefined;
}

/** For the CLI (2.1.197 to 2.1.332): the grant applies to its process and is not written to any file. */
export function updatesOf({ rules, directories, mode }: Grant): Record<string, unknown>[] {
  const destination = 'session';
  return [
    ...(rules.length > 0 ? [{ type: 'addRules', behavior: 'allow', rules, destination }] : []),
    ...(directories.length > 0 ? [{ type: 'addDirectories', directories, destination }] : []),
    ...(mode === undefined ? [] : [{ type: 'setMode', mode, destination }]),
  ];
}

/** The CLI's notation in its settings. */
const ruleText = ({ toolName, ruleContent }: Rule): string =>
  ruleContent === undefined ? toolName : `${toolName}(${ruleContent})`;

export interface Granting {
  ask: PermissionAsk;
  grant: Grant;
  byDeviceId: string;
  /** Epoch milliseconds. */
  at: number;
}

/**
 * The change to the record when a person asks to remember this, and its new part. The mode is recorded at once, since
 * the child switches to it on reading the answer. Throws `CAPACITY` when the grants exceed what a child can be given.
 */
export function remember(
  { remembered = [], permissionMode }: SessionRecord,
  { ask, grant, byDeviceId, at }: Granting,
): Partial<SessionRecord> {
  const modeChange = grant.mode === undefined ? {} : { permissionMode: grant.mode };
  const isNewRule = (rule: string) => !remembered.some(({ rules }) => rules.includes(rule));
  const isNewFolder = (folder: string) => !remembered.some(({ directories }) => directories.includes(folder));
  const isNewMode = grant.mode !== undefined && grant.mode !== permissionMode;
  const rules = grant.rules.map(ruleText).filter(isNewRule);
  const directories = grant.directories.filter(isNewFolder);
  if (rules.length === 0 && directories.length === 0 && !isNewMode) return modeChange;
  const added: RememberedGrant = {
    id: idOf([ask.requestId, at]),
    at,
    byDeviceId,
    toolName: ask.toolName,
    rules,
    directories,
    ...(isNewMode && { mode: grant.mode, modeBefore: permissionMode ?? 'default' }),
  };
  const all = [...remembered, added];
  if (sizeOf(all) > MAX_REMEMBERED_BYTES) {
    throw new CompanionError('CAPACITY', 'The session cannot remember more rules. Remove one first.', {
      field: 'remember',
      rule: `must fit into ${MAX_REMEMBERED_BYTES} bytes with what is remembered`,
    });
  }
  return { ...modeChange, remembered: all };
}

/** Start options of the next child; the mode is in the session's permission mode. */
export const rememberedOptions = (remembered: readonly RememberedGrant[]) => ({
  allowedTools: [...new Set(remembered.flatMap(({ rules }) => rules))],
  addDirectories: [...new Set(remembered.flatMap(({ directories }) => directories))],
});

export interface TakenBack {
  kept: RememberedGrant[];
  /** CLI rules that make it ask again about revoked grants. */
  askRules: string[];
  /** The new mode, when the revoked one is in effect. */
  mode?: string;
}

/** The remaining grants after a revocation. A rule or mode that another grant includes stays. */
export function takeBack(
  { remembered = [], permissionMode }: Pick<SessionRecord, 'remembered' | 'permissionMode'>,
  isTaken: (grant: RememberedGrant) => boolean,
): TakenBack {
  const taken = remembered.filter(isTaken);
  const kept = remembered.filter((grant) => !isTaken(grant));
  const { allowedTools, addDirectories } = rememberedOptions(kept);
  const gone = rememberedOptions(taken);
  const folders = gone.addDirectories.filter((folder) => !addDirectories.includes(folder));
  const rules = gone.allowedTools.filter((rule) => !allowedTools.includes(rule));
  const earliest = taken.find(({ mode }) => mode !== undefined && mode === permissionMode);
  const isKept = kept.some(({ mode }) => mode === permissionMode);
  return {
    kept,
    askRules: [...rules, ...folders.flatMap(rulesWithin)],
    ...(earliest?.modeBefore !== undefined && !isKept && { mode: earliest.modeBefore }),
  };
}

/** A person has chosen a mode: remembered modes end. */
export function withoutModes(remembered: readonly RememberedGrant[]): RememberedGrant[] {
  return remembered
    .map(({ mode: _mode, modeBefore: _modeBefore, ...grant }) => grant)
    .filter(({ rules, directories }) => rules.length > 0 || directories.length > 0);
}

const storedSchema = z.object({
  id: z.string(),
  at: z.number(),
  byDeviceId: z.string().optional(),
  toolName: z.string().optional(),
  rules: z.array(z.string()),
  directories: z.array(z.string()),
  mode: z.string().optional(),
  modeBefore: z.string().optional(),
  inFile: z.boolean().optional(),
});

/** The stored grants. Older daemons stored the CLI's updates unchanged, and let it write some into its file. */
export function readRemembered(stored: readonly unknown[], at: number): RememberedGrant[] {
  return stored.flatMap((one, index) => {
    const grant = storedSchema.safeParse(one);
    if (grant.success) return grant.data;
    const [update] = updatesIn([one]);
    return update ? fromUpdate(update, { id: idOf([one, index]), at }) : [];
  });
}

function fromUpdate(update: Update, place: Pick<RememberedGrant, 'id' | 'at'>): RememberedGrant {
  const nothing = { ...place, rules: [], directories: [] };
  if (update.type === 'setMode') return { ...nothing, mode: update.mode, modeBefore: 'default' };
  if (update.type === 'addDirectories') return { ...nothing, directories: update.directories };
  const inFile = update.destination === 'localSettings';
  return { ...nothing, rules: update.rules.map(ruleText), ...(inFile && { inFile }) };
}

const ID_BYTES = 9;

const idOf = (what: unknown): string =>
  createHash('sha256').update(JSON.stringify(what)).digest().subarray(0, ID_BYTES).toString('base64url');

const sizeOf = (value: unknown): number => Buffer.byteLength(JSON.stringify(value));

// Remembered grants in words for a person.

const MAX_RULE = 200;
const MAX_NAMED = 8;

/** The duration of every remembered grant. */
const SCOPE = 'session';
const SCOPE_WORDS = 'Holds in this session, across restarts, until it is taken back or a new conversation begins.';

const MODE_WORDS: Readonly<Record<string, string>> = {
  acceptEdits:
    'Mode acceptEdits: Claude edits files in its directories and runs file commands there (mkdir, touch, rm, mv, cp, sed) without asking.',
  auto: 'Mode auto: a model, not a person, decides what Claude may do.',
  dontAsk: 'Mode dontAsk: what is not allowed already is denied without asking.',
  plan: 'Mode plan: Claude reads and plans, and changes nothing.',
  default: 'Mode default: Claude asks.',
};

/** The form in a request, before it is answered. */
export const rememberOf = ({ rules, directories, mode }: Grant): Remember =>
  inWords({ rules: rules.map(ruleText), directories, ...(mode !== undefined && { mode }) });

export const rememberedView = (grant: RememberedGrant): RememberedView => ({
  id: grant.id,
  ...inWords(grant),
  rememberedAt: new Date(grant.at).toISOString(),
  ...(grant.toolName !== undefined && { toolName: plainLine(grant.toolName, MAX_RULE) }),
  ...(grant.byDeviceId !== undefined && { byDeviceId: grant.byDeviceId }),
});

type Granted = Pick<RememberedGrant, 'rules' | 'mode'> & { directories: readonly string[] };

function inWords({ rules, directories, mode }: Granted): Remember {
  const allowed = named(rules.map(ruleWords));
  const folders = named(directories.map((folder) => plainLine(folder, MAX_RULE)));
  const sentences = [
    ...(allowed === '' ? [] : [`Claude may without asking: ${allowed}.`]),
    ...(folders === '' ? [] : [`Claude may also work in ${folders}.`]),
    ...(mode === undefined ? [] : [MODE_WORDS[mode] ?? `Mode ${plainLine(mode, MAX_RULE)}.`]),
    SCOPE_WORDS,
  ];
  return {
    text: sentences.join(' '),
    rules: [...rules],
    ...(directories.length > 0 && { directories: [...directories] }),
    ...(mode !== undefined && { mode }),
    scope: SCOPE,
  };
}

const named = (words: string[]): string =>
  words.length <= MAX_NAMED
    ? words.join(', ')
    : `${words.slice(0, MAX_NAMED).join(', ')} and ${words.length - MAX_NAMED} more`;

const VERBS: Readonly<Record<string, string>> = { Bash: 'run', Read: 'read', Edit: 'edit', WebFetch: 'fetch from' };

function ruleWords(rule: string): string {
  const [, tool = rule, content] = /^([^(]+)\((.*)\)$/s.exec(rule) ?? [];
  const verb = VERBS[tool];
  if (content === undefined) return `use ${plainLine(tool, MAX_RULE)}`;
  const what = plainLine(content.replace(/^domain:/, '').replace(/^\/\//, '/'), MAX_RULE);
  return verb === undefined ? `use ${plainLine(tool, MAX_RULE)} for ${what}` : `${verb} ${what}`;
}
