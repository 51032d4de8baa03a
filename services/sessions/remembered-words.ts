/** Remembered grants in words for a person. */
import type { Remember } from '../../protocol/events.js';
import { plainLine } from '../../protocol/plain-text.js';
import type { RememberedView } from '../../protocol/rest.js';
import type { RememberedGrant } from '../ports/records.js';
import { type Grant, ruleText } from './remembered-grants.js';

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
