import { useLocation } from 'wouter';
import { hand, lookAtHanded, TO_CHOOSE, TO_NEW, takeHanded } from '../link/handed.js';
import { Loaded } from '../parts/loaded.js';
import { Page } from '../parts/page.js';
import { Refusal } from '../parts/refusal.js';
import { useAction } from '../parts/use-action.js';
import { useLoad } from '../parts/use-load.js';
import { SHARE_TEXTS } from '../strings/share.js';
import { language, t } from '../strings/t.js';
import { useStore } from './use-console.js';

/** Where what another app has shared goes: into the message of a session, from where a person sends it. */
export function ShareView() {
  const shared = useLoad(() => lookAtHanded(TO_CHOOSE));
  return (
    <Page title={t('share.title')}>
      <Loaded of={shared}>
        {(handed) =>
          handed ? (
            <>
              {handed.text !== '' && (
                <p className="item shared" dir="auto">
                  {handed.text}
                </p>
              )}
              {handed.files.length > 0 && (
                <p className="quiet">{t('session.images', { count: handed.files.length })}</p>
              )}
              <Targets />
            </>
          ) : (
            <p className="quiet">{SHARE_TEXTS[language()].none}</p>
          )
        }
      </Loaded>
    </Page>
  );
}

function Targets() {
  const [, navigate] = useLocation();
  const { isBusy, refusal, run } = useAction();
  const sessions = useStore((state) => state.sessions);
  const newest = [...sessions.values()].sort((a, b) => b.view.lastActivity.localeCompare(a.view.lastActivity));
  const give = async (to: string, address: string) => {
    const handed = await takeHanded(TO_CHOOSE);
    if (handed) await hand(to, handed);
    navigate(address);
  };
  const choice = (to: string, address: string, words: string, hint?: string) => (
    <li key={to}>
      <button type="button" className="target" disabled={isBusy} onClick={() => void run(() => give(to, address))}>
        <span>{words}</span> <span className="quiet">{hint}</span>
      </button>
    </li>
  );
  return (
    <section aria-labelledby="targets">
      <h2 id="targets">{SHARE_TEXTS[language()].to}</h2>
      <Refusal reason={refusal} />
      <ul className="cards">
        {choice(TO_NEW, '/new', t('home.new'))}
        {newest.map(({ view: { sessionId, projectName, sessionName } }) =>
          choice(sessionId, `/s/${sessionId}`, projectName, sessionName),
        )}
      </ul>
    </section>
  );
}
