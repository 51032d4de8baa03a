import './without-eval.js';
import './style.css';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { App } from './app.js';
import { startWorker } from './link/push.js';
import { keepLanguage } from './link/worker-language.js';
import { language, loadLanguage } from './strings/t.js';

/** In the language of the page, which comes first. */
async function show(): Promise<void> {
  await loadLanguage();
  // Notifications are in the language of the browser then.
  keepLanguage(language()).catch(() => {});
  const root = document.querySelector('#root');
  if (!root) return;
  createRoot(root).render(
    <StrictMode>
      <App />
    </StrictMode>,
  );
}

void show();
// The console works without it: only not without the daemon.
void startWorker().catch(() => {});
