import { type FormEvent, useEffect, useEffectEvent, useState } from 'react';
import { RestError } from '../../client/rest/index.js';
import { type Credentials, loadCredentials } from '../link/credentials.js';
import { wordsOf } from '../link/link.js';
import { browserName, type Invitation, pairBrowser } from '../link/pair.js';
import { LanguageChoice } from '../parts/language-choice.js';
import { PasswordForm } from '../parts/password-form.js';
import { Refusal } from '../parts/refusal.js';
import { t } from '../strings/t.js';

export interface PairViewProps {
  /** From the address; its code is used at once. */
  invitation: Invitation | undefined;
  /** Also with the credential that the browser has, where the address had a code that is used up. */
  onPaired: (credentials: Credentials, isNew: boolean) => void;
}

/** Two ways to a credential: a code, and where the daemon has such people, a password. */
export function PairView(props: PairViewProps) {
  const [name, setName] = useState(browserName);
  return (
    <main className="pair">
      <h1>{t('pair.title')}</h1>
      <p>{t('pair.help')}</p>
      <CodeForm {...props} name={name} onName={setName} />
      <PasswordForm deviceName={name} onSignedIn={(credentials) => props.onPaired(credentials, true)} />
      <LanguageChoice />
    </main>
  );
}

const UNAUTHORIZED = 401;

const refusalOf = (error: unknown): string =>
  error instanceof RestError && error.status === UNAUTHORIZED ? t('pair.refused') : wordsOf(error);

interface CodeFormProps extends PairViewProps {
  name: string;
  onName: (name: string) => void;
}

function CodeForm({ invitation, onPaired, name, onName }: CodeFormProps) {
  const given = invitation?.code;
  const [code, setCode] = useState(given ?? '');
  const [isBusy, setBusy] = useState(false);
  const [refusal, setRefusal] = useState(invitation && given === undefined ? t('pair.broken') : undefined);

  const pair = async (wanted: string) => {
    setBusy(true);
    setRefusal(undefined);
    try {
      onPaired(await pairBrowser(wanted, name), true);
    } catch (error) {
      const known = wanted === given ? await loadCredentials() : undefined;
      if (known) return onPaired(known, false);
      setRefusal(refusalOf(error));
      setBusy(false);
    }
  };
  const pairGiven = useEffectEvent(() => {
    if (given !== undefined) void pair(given);
  });
  useEffect(() => pairGiven(), []);
  const onSubmit = (event: FormEvent) => {
    event.preventDefault();
    void pair(code);
  };

  return (
    <form onSubmit={onSubmit}>
      <label>
        {t('pair.code')}
        <input
          value={code}
          onChange={({ target }) => setCode(target.value)}
          autoComplete="one-time-code"
          autoCapitalize="characters"
          spellCheck={false}
          required
        />
      </label>
      <label>
        {t('pair.name')}
        <input value={name} onChange={({ target }) => onName(target.value)} maxLength={100} required />
      </label>
      <Refusal reason={refusal} />
      <button type="submit" className="primary" disabled={isBusy}>
        {isBusy ? t('pair.busy') : t('pair.submit')}
      </button>
    </form>
  );
}
