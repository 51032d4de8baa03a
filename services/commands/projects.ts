/** Projects: the directories in which sessions can be. */
import { basename } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { CompanionError, invalid } from '../../protocol/error-codes.js';
import type { Place } from '../model/list-page.js';
import type { CloneOrder, RepositoryState, WorktreeOrder } from '../ports/repositories.js';
import type { ListedConversation } from '../ports/transcripts.js';
import type { Session } from '../sessions/session.js';
import type { Caller, CommandServices, NamedDirectory } from './command-context.js';

export interface ProjectView {
  path: string;
  name: string;
  /** The caller's session of the directory. */
  session?: Session;
}

interface OfProject {
  caller: Caller;
  directory: NamedDirectory;
}

const viewOf = (path: string, session: Session | undefined): ProjectView => ({
  path,
  name: basename(path),
  // A purged one is only waiting for its CLI to end.
  ...(session && !session.state.record.closed?.isPurged && { session }),
});

/**
 * Those with a session, and the other directories right below the allowed roots. Directories of other people's
 * sessions are not among them.
 */
export async function listProjects(
  { registry, workspace }: CommandServices,
  { device }: Pick<Caller, 'device'>,
): Promise<ProjectView[]> {
  const own = registry.owned(device.userId).map((session) => viewOf(session.state.record.directory, session));
  const known = new Set(registry.all().map(({ state }) => state.record.directory));
  const others = (await workspace.listDirectories()).filter((path) => !known.has(path));
  return [...own, ...others.map((path) => viewOf(path, undefined))];
}

/** What is looked up for a project besides its directory and its session. */
export interface ProjectDetails extends RepositoryState {
  lastConversation?: ListedConversation;
}

const TRANSCRIPTS_MS = 3000;

/** Of each project; what is not known within 3 s is absent. Never rejects. */
export async function describeProjects(
  { launchers, repositories, registry }: CommandServices,
  { caller, found }: { caller: Pick<Caller, 'device'>; found: readonly ProjectView[] },
): Promise<ProjectDetails[]> {
  const { userId } = caller.device;
  const paths = found.map(({ path }) => path);
  // Whatever the reason: then they are not known.
  const newest = launchers
    .of(userId)
    .newestConversations(paths)
    .catch(() => []);
  const late = new Promise<[]>((resolve) => setTimeout(() => resolve([]), TRANSCRIPTS_MS).unref());
  const [states, conversations] = await Promise.all([
    Promise.all(paths.map((path) => repositories.describe(path))),
    Promise.race([newest, late]),
  ]);
  const others = registry.all().filter(({ state }) => state.record.owner !== userId);
  const hidden = new Set(others.map(({ state }) => state.record.directory));
  return states.map(({ worktrees, ...state }, at) => {
    const [seen, lastConversation] = [worktrees?.filter(({ path }) => !hidden.has(path)), conversations[at]];
    return { ...state, ...(seen && { worktrees: seen }), ...(lastConversation && { lastConversation }) };
  });
}

/** Their order: those with a session by last activity, newest first, then the others by path. */
export const PROJECT_ORDER = {
  name: 'projects',
  placeOf: ({ path: key, session }: ProjectView): Place => ({ number: session?.state.record.lastActivity ?? 0, key }),
};

/** Rejects as `resolveDirectory` does. */
export async function findProject(
  { registry, workspace }: CommandServices,
  { caller, directory }: OfProject,
): Promise<ProjectView> {
  const { path } = await workspace.resolveDirectory(directory.path, directory);
  const own = registry.owned(caller.device.userId);
  return viewOf(
    path,
    own.find(({ state }) => state.record.directory === path),
  );
}

/** By the name of its folder. Rejects with `PROJECT_NOT_FOUND`, and with `CONFLICT` when several have the name. */
export async function findNamedProject(
  services: CommandServices,
  { caller, name }: { caller: Caller; name: string },
): Promise<ProjectView> {
  const [found, ...others] = (await listProjects(services, caller)).filter((project) => project.name === name);
  if (!found) throw new CompanionError('PROJECT_NOT_FOUND', 'There is no such project.', { field: 'name' });
  if (others.length === 0) return found;
  const rule = 'must be the name of one project; several folders have it';
  throw new CompanionError('CONFLICT', `name: ${rule}`, { field: 'name', rule });
}

/** Creates the directory if it is missing. Rejects as `createDirectory` does. */
export async function createProject(
  services: CommandServices,
  { caller, directory }: OfProject,
): Promise<ProjectView & { created: boolean }> {
  const { path, created } = await services.workspace.createDirectory(directory.path, directory);
  return { ...(await findProject(services, { caller, directory: { ...directory, path } })), created };
}

/** Clones a repository into a new directory. Rejects as `Repositories.clone` does. */
export async function cloneProject(
  services: CommandServices,
  { caller, ...order }: CloneOrder & { caller: Caller },
): Promise<ProjectView> {
  const path = await services.repositories.clone(order);
  return findProject(services, { caller, directory: { path, field: order.directory.field } });
}

/** Adds a working tree of the project's repository. Rejects as `Repositories.addWorktree` does. */
export async function addWorktree(
  services: CommandServices,
  { caller, ...order }: WorktreeOrder & { caller: Caller },
): Promise<ProjectView> {
  const path = await services.repositories.addWorktree(order);
  return findProject(services, { caller, directory: { path, field: order.directory.field } });
}

/** Purges the session of the directory. `confirm` must be its name. Rejects as `findProject` does. */
export async function forgetProject(
  services: CommandServices,
  { confirm, ...of }: OfProject & { confirm: string },
): Promise<void> {
  const { name, session } = await findProject(services, of);
  if (confirm !== name) throw invalid('confirm', 'must be the name of the project');
  await session?.purge();
}

const CHILD_MS = 15_000;
const LOOK_MS = 50;

/**
 * Purges the session of a project and removes its directory. Rejects with `CONFLICT` while the directory is that of
 * another session as well or contains one, with `TIMEOUT` when its CLI does not end, and as `Repositories.remove` does.
 */
export async function removeProject(
  { registry, repositories }: CommandServices,
  { path, session }: ProjectView,
): Promise<void> {
  const requireAlone = () => {
    const uses = ({ state: { record } }: Session) => `${record.directory}/`.startsWith(`${path}/`);
    const others = registry.all().filter((one) => one !== session && uses(one));
    if (others.length > 0) throw inUse();
  };
  requireAlone();
  await repositories.requireRemovable(path, 'name');
  await session?.purge();
  const deadline = performance.now() + CHILD_MS;
  while (session && registry.find(session.id) === session) {
    if (performance.now() > deadline) throw new CompanionError('TIMEOUT', 'The session has not ended in time.');
    await delay(LOOK_MS);
  }
  requireAlone();
  await repositories.remove(path, 'name');
}

function inUse(): CompanionError {
  const rule = 'must be a directory in which and below which there is no other session';
  return new CompanionError('CONFLICT', `name: ${rule}`, { field: 'name', rule });
}

const PREFIX = 'proj_';

/** The id of a directory, which contains its path. */
export const projectIdOf = (path: string): string => `${PREFIX}${Buffer.from(path).toString('base64url')}`;

/** The directory with this id. Throws `PROJECT_NOT_FOUND` with the field for an id that was never given. */
export function directoryOfProject(id: string, field: string): NamedDirectory {
  const path = Buffer.from(id.slice(PREFIX.length), 'base64url').toString();
  if (path.startsWith('/') && projectIdOf(path) === id) return { path, field };
  throw new CompanionError('PROJECT_NOT_FOUND', 'There is no such project.', { field });
}
