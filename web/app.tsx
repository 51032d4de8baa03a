import { lazy, useEffect, useEffectEvent, useState } from 'react';
import { Route, Router, Switch } from 'wouter';
import { useHashLocation } from 'wouter/use-hash-location';
import { followBadge } from './link/badge.js';
import { type Credentials, forgetCredentials, loadCredentials } from './link/credentials.js';
import { offerInstallation } from './link/install.js';
import { forgetKept, Keeper } from './link/keeper.js';
import { Link } from './link/link.js';
import { newId } from './link/new-id.js';
import { SHOW, takeInvitation } from './link/pair.js';
import { forgetSeen } from './link/seen.js';
import { Keys } from './parts/keys.js';
import { LateBanner } from './parts/late-banner.js';
import { LazyPlace } from './parts/lazy-place.js';
import { VersionBanner } from './parts/version-banner.js';
import { Store } from './store/store.js';
import { t } from './strings/t.js';
import { HomeView } from './views/home-view.js';
import { lostRoute, placeRoutes } from './views/places.js';
import { ConsoleContext, type ConsoleParts, useConsole, useStore } from './views/use-console.js';

const loadSessionView = async () => ({ default: (await import('./views/session-view.js')).SessionView });
const SessionView = lazy(loadSessionView);
const PairView = lazy(async () => ({ default: (await import('./views/pair-view.js')).PairView }));

type Credential = { kind: 'unknown' } | { kind: 'none' } | { kind: 'some'; parts: ConsoleParts };

/** Pages in the background draw nothing, so nothing calls back: there a timer does. */
const soon = (callback: () => void) => {
  if (document.visibilityState === 'visible') requestAnimationFrame(callback);
  else setTimeout(callback);
};

/** Opens a session of the demo. Where that is refused, the console is there all the same. */
async function showItself(link: Link, workingDirectory: string): Promise<void> {
  try {
    const sessionId = await link.start({ workingDirectory, prompt: SHOW }, newId());
    location.hash = `/s/${sessionId}`;
  } catch {
    // The first view shows how to begin another session, which says what is wrong.
  }
}

function connect(credentials: Credentials, onLeft: () => void): Extract<Credential, { kind: 'some' }> {
  const store = new Store(soon);
  const link = new Link({ credentials, store });
  // A daemon that is away is asked by the next page.
  offerInstallation(link.rest).catch(() => {});
  const keeper = new Keeper(store, credentials.deviceId);
  void keeper.load();
  const forgetBadge = followBadge(store);
  const leave = async () => {
    keeper.close();
    forgetBadge();
    await link.close();
    forgetSeen();
    await Promise.all([forgetCredentials(), forgetKept()]);
    onLeft();
  };
  return { kind: 'some', parts: { store, link, leave } };
}

export function App() {
  const [invitation] = useState(takeInvitation);
  const [credential, setCredential] = useState<Credential>({ kind: 'unknown' });
  const onLeft = () => setCredential({ kind: 'none' });
  const begin = (credentials: Credentials) => {
    const found = connect(credentials, onLeft);
    setCredential(found);
    return found;
  };
  const onPaired = (credentials: Credentials, isNew: boolean) => {
    const { link } = begin(credentials).parts;
    if (isNew && invitation?.show !== undefined) void showItself(link, invitation.show);
  };
  useEffect(() => {
    // The view that comes next; one that cannot be loaded says so when it is opened.
    loadSessionView().catch(() => {});
  }, []);
  const onLoaded = useEffectEvent((found: Credentials | undefined) => (found ? begin(found) : onLeft()));
  useEffect(() => {
    if (invitation?.code !== undefined) setCredential({ kind: 'none' });
    else void loadCredentials().then((found) => onLoaded(found));
  }, [invitation]);
  if (credential.kind === 'unknown') return <p className="quiet banner">{t('app.connecting')}</p>;
  if (credential.kind === 'none')
    return (
      <LazyPlace>
        <PairView invitation={invitation} onPaired={onPaired} />
      </LazyPlace>
    );
  return (
    <ConsoleContext value={credential.parts}>
      <ConnectionBanner onLeave={() => void credential.parts.leave()} />
      <VersionBanner />
      <LateBanner />
      <Router hook={useHashLocation}>
        <Switch>
          <Route path="/s/:sessionId/:message?">
            {({ sessionId, message }) => (
              <LazyPlace>
                <SessionView key={sessionId} sessionId={sessionId} message={message} />
              </LazyPlace>
            )}
          </Route>
          {placeRoutes}
          <Route path="/" component={HomeView} />
          {lostRoute}
        </Switch>
        <Keys />
      </Router>
    </ConsoleContext>
  );
}

function ConnectionBanner({ onLeave }: { onLeave: () => void }) {
  const { client } = useConsole().link;
  const connection = useStore((state) => state.connection);
  if (connection.kind === 'open') return undefined;
  if (connection.kind !== 'closed') {
    const text = connection.kind === 'waiting' ? t('app.offline') : t('app.connecting');
    return (
      <p className="banner" role="status">
        {text}
      </p>
    );
  }
  if (connection.error.reason === 'replaced') {
    return (
      <p className="banner" role="alert">
        {t('app.replaced')}{' '}
        <button type="button" onClick={() => client.reconnect()}>
          {t('app.useHere')}
        </button>
      </p>
    );
  }
  return (
    <p className="banner refusal" role="alert">
      {t('app.refused', { reason: connection.error.message })}{' '}
      <button type="button" onClick={onLeave}>
        {t('app.pairAgain')}
      </button>
    </p>
  );
}
