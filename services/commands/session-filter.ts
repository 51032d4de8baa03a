import type { ListSessions, SessionView } from '../../protocol/rest.js';

const ARCHIVED = new Set<SessionView['status']>(['closed']);
const INACTIVE = new Set<SessionView['status']>(['hibernated', 'error']);

function groupOf(status: SessionView['status']): 'active' | 'inactive' | 'archived' {
  if (ARCHIVED.has(status)) return 'archived';
  return INACTIVE.has(status) ? 'inactive' : 'active';
}

type Test = (session: SessionView) => boolean;

/** Whether a list with this query has the session. */
export function filterOf({ status, projectPath, tag, archived, pinned, isWorking, q }: ListSessions): Test {
  const tests: Test[] = [
    ...(projectPath === undefined ? [] : [(session: SessionView) => session.projectPath === projectPath]),
    ...(tag === undefined ? [] : [hasTag(tag)]),
    ...(archived === undefined ? [] : [(session: SessionView) => isSaid(session.archived, archived)]),
    ...(pinned === undefined ? [] : [(session: SessionView) => isSaid(session.pinned, pinned)]),
    ...(isWorking === undefined ? [] : [(session: SessionView) => isSaid(session.isWorking, isWorking)]),
    ...(status === undefined ? [] : [hasStatus(status)]),
    ...(q === undefined || q.trim() === '' ? [] : [says(q)]),
  ];
  return (session) => tests.every((test) => test(session));
}

const isSaid = (value = false, wanted: 'true' | 'false'): boolean => value === (wanted === 'true');

const hasStatus =
  (wanted: NonNullable<ListSessions['status']>): Test =>
  ({ status }) =>
    wanted === status || wanted === groupOf(status);

const hasTag =
  (wanted: string): Test =>
  ({ tag = '', tags = [] }) =>
    wanted === '' ? tag === '' && tags.length === 0 : tag === wanted || tags.includes(wanted);

function says(q: string): Test {
  const wanted = q.trim().toLowerCase();
  return ({ sessionName, projectPath, tag, tags = [], context, currentPrompt }) =>
    [sessionName, projectPath, tag, ...tags, context, currentPrompt?.prompt].some((text) =>
      text?.toLowerCase().includes(wanted),
    );
}
