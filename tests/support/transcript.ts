import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Daemon } from './daemon.js';
import { waitUntil } from './wait-until.js';

/** Where the CLI keeps the conversation; empty while it does not. */
export function transcriptOf({ home }: Daemon, claudeSessionId: string): string {
  const projects = join(home, '../home/.claude/projects');
  const [path] = readdirSync(projects).flatMap((project) => {
    const transcript = join(projects, project, `${claudeSessionId}.jsonl`);
    return existsSync(transcript) ? transcript : [];
  });
  return path ?? '';
}

/** The CLI writes its transcript behind its output: 2.1.197 has none yet when it tells its first result. */
export async function written(daemon: Daemon, claudeSessionId: string, text: string): Promise<void> {
  await waitUntil('the transcript has it', () => {
    const path = transcriptOf(daemon, claudeSessionId);
    return path !== '' && readFileSync(path, 'utf8').includes(text);
  });
}
