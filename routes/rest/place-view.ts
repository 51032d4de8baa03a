import type { ProjectPlace } from '../../protocol/projects.js';
import type { SessionView } from '../../protocol/rest.js';
import type { Caller } from '../../services/commands/command-context.js';
import { describeProjects, type ProjectDetails, type ProjectView } from '../../services/commands/projects.js';
import { unmeasuredView } from '../../services/sessions/session-view.js';
import type { RouteServices } from '../route-services.js';

/** A project with what is known at once. */
export async function placeView(
  { workspace }: Pick<RouteServices, 'workspace'>,
  { name, path, session }: ProjectView,
): Promise<ProjectPlace> {
  const branch = await workspace.readBranch(path);
  const {
    sessionId,
    sessionName,
    status,
    isWorking = false,
    lastActivity,
  } = (session ? unmeasuredView(session) : {}) as Partial<SessionView>;
  return {
    name,
    path,
    ...(branch !== undefined && { branch }),
    ...(sessionId !== undefined && { sessionId, status, lastActivity }),
    ...(sessionName !== undefined && { sessionName }),
    isWorking,
  };
}

/** Projects with what is looked up for them, within 3 s. */
export async function detailedViews(
  services: RouteServices,
  asked: { caller: Caller; found: readonly ProjectView[] },
): Promise<ProjectPlace[]> {
  const details = await describeProjects(services, asked);
  return Promise.all(
    asked.found.map(async (project, at) => ({ ...(await placeView(services, project)), ...detailsView(details[at]) })),
  );
}

function detailsView({ lastConversation, ...state }: ProjectDetails = {}): Partial<ProjectPlace> {
  if (!lastConversation) return state;
  const { claudeSessionId, title, lastModified } = lastConversation;
  return {
    ...state,
    lastConversation: { claudeSessionId, title, lastModified: new Date(lastModified).toISOString() },
  };
}
