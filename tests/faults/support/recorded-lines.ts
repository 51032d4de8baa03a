import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The versions of the CLI of which a turn is recorded. */
export const RECORDED = ['2.1.197', '2.1.329'] as const;

/** What the CLI of this version wrote in a turn that thinks, speaks, runs a tool and speaks again. */
export const recordedLines = (version: (typeof RECORDED)[number]): string[] =>
  readFileSync(join(import.meta.dirname, `recorded-turn-${version}.jsonl`), 'utf8')
    .trimEnd()
    .split('\n');
