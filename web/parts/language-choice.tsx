import { LANGUAGES, type Language } from '../strings/languages.js';
import { chooseLanguage, language, t } from '../strings/t.js';
import { Select } from './select.js';

const KNOWN = Object.keys(LANGUAGES) as Language[];

/** The page is loaded again in the language that is chosen. */
export function LanguageChoice() {
  return (
    <footer className="language">
      <Select
        label={t('language.label')}
        value={language()}
        options={KNOWN}
        wordsOf={(one) => LANGUAGES[one]}
        onChoose={chooseLanguage}
      />
    </footer>
  );
}
