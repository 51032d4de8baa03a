/** What another app shares with the installed console: kept in this browser, for a person to choose where it goes. */
import { hand, TO_CHOOSE } from '../link/handed.js';

/** As in the manifest. */
const ACTION = '/share';
const TEXTS = ['title', 'text', 'url'];
const FILES = 'images';
const SEE_OTHER = 303;

/** Undefined for any other request. Nothing of it is sent to the daemon here. */
export function answerShare(request: Request): Promise<Response> | undefined {
  const { origin, pathname } = new URL(request.url);
  if (request.method !== 'POST' || origin !== location.origin || pathname !== ACTION) return undefined;
  return keep(request);
}

async function keep(request: Request): Promise<Response> {
  const form = await request.formData();
  const said = TEXTS.flatMap((name) => form.getAll(name)).filter((value) => typeof value === 'string');
  // Apps put the same address into several fields.
  const texts = said.filter(
    (text, index) => text.trim() !== '' && !said.slice(0, index).some((one) => one.includes(text)),
  );
  const files = form.getAll(FILES).filter((value) => value instanceof File && value.size > 0) as File[];
  await hand(TO_CHOOSE, { text: texts.join('\n'), files });
  return Response.redirect('/#/share', SEE_OTHER);
}
