/** Branches off conversations, and goes back to others. A directory has one session, which holds one of them at a time. */
import { changeSession } from '../../client/rest/index.js';
import { nameBefore, nameOfFork } from '../store/fork.js';
import { t } from '../strings/t.js';
import type { ConsoleParts } from '../views/use-console.js';

const pattern = () => t('fork.name', { name: '\n' });

function namesOf({ store }: ConsoleParts, sessionId: string): { name: string; workingDirectory: string } {
  const session = store.get().sessions.get(sessionId);
  const { sessionName, projectName = '', workingDirectory = '' } = session?.view ?? {};
  return { name: session?.status?.sessionName ?? sessionName ?? projectName, workingDirectory };
}

/** A copy of the conversation, or of another one of its directory, is that of the session from the next message on. */
export async function forkConversation(parts: ConsoleParts, sessionId: string, resume?: string): Promise<void> {
  const { name, workingDirectory } = namesOf(parts, sessionId);
  const sessionName = nameOfFork(name, pattern());
  const options = { fork: true, sessionName, ...(resume !== undefined && { resume }) };
  await parts.link.client.request('streamStart', { prompt: '', workingDirectory, options });
}

/** The session goes on with another conversation of its directory. */
export async function resumeConversation(parts: ConsoleParts, sessionId: string, resume: string): Promise<void> {
  const { name, workingDirectory } = namesOf(parts, sessionId);
  const options = { resume, sessionName: nameBefore(name, pattern()) };
  await parts.link.client.request('streamStart', { prompt: '', workingDirectory, options });
}

/** As a fork, but of what was said before a prompt. Files stay as they are. */
export async function forkBefore(parts: ConsoleParts, sessionId: string, promptId: string): Promise<void> {
  const { client, rest } = parts.link;
  const { data } = await client.request('rewind', { sessionId, promptId, what: 'conversation' });
  if (!data.canRewind) throw new Error(data.reason ?? t('rewind.cannot'));
  const sessionName = nameOfFork(namesOf(parts, sessionId).name, pattern());
  await changeSession(rest, { params: { id: sessionId }, body: { sessionName } });
}
