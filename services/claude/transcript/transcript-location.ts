/** The location of a conversation's transcript, and the messages appended to it. */
import { createReadStream } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { isScarcity, toCapacityError } from '../../../protocol/failures.js';
import type { TranscriptLocation } from '../../ports/transcripts.js';

/** The folder of a person's data for a CLI with this environment. */
export const configFolder = ({ CLAUDE_CONFIG_DIR, HOME }: NodeJS.ProcessEnv): string =>
  CLAUDE_CONFIG_DIR ?? join(HOME ?? homedir(), '.claude');

export interface PlaceQuery {
  claudeSessionId: string;
  /** Its last known path. */
  path?: string | undefined;
}

/**
 * The transcript's current file; undefined when there is none. It is searched by its name: the CLI's naming of a
 * directory's folder is internal to it. Costs one check of the file where it has not moved, else one for each project
 * of the person. Rejects with `CAPACITY` when the machine lacks resources for now.
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
    // Nothing readable is there: the CLI itself could not continue from it.
    return [];
  });
  const places = await Promise.all(folders.map((folder) => lookAt(join(projects, folder, name))));
  const found = places.filter((place) => place !== undefined);
  return found.sort((a, b) => b.mtimeMs - a.mtimeMs)[0];
}

/** The file; undefined when it is missing. */
export async function lookAt(path: string): Promise<TranscriptLocation | undefined> {
  try {
    const { size, mtimeMs } = await stat(path);
    return { path, size, mtimeMs };
  } catch {
    // It is missing, or unreadable for the CLI as well, which runs as this user.
    return undefined;
  }
}

/** A message that was given to a running turn is in a line with another uuid, and has its own as `source_uuid`. */
const UUIDS = /"(?:uuid|source_uuid)":"([0-9a-f-]{36})"/g;

/** The uuids in the lines after this byte. Quotes inside message texts are escaped, so none matches there. */
export async function uuidsBehind(path: string, from: number): Promise<Set<string>> {
  const found = new Set<string>();
  const lines = createInterface({
    input: createReadStream(path, { start: from }),
    crlfDelay: Number.POSITIVE_INFINITY,
  });
  for await (const line of lines) for (const [, uuid = ''] of line.matchAll(UUIDS)) found.add(uuid);
  return found;
}
