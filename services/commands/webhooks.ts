/** The events and sessions that a webhook is sent. */
import type { SessionId } from '../../protocol/scalars.js';
import type { DeviceRef } from '../ports/records.js';
import { type CommandServices, sessionOf } from './command-context.js';

/**
 * The sessions of its own, or the allowed directory, that a client has named for a webhook. Rejects with
 * `SESSION_NOT_FOUND`, `PROJECT_NOT_FOUND` and `PERMISSION_DENIED`.
 */
export async function requireSubject(
  services: Pick<CommandServices, 'registry' | 'workspace'>,
  device: DeviceRef,
  named: { sessionIds?: readonly SessionId[] | undefined; project?: string | undefined; base: string },
): Promise<{ sessionIds?: readonly SessionId[]; project?: string }> {
  const { sessionIds, project, base } = named;
  if (sessionIds) return { sessionIds: sessionIds.map((sessionId) => sessionOf(services, { device }, sessionId).id) };
  if (project === undefined) return {};
  const { path } = await services.workspace.resolveDirectory(project, { field: 'project', base });
  return { project: path };
}
