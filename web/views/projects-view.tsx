import { useState } from 'react';
import { Link as Anchor, useLocation } from 'wouter';
import { createSession, listPlaces } from '../../client/rest/index.js';
import type { ProjectPlace } from '../../protocol/projects.js';
import { CardList } from '../parts/card-list.js';
import { CloneForm } from '../parts/clone-form.js';
import { Loaded } from '../parts/loaded.js';
import { Moment } from '../parts/moment.js';
import { Page } from '../parts/page.js';
import { Refusal } from '../parts/refusal.js';
import { useAction } from '../parts/use-action.js';
import { useLoad } from '../parts/use-load.js';
import { WorktreeForm } from '../parts/worktree-form.js';
import { filesHref } from '../store/files.js';
import { t } from '../strings/t.js';
import { useConsole } from './use-console.js';

/** The most that one request lists. */
const MAX_PLACES = 200;

/** The directories in which sessions can be. */
export function ProjectsView() {
  const places = useLoad((rest) => listPlaces(rest, { query: { limit: MAX_PLACES, details: 'true' } }));
  return (
    <Page title={t('projects.title')}>
      <CloneForm onCloned={places.again} />
      <section aria-labelledby="projects">
        <h2 id="projects">{t('projects.list')}</h2>
        <Loaded of={places}>
          {({ projects, total }) => (
            <>
              {total > projects.length && (
                <p className="quiet">{t('projects.first', { shown: projects.length, total })}</p>
              )}
              <CardList items={projects} keyOf={({ path }) => path} none={t('projects.none')}>
                {(place) => <Project place={place} onChanged={places.again} />}
              </CardList>
            </>
          )}
        </Loaded>
      </section>
    </Page>
  );
}

interface ProjectProps {
  place: ProjectPlace;
  onChanged: () => Promise<void>;
}

function Project({ place, onChanged }: ProjectProps) {
  const [isBranching, setBranching] = useState(false);
  const { name, path, branch } = place;
  return (
    <>
      <h3>{name}</h3>
      <p className="quiet path">{path}</p>
      <Git place={place} />
      {isBranching && (
        <WorktreeForm project={name} branch={branch} onAdded={onChanged} onLeave={() => setBranching(false)} />
      )}
      {!isBranching && <ProjectActions place={place} onBranch={() => setBranching(true)} />}
    </>
  );
}

function Git({ place: { branch, dirty, changes, worktrees = [], lastConversation } }: { place: ProjectPlace }) {
  return (
    <dl>
      {branch !== undefined && (
        <>
          <dt>{t('projects.branch')}</dt>
          <dd>
            <code>{branch}</code> {dirty !== undefined && <span className="tag">{wordsOfChanges(dirty, changes)}</span>}
          </dd>
        </>
      )}
      {worktrees.length > 1 && (
        <>
          <dt>{t('projects.worktrees')}</dt>
          <dd>
            {worktrees.map((tree) => (
              <div key={tree.path}>
                <code>{tree.branch ?? '–'}</code> <span className="quiet path">{tree.path}</span>
              </div>
            ))}
          </dd>
        </>
      )}
      {lastConversation && (
        <>
          <dt>{t('projects.last')}</dt>
          <dd dir="auto">
            {lastConversation.title}{' '}
            <span className="quiet">
              <Moment at={lastConversation.lastModified} />
            </span>
          </dd>
        </>
      )}
    </dl>
  );
}

function wordsOfChanges(isDirty: boolean, changes: number | undefined): string {
  if (!isDirty) return t('projects.clean');
  return changes === undefined ? t('projects.dirty') : t('projects.changes', { count: changes });
}

function ProjectActions({ place, onBranch }: { place: ProjectPlace; onBranch: () => void }) {
  const { link } = useConsole();
  const [, navigate] = useLocation();
  const action = useAction();
  const { name, path, branch, sessionId, status } = place;
  /** Its session, which is opened without a prompt where there is none. */
  const session = async () =>
    sessionId ?? (await createSession(link.rest, { body: { workingDirectory: path } })).sessionId;
  const start = async () => navigate(`/s/${await session()}`);
  const browse = async () => navigate(filesHref(await session()));
  return (
    <>
      <Refusal reason={action.refusal} />
      <div className="row">
        {sessionId === undefined ? (
          <button
            type="button"
            aria-label={t('projects.startIn', { name })}
            disabled={action.isBusy}
            onClick={() => void action.run(start)}
          >
            {t('projects.start')}
          </button>
        ) : (
          <span>
            <Anchor href={`/s/${sessionId}`} className="touch" aria-label={t('projects.openOf', { name })}>
              {t('projects.open')}
            </Anchor>{' '}
            {status !== undefined && <span className="tag">{t(`status.${status}`)}</span>}
          </span>
        )}
        <button
          type="button"
          aria-label={t('files.of', { name })}
          disabled={action.isBusy}
          onClick={() => void action.run(browse)}
        >
          {t('files.title')}
        </button>
        {branch !== undefined && (
          <button type="button" aria-label={t('projects.worktreeOf', { name })} onClick={onBranch}>
            {t('projects.worktree')}
          </button>
        )}
      </div>
    </>
  );
}
