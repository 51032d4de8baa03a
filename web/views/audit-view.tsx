import { useState } from 'react';
import { Link as Anchor } from 'wouter';
import { listAudit, listDevices, type RestClient } from '../../client/rest/index.js';
import { AUDIT_ACTIONS, type AuditPage, type AuditView as Entry } from '../../protocol/audit.js';
import type { DeviceView } from '../../protocol/auth.js';
import type { DeviceId } from '../../protocol/scalars.js';
import { Loaded } from '../parts/loaded.js';
import { Moment } from '../parts/moment.js';
import { Page } from '../parts/page.js';
import { Refusal } from '../parts/refusal.js';
import { Select } from '../parts/select.js';
import { useAction } from '../parts/use-action.js';
import { useLoad } from '../parts/use-load.js';
import { AUDIT_TEXTS } from '../strings/audit.js';
import { language, t } from '../strings/t.js';
import { useConsole } from './use-console.js';

const ANY = '';
const ACTIONS = [ANY, ...AUDIT_ACTIONS] as const;
type Action = (typeof ACTIONS)[number];

interface Question {
  action: Action;
  deviceId: string;
  /** As a field has them, in the zone of the browser. */
  since: string;
  until: string;
}

const EVERYTHING: Question = { action: ANY, deviceId: ANY, since: '', until: '' };
const texts = () => AUDIT_TEXTS[language()];

/** What is in the audit log: who did what, on what, and from where. */
export function AuditView() {
  const [question, setQuestion] = useState(EVERYTHING);
  const devices = useLoad(listDevices);
  const known = devices.state.kind === 'loaded' ? devices.state.value.devices : [];
  const change = (part: Partial<Question>) => setQuestion({ ...question, ...part });
  return (
    <Page title={t('audit.title')}>
      <p className="quiet">{texts().help}</p>
      <Filters question={question} devices={known} onChange={change} />
      <Entries key={JSON.stringify(question)} question={question} devices={known} />
    </Page>
  );
}

interface FiltersProps {
  question: Question;
  devices: readonly DeviceView[];
  onChange: (part: Partial<Question>) => void;
}

function Filters({ question, devices, onChange }: FiltersProps) {
  const { action, anyAction, device, anyDevice, since, until, actions } = texts();
  return (
    <search>
      <Select
        label={action}
        value={question.action}
        options={ACTIONS}
        wordsOf={(one) => (one === ANY ? anyAction : actions[one])}
        onChoose={(chosen) => onChange({ action: chosen })}
      />
      <Select
        label={device}
        value={question.deviceId}
        options={[ANY, ...devices.map(({ deviceId }) => deviceId)]}
        wordsOf={(one) => (one === ANY ? anyDevice : nameOf(devices, one))}
        onChoose={(deviceId) => onChange({ deviceId })}
      />
      <When label={since} value={question.since} onChange={(time) => onChange({ since: time })} />
      <When label={until} value={question.until} onChange={(time) => onChange({ until: time })} />
    </search>
  );
}

function When({ label, value, onChange }: { label: string; value: string; onChange: (time: string) => void }) {
  return (
    <label>
      {label}
      <input type="datetime-local" value={value} onChange={({ target }) => onChange(target.value)} />
    </label>
  );
}

const inUtc = (time: string): string => new Date(time).toISOString();

const ask = (
  rest: RestClient,
  { action, deviceId, since, until }: Question,
  cursor: string | undefined,
): Promise<AuditPage> =>
  listAudit(rest, {
    query: {
      ...(action !== ANY && { action }),
      ...(deviceId !== ANY && { deviceId: deviceId as DeviceId }),
      ...(since !== '' && { since: inUtc(since) }),
      ...(until !== '' && { until: inUtc(until) }),
      ...(cursor !== undefined && { cursor }),
    },
  });

interface Asked {
  question: Question;
  devices: readonly DeviceView[];
}

function Entries({ question, devices }: Asked) {
  const first = useLoad((rest) => ask(rest, question, undefined));
  return (
    <section aria-labelledby="entries">
      <h2 id="entries">{texts().entries}</h2>
      <Loaded of={first}>{(page) => <Found question={question} devices={devices} first={page} />}</Loaded>
    </section>
  );
}

function Found({ question, devices, first }: Asked & { first: AuditPage }) {
  const { link } = useConsole();
  const action = useAction();
  const [later, setLater] = useState<readonly AuditPage[]>([]);
  const { nextCursor } = later.at(-1) ?? first;
  // The log grows at its other end, and an entry has no id: its place is its key.
  const entries = [first, ...later].flatMap((page) => page.entries).map((entry, place) => ({ entry, place }));
  const more = async () => setLater([...later, await ask(link.rest, question, nextCursor)]);
  return (
    <>
      {entries.length === 0 && nextCursor === undefined && <p role="status">{texts().none}</p>}
      <ol className="cards">
        {entries.map(({ entry, place }) => (
          <li key={place} className="item">
            <Told entry={entry} devices={devices} />
          </li>
        ))}
      </ol>
      <Refusal reason={action.refusal} />
      {nextCursor !== undefined && (
        <button type="button" disabled={action.isBusy} onClick={() => void action.run(more)}>
          {texts().more}
        </button>
      )}
    </>
  );
}

const nameOf = (devices: readonly DeviceView[], id: string): string =>
  devices.find(({ deviceId }) => deviceId === id)?.name ?? id;

function Told({ entry, devices }: { entry: Entry; devices: readonly DeviceView[] }) {
  const { actions, refused, by, on, session, from, daemon } = texts();
  const { at, action, outcome, deviceId, credential, targetDeviceId, tool, sessionId, address } = entry;
  const who = deviceId === undefined ? (credential ?? daemon) : nameOf(devices, deviceId);
  const what = targetDeviceId === undefined ? tool : nameOf(devices, targetDeviceId);
  return (
    <>
      <h3>{Object.hasOwn(actions, action) ? actions[action as keyof typeof actions] : action}</h3>
      <p className="quiet">
        <Moment at={at} />
      </p>
      {outcome !== 'ok' && <p className="refusal">{refused.replace('{code}', outcome)}</p>}
      <dl>
        <dt>{by}</dt>
        <dd>{who}</dd>
        {what !== undefined && (
          <>
            <dt>{on}</dt>
            <dd>{what}</dd>
          </>
        )}
        {sessionId !== undefined && (
          <>
            <dt>{session}</dt>
            <dd>
              <Anchor href={`/s/${sessionId}`}>{sessionId}</Anchor>
            </dd>
          </>
        )}
        {address !== undefined && (
          <>
            <dt>{from}</dt>
            <dd>{address}</dd>
          </>
        )}
      </dl>
    </>
  );
}
