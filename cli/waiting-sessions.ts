import { realpathSync } from 'node:fs';
import { resolve } from 'node:path';
import * as z from 'zod';
import { CompanionError } from '../protocol/error-codes.js';
import { plainLine } from '../protocol/plain-text.js';
import { type SessionView, sessionViewSchema } from '../protocol/rest.js';
import { type WaitingSession, waitingSchema } from '../protocol/waiting.js';
import { askDaemon } from './local-daemon.js';

/** The open requests and prompts of a session. */
export async function readWaiting(socketPath: string, sessionId: string): Promise<WaitingSession | undefined> {
  const path = `/api/waiting?${new URLSearchParams({ sessionId }).toString()}`;
  return waitingSchema.parse(await askDaemon({ socketPath, method: 'GET', path })).sessions[0];
}

/** The session in which a prompt runs or waits. */
export async function readWaitingOf(socketPath: string, promptId: string): Promise<WaitingSession | undefined> {
  const { sessions } = waitingSchema.parse(await askDaemon({ socketPath, method: 'GET', path: '/api/waiting' }));
  return sessions.find(({ prompts }) => prompts.some((prompt) => prompt.promptId === promptId));
}

const sessionsSchema = z.object({ sessions: z.array(sessionViewSchema) });

/** The sessions of all directories, or of one, the most recently used first. */
export async function readSessions(socketPath: string, directory?: string): Promise<SessionView[]> {
  const query = new URLSearchParams({ limit: '1000', ...(directory !== undefined && { projectPath: directory }) });
  const answer = await askDaemon({ socketPath, method: 'GET', path: `/api/sessions?${query.toString()}` });
  return sessionsSchema.parse(answer).sessions;
}

/** A directory as typed, with links resolved. Throws `PROJECT_NOT_FOUND`. */
export function directoryOf(typed: string | undefined): string {
  const path = resolve(typed ?? '.');
  try {
    return realpathSync(path);
  } catch {
    // Missing, inaccessible or a cycle of links: for the person, there is no such folder.
    throw new CompanionError('PROJECT_NOT_FOUND', `There is no folder ${plainLine(path, 500)}.`);
  }
}

/** The session of a directory. Throws `SESSION_NOT_FOUND`. */
export async function requireSession(socketPath: string, typed: string | undefined): Promise<SessionView> {
  const directory = directoryOf(typed);
  const [session] = await readSessions(socketPath, directory);
  if (session) return session;
  throw new CompanionError('SESSION_NOT_FOUND', `No session works in ${plainLine(directory, 500)}.`);
}
