import { useState } from 'react';
import type { StringKey } from '../strings/en.js';
import { t } from '../strings/t.js';
import { Modal } from './modal.js';
import { hasSingleKeys, setSingleKeys } from './single-keys.js';

const KEYS: readonly { keys: readonly string[]; does: StringKey }[] = [
  { keys: ['Ctrl K', '⌘ K'], does: 'keys.palette' },
  { keys: ['j', 'k'], does: 'keys.choose' },
  { keys: ['Enter'], does: 'keys.open' },
  { keys: ['a'], does: 'keys.allow' },
  { keys: ['d'], does: 'keys.deny' },
  { keys: ['n'], does: 'keys.new' },
  { keys: ['?'], does: 'keys.help' },
];

/** What the keys do. */
export function KeyHelp({ onClose }: { onClose: () => void }) {
  const [isOn, setOn] = useState(hasSingleKeys);
  return (
    <Modal label={t('keys.title')} onClose={onClose}>
      <header>
        <h2>{t('keys.title')}</h2>
        <button type="button" onClick={onClose}>
          {t('keys.close')}
        </button>
      </header>
      <dl>
        {KEYS.map(({ keys, does }) => (
          <div key={does} className="check">
            <dt>
              {keys.map((key) => (
                <span key={key}>
                  <kbd>{key}</kbd>{' '}
                </span>
              ))}
            </dt>
            <dd>{t(does)}</dd>
          </div>
        ))}
      </dl>
      <label className="choice">
        <input
          type="checkbox"
          checked={isOn}
          onChange={({ target }) => {
            setSingleKeys(target.checked);
            setOn(target.checked);
          }}
        />
        {t('keys.single')}
      </label>
    </Modal>
  );
}
