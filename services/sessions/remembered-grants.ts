/**
 * What "always" means: taken from what the CLI suggests, applied to this session alone, kept with it, and taken back.
 * The CLI would write some of it into the directory's `.claude/settings.local.json`, where it would outlive the session
 * and hold for everybody who runs Claude there. So the daemon keeps it, and tells each child of it.
 */
import { createHash } from 'node:crypto';
import * as z from 'zod';
import { CompanionError } from '../../protocol/error-codes.js';
import { permissionModeSchema } from '../../protocol/scalars.js';
import type { PermissionAsk, RememberedGrant, SessionRecord } from '../ports/records.js';

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

/** What a person is offered to have remembered with one request. */
export interface Grant {
  rules: readonly Rule[];
  directories: readonly string[];
  mode?: string;
}

/** Each child is told of all of it on its command line. */
const MAX_GRANT_BYTES = 8 * 1024;
const MAX_REMEMBERED_BYTES = 64 * 1024;

/** Updates of a kind that cannot be put into words are left out, and so is the mode in which nobody is asked. */
const updatesIn = (suggestions: readonly unknown[]): Update[] =>
  suggestions.flatMap((suggestion) => updateSchema.safeParse(suggestion).data ?? []);

/** What "always" would remember with this request; undefined where there is nothing, or too much to be kept. */
export function grantOf({ suggestions = [] }: PermissionAsk): Grant | undefined {
  const updates = updatesIn(suggestions);
  const rules = updates.flatMap((update) => (update.type === 'addRules' ? update.rules : []));
  const directories = updates.flatMap((update) => (update.type === 'addDirectories' ? update.directories : []));
  const mode = updates.findLast((update) => update.type === 'setMode')?.mode;
  const grant = { rules, directories, ...(mode !== undefined && { mode }) };
  const isSomething = rules.length > 0 || directories.length > 0 || mode !== undefined;
  return isSomething && sizeOf(grant) <= MAX_GRANT_BYTES ? grant : undefined;
}

/** For the CLI (2.1.197 to 2.1.332): what is granted holds in its process, and is written nowhere. */
export function updatesOf({ rules, directories, mode }: Grant): Record<string, unknown>[] {
  const destination = 'session';
  return [
    ...(rules.length > 0 ? [{ type: 'addRules', behavior: 'allow', rules, destination }] : []),
    ...(directories.length > 0 ? [{ type: 'addDirectories', directories, destination }] : []),
    ...(mode === undefined ? [] : [{ type: 'setMode', mode, destination }]),
  ];
}

/** As the CLI writes it in its settings. */
export const ruleText = ({ toolName, ruleContent }: Rule): string =>
  ruleContent === undefined ? toolName : `${toolName}(${ruleContent})`;

export interface Granting {
  ask: PermissionAsk;
  grant: Grant;
  byDeviceId: string;
  /** Epoch milliseconds. */
  at: number;
}

/**
 * How the record changes when a person asks to have this remembered, and what is new of it. The mode is on record at
 * once, since the child is in it as soon as it reads the answer. Throws `CAPACITY` when more is remembered than a child
 * can be told.
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

/** What of it the next child is started with; the mode is in the session's permission mode. */
export const rememberedOptions = (remembered: readonly RememberedGrant[]) => ({
  allowedTools: [...new Set(remembered.flatMap(({ rules }) => rules))],
  addDirectories: [...new Set(remembered.flatMap(({ directories }) => directories))],
});

export interface TakenBack {
  kept: RememberedGrant[];
  /** Rules of the CLI that make it ask again for what is not granted any more. */
  askRules: string[];
  /** The mode that holds from now on, where the one that was granted is in effect. */
  mode?: string;
}

/** What taking these back leaves. A rule or mode that another one grants as well stays. */
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

/** A rule with a double slash means an absolute path (the CLI's permission rules). */
const rulesWithin = (folder: string): string[] => [`Read(/${folder}/**)`, `Edit(/${folder}/**)`];

/** A person has chosen a mode: what was remembered of modes is past. */
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

/** What a record holds. Older daemons kept the CLI's updates as they were, and let it write some into its file. */
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
