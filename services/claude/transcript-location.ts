/** Where the CLI keeps a conversation's transcript, and what was appended to it. */

import { createReadStream } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { isScarcity, toCapacityError } from '../../protocol/capacity-error.js';
import type { TranscriptLocation } from '../ports/claude.js';

/** Where a CLI with this environment keeps what it keeps for a person. */
export const configFolder = ({ CLAUDE_CONFIG_DIR, HOME }: NodeJS.ProcessEnv): string =>
  CLAUDE_CONFIG_DIR ?? join(HOME ?? homedir(), '.claude');

export interface PlaceQuery {
  claudeSessionId: string;
  /** Where it was the last time. */
  path?: string | undefined;
}

/**
 * The transcript's file as it is now; undefined when there is none. It is looked for by its name: how the CLI names
 * the folder of a directory is its own matter. Costs one look at the file where it is still where it was, else one for
 * each project that the person has. Rejects with `CAPACITY` when the machine lacks something for now.
 */
export async function findTranscript(
  environment: NodeJS.ProcessEnv,
  { claudeSessionId, path }: PlaceQuery,
): Promise<TranscriptLocation | undefined> {
  const name = `${claudeSessionId}.jsonl`;
  const known = path?.endsWith(name) ? await lookAt(path) : undefined;
  if (known) return known;
  const projects = join(configFolder(environment), 'projects');
  const folders = await readdir(projects).catch((error: unknown) => {
    if (isScarcity(error)) throw toCapacityError('The transcripts of the CLI cannot be looked for', error);
    // Nothing is there, or nothing that may be read: the CLI itself could not go on from it.
    return [];
  });
  const places = await Promise.all(folders.map((folder) => lookAt(join(projects, folder, name))));
  const found = places.filter((place) => place !== undefined);
  return found.sort((a, b) => b.mtimeMs - a.mtimeMs)[0];
}

async function lookAt(path: string): Promise<TranscriptLocation | undefined> {
  try {
    const { size, mtimeMs } = await stat(path);
    return { path, size, mtimeMs };
  } catch {
    // It is not there, or closed to the CLI as well, which runs as this user.
    return undefined;
  }
}

/** A message that was given to a running turn stands in a line with another uuid, and has its own as `source_uuid`. */
const UUIDS = /"(?:uuid|source_uuid)":"([0-9a-f-]{36})"/g;

/** The uuids in the lines behind this byte. Quotes within the texts of messages are escaped, so none is found there. */
export async function uuidsBehind(path: string, from: number): Promise<Set<string>> {
  const found = new Set<string>();
  const lines = createInterface({
    input: createReadStream(path, { start: from }),
    crlfDelay: Number.POSITIVE_INFINITY,
  });
  for await (const line of lines) for (const [, uuid = ''] of line.matchAll(UUIDS)) found.add(uuid);
  return found;
}
