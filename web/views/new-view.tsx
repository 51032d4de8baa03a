import { type FormEvent, useRef, useState } from 'react';
import { useLocation } from 'wouter';
import { TO_NEW } from '../link/handed.js';
import { wordsOf } from '../link/link.js';
import { newId } from '../link/new-id.js';
import { AddImages, ImageBar } from '../parts/image-bar.js';
import { NEW_DIRECTORY, NEW_PROMPT } from '../parts/kept-text.js';
import { ProjectChoice } from '../parts/project-choice.js';
import { Refusal } from '../parts/refusal.js';
import { useHanded } from '../parts/use-handed.js';
import { useImages } from '../parts/use-images.js';
import { useKeptText } from '../parts/use-kept-text.js';
import { t } from '../strings/t.js';
import { useConsole, useStore } from './use-console.js';

/** A directory and a first message. */
export function NewView() {
  const { link } = useConsole();
  const sessions = useStore((state) => state.sessions);
  const [, navigate] = useLocation();
  const [directory, setDirectory] = useKeptText(NEW_DIRECTORY);
  const [prompt, setPrompt] = useKeptText(NEW_PROMPT);
  const images = useImages();
  const [refusal, setRefusal] = useState<string>();
  const [isBusy, setBusy] = useState(false);
  // The same prompt however often it is sent: the daemon runs it once.
  const requestId = useRef(newId());
  useHanded(TO_NEW, ({ text, files }) => {
    if (text !== '') setPrompt([prompt, text].filter((one) => one !== '').join('\n\n'));
    void images.add(files);
  });
  const directories = [...new Set([...sessions.values()].map(({ view }) => view.workingDirectory))];

  const onSubmit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setRefusal(undefined);
    try {
      const attachments = images.list.map(({ name, mediaType, data }) => ({ name, mediaType, data }));
      const order = { workingDirectory: directory, prompt, ...(attachments.length > 0 && { attachments }) };
      const sessionId = await link.start(order, requestId.current);
      setPrompt('');
      navigate(`/s/${sessionId}`);
    } catch (error) {
      requestId.current = newId();
      setRefusal(wordsOf(error));
      setBusy(false);
    }
  };

  return (
    <main className="pair">
      <h1>{t('new.title')}</h1>
      <form onSubmit={(event) => void onSubmit(event)}>
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
