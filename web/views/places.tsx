import { type ComponentType, lazy } from 'react';
import { Link as Anchor, Route } from 'wouter';
import { LazyPlace } from '../parts/lazy-place.js';
import type { StringKey } from '../strings/en.js';
import { t } from '../strings/t.js';

interface Place {
  path: string;
  /** Absent for one that only others lead to. */
  isLinked?: false;
  /** What of the address belongs to it, where that is more than the path. */
  pattern?: string;
  title: StringKey;
  View: ComponentType;
}

/** The views beside the sessions, each a script of its own, in the order of the navigation. */
const PLACES: readonly Place[] = [
  {
    path: '/search',
    pattern: '/search/:words?',
    title: 'search.title',
    View: lazy(() => import('./search-view.js').then(({ SearchView }) => ({ default: SearchView }))),
  },
  {
    path: '/projects',
    title: 'projects.title',
    View: lazy(() => import('./projects-view.js').then(({ ProjectsView }) => ({ default: ProjectsView }))),
  },
  {
    path: '/usage',
    title: 'usage.title',
    View: lazy(() => import('./usage-view.js').then(({ UsageView }) => ({ default: UsageView }))),
  },
  {
    path: '/schedules',
    title: 'schedules.title',
    View: lazy(() => import('./schedules-view.js').then(({ SchedulesView }) => ({ default: SchedulesView }))),
  },
  {
    path: '/hooks',
    title: 'hooks.title',
    View: lazy(() => import('./hooks-view.js').then(({ HooksView }) => ({ default: HooksView }))),
  },
  {
    path: '/pushes',
    title: 'pushes.title',
    View: lazy(() => import('./pushes-view.js').then(({ PushesView }) => ({ default: PushesView }))),
  },
  {
    path: '/health',
    title: 'health.title',
    View: lazy(() => import('./health-view.js').then(({ HealthView }) => ({ default: HealthView }))),
  },
  {
    path: '/devices',
    title: 'devices.title',
    View: lazy(() => import('./devices-view.js').then(({ DevicesView }) => ({ default: DevicesView }))),
  },
  {
    path: '/audit',
    title: 'audit.title',
    View: lazy(() => import('./audit-view.js').then(({ AuditView }) => ({ default: AuditView }))),
  },
  {
    path: '/daemons',
    title: 'daemons.title',
    View: lazy(() => import('./daemons-view.js').then(({ DaemonsView }) => ({ default: DaemonsView }))),
  },
  {
    path: '/share',
    isLinked: false,
    title: 'share.title',
    View: lazy(() => import('./share-view.js').then(({ ShareView }) => ({ default: ShareView }))),
  },
];

const FilesView = lazy(() => import('./files-view.js').then((views) => ({ default: views.FilesView })));
const NewView = lazy(() => import('./new-view.js').then((views) => ({ default: views.NewView })));
const LostView = lazy(() => import('./lost-view.js').then((views) => ({ default: views.LostView })));

const OTHERS = [
  { path: '/new', View: NewView },
  { path: '/files/:sessionId/:path?/:line?', View: FilesView },
];

/** Where they are, for other ways there. */
export const placeLinks: readonly Pick<Place, 'path' | 'title'>[] = PLACES.filter(({ isLinked = true }) => isLinked);

/** For the `Switch` of the console. */
export const placeRoutes = [...PLACES, ...OTHERS].map(
  ({ path, pattern = path, View }: Pick<Place, 'path' | 'pattern' | 'View'>) => (
    <Route key={path} path={pattern}>
      <LazyPlace>
        <View />
      </LazyPlace>
    </Route>
  ),
);

/** For every other address. */
export const lostRoute = (
  <Route>
    <LazyPlace>
      <LostView />
    </LazyPlace>
  </Route>
);

export function PlacesNav() {
  return (
    <nav className="places" aria-label={t('places.title')}>
      {placeLinks.map(({ path, title }) => (
        <Anchor key={path} href={path}>
          {t(title)}
        </Anchor>
      ))}
    </nav>
  );
}
