import { type FormEvent, useEffect, useState } from 'react';
import { RestError } from '../../client/rest/index.js';
import type { Credentials } from '../link/credentials.js';
import { wordsOf } from '../link/link.js';
import { signInBrowser, takesPasswords } from '../link/pair.js';
import { SIGN_IN_TEXTS } from '../strings/sign-in.js';
import { language } from '../strings/t.js';
import { Refusal } from './refusal.js';

export interface PasswordFormProps {
  deviceName: string;
  onSignedIn: (credentials: Credentials) => void;
}

const texts = () => SIGN_IN_TEXTS[language()];
const UNAUTHORIZED = 401;

const refusalOf = (error: unknown): string =>
  error instanceof RestError && error.status === UNAUTHORIZED ? texts().refused : wordsOf(error);

/** Signs in by a password, where the daemon knows people who have one. */
export function PasswordForm({ deviceName, onSignedIn }: PasswordFormProps) {
  const [isOffered, setOffered] = useState(false);
  const [name, setName] = useState('');
  const [password, setPassword] = useState('');
  const [isBusy, setBusy] = useState(false);
  const [refusal, setRefusal] = useState<string>();
  useEffect(() => void takesPasswords().then(setOffered), []);
  const onSubmit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setRefusal(undefined);
    try {
      onSignedIn(await signInBrowser({ name, password }, deviceName));
    } catch (error) {
      setRefusal(refusalOf(error));
      setBusy(false);
    }
  };
  if (!isOffered) return undefined;
  return (
    <section aria-labelledby="sign-in">
      <h2 id="sign-in">{texts().title}</h2>
      <form onSubmit={(event) => void onSubmit(event)}>
        <label>
          {texts().name}
          <input
            value={name}
            onChange={({ target }) => setName(target.value)}
            placeholder="ada@example.org"
            inputMode="email"
            autoComplete="username"
            autoCapitalize="none"
            spellCheck={false}
            required
          />
        </label>
        <label>
          {texts().password}
          <input
            type="password"
            value={password}
            onChange={({ target }) => setPassword(target.value)}
            autoComplete="current-password"
            required
          />
        </label>
        <Refusal reason={refusal} />
        <button type="submit" className="primary" disabled={isBusy}>
          {isBusy ? texts().busy : texts().submit}
        </button>
      </form>
    </section>
  );
}
