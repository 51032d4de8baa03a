import { type FormEvent, useState } from 'react';
import { useLocation } from 'wouter';
import { TO_NEW } from '../link/handed.js';
import { codeOf, wordsOf } from '../link/link.js';
import { AddImages, ImageBar } from '../parts/image-bar.js';
import { NEW_DIRECTORY, NEW_PROMPT } from '../parts/kept-text.js';
import { ProjectChoice } from '../parts/project-choice.js';
import { Refusal } from '../parts/refusal.js';
import { forgetUnsent, keepUnsent, orderOf, unsentOf } from '../parts/unsent.js';
import { attachmentsOf } from '../parts/use-draft.js';
import { useHanded } from '../parts/use-handed.js';
import { useImages } from '../parts/use-images.js';
import { useKeptText } from '../parts/use-kept-text.js';
import { t } from '../strings/t.js';
import { useConsole, useStore } from './use-console.js';

/** What is begun, and whether it could be. What is written outlives the page. */
function useNewSession() {
  const { link } = useConsole();
  const [, navigate] = useLocation();
  const [directory, setDirectory] = useKeptText(NEW_DIRECTORY);
  const [prompt, setPrompt] = useKeptText(NEW_PROMPT);
  const images = useImages(TO_NEW);
  const [refusal, setRefusal] = useState<string>();
  const [isBusy, setBusy] = useState(false);
  useHanded(TO_NEW, ({ text, files }) => {
    if (text !== '') setPrompt([prompt, text].filter((one) => one !== '').join('\n\n'));
    void images.add(files);
  });
  const start = async () => {
    setBusy(true);
    setRefusal(undefined);
    const shown = await images.all();
    const ids = shown.map(({ id }) => id);
    // The same one however often it is sent, also by a page that is loaded meanwhile: the daemon runs it once.
    const unsent = orderOf(
      { prompt: JSON.stringify([directory, prompt]), mode: 'queue', images: ids },
      unsentOf(TO_NEW),
    );
    keepUnsent(TO_NEW, unsent);
    try {
      const attachments = shown.length > 0 && { attachments: attachmentsOf(shown) };
      const sessionId = await link.start({ workingDirectory: directory, prompt, ...attachments }, unsent.requestId);
      forgetUnsent(TO_NEW);
      setPrompt('');
      images.remove(ids);
      navigate(`/s/${sessionId}`);
    } catch (error) {
      // One without an answer may have been taken.
      if (codeOf(error) !== undefined) forgetUnsent(TO_NEW);
      setRefusal(wordsOf(error));
      setBusy(false);
    }
  };
  return { directory, setDirectory, prompt, setPrompt, images, refusal, isBusy, start };
}

/** A directory and a first message. */
export function NewView() {
  const { directory, setDirectory, prompt, setPrompt, images, refusal, isBusy, start } = useNewSession();
  const sessions = useStore((state) => state.sessions);
  const [, navigate] = useLocation();
  const directories = [...new Set([...sessions.values()].map(({ view }) => view.workingDirectory))];
  const onSubmit = (event: FormEvent) => {
    event.preventDefault();
    void start();
  };
  return (
    <main className="pair">
      <h1>{t('new.title')}</h1>
      <form onSubmit={onSubmit}>
        <label>
          {t('new.directory')}
          <input
            value={directory}
            onChange={({ target }) => setDirectory(target.value)}
            list="directories"
            spellCheck={false}
            autoCapitalize="none"
            required
          />
          <datalist id="directories">
            {directories.map((path) => (
              <option key={path} value={path} />
            ))}
          </datalist>
        </label>
        <ProjectChoice directory={directory} onChoose={setDirectory} />
        <label>
          {t('new.prompt')}
          <textarea value={prompt} onChange={({ target }) => setPrompt(target.value)} rows={4} dir="auto" />
        </label>
        <ImageBar images={images} />
        <Refusal reason={refusal} />
        <div className="row">
          <button type="submit" className="primary" disabled={isBusy}>
            {t('new.start')}
          </button>
          <button type="button" onClick={() => navigate('/')}>
            {t('new.cancel')}
          </button>
          <AddImages images={images} />
        </div>
      </form>
    </main>
  );
}
