/** Filters are words of their own in the index, so that a search reads only what fits them. */
import { createHash } from 'node:crypto';
import type { SaidBy } from '../../ports/search.js';

export interface Tagged {
  owner?: string | undefined;
  /** Number of the session or conversation in the index. */
  source?: number | undefined;
  directory?: string | undefined;
  role?: SaidBy | undefined;
  toolName?: string | undefined;
}

/** The tags of what is given. No text has a word that begins like these. */
export function tagsOf({ owner, source, directory, role, toolName }: Tagged): string[] {
  return [
    ...(owner === undefined ? [] : [tag('o', digest(owner))]),
    ...(source === undefined ? [] : [tag('s', String(source))]),
    ...(directory === undefined ? [] : [tag('d', digest(directory))]),
    ...(role === undefined ? [] : [tag('r', role)]),
    ...(toolName === undefined ? [] : [tag('t', digest(toolName.toLowerCase()))]),
  ];
}

/** A character for private use. */
const tag = (kind: string, value: string): string => `\ue000${kind}${value}`;

const DIGEST_UNITS = 16;

/** Names can have any characters. */
const digest = (name: string): string => createHash('sha256').update(name).digest('hex').slice(0, DIGEST_UNITS);
