import { useState } from 'react';
import { AddForm } from '../parts/add-form.js';
import { Moment } from '../parts/moment.js';
import { Page } from '../parts/page.js';
import { SureButton } from '../parts/sure-button.js';
import { TextField } from '../parts/text-field.js';
import { keepDaemons, noteOpened, useDaemons } from '../parts/use-daemons.js';
import { type Daemon, withDaemon, withoutDaemon } from '../store/daemons.js';
import { DAEMONS_TEXTS } from '../strings/daemons.js';
import { language, t } from '../strings/t.js';

const texts = () => DAEMONS_TEXTS[language()];

/** The daemons of a person: this one, and links to the consoles of the others. */
export function DaemonsView() {
  const daemons = useDaemons();
  return (
    <Page title={t('daemons.title')}>
      <p className="quiet">{texts().help}</p>
      <h2>{texts().known}</h2>
      <ul className="cards">
        <li className="item">
          <h3>
            {location.host} <span className="tag">{texts().here}</span>
          </h3>
        </li>
        {daemons.map((daemon) => (
          <li key={daemon.origin} className="item">
            <Other daemon={daemon} />
          </li>
        ))}
      </ul>
      <Add />
    </Page>
  );
}

function Other({ daemon: { name, origin, openedAt } }: { daemon: Daemon }) {
  const daemons = useDaemons();
  return (
    <>
      <h3>
        <a href={origin} className="touch" onClick={() => noteOpened(origin)}>
          {name}
        </a>
      </h3>
      <dl>
        <dt>{texts().address}</dt>
        <dd>{origin}</dd>
        <dt>{texts().opened}</dt>
        <dd>{openedAt === undefined ? texts().never : <Moment at={openedAt} />}</dd>
      </dl>
      <SureButton
        label={t('budgets.removeOf', { words: name })}
        question={texts().removeSure}
        isBusy={false}
        onSure={() => void keepDaemons(withoutDaemon(daemons, origin))}
      >
        {t('budgets.remove')}
      </SureButton>
    </>
  );
}

function Add() {
  const daemons = useDaemons();
  const [name, setName] = useState('');
  const [address, setAddress] = useState('');
  const add = async () => {
    const next = withDaemon(daemons, { name, address, own: location.origin });
    if (!next) throw new Error(texts().problem);
    if (!keepDaemons(next)) throw new Error(t('composer.notKept'));
    setName('');
    setAddress('');
  };
  return (
    <AddForm title={texts().add} submit={texts().submit} onAdd={add}>
      <TextField label={texts().name} value={name} onChange={setName} />
      <TextField
        label={texts().address}
        value={address}
        placeholder="https://companion.example.org"
        onChange={setAddress}
      />
    </AddForm>
  );
}
