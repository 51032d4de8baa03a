import { useEffect, useEffectEvent, useRef, useState } from 'react';
import type { ErrorCode } from '../../protocol/error-codes.js';
import type { ConsoleState } from '../store/console-state.js';
import { useConsole } from '../views/use-console.js';
import { useAdded, withNote } from './draft-notes.js';
import type { Image } from './kept-images.js';
import { draftKey, keepText } from './kept-text.js';
import { forgetUnsent, keepUnsent, type Mode, orderOf, type Unsent, unsentOf } from './unsent.js';
import { useAction } from './use-action.js';
import { useHanded } from './use-handed.js';
import { type Images, useImages } from './use-images.js';

export interface Draft {
  text: string;
  images: Images;
  write: (text: string) => void;
  send: (mode: Mode) => Promise<void>;
  /** Why it could not be sent. */
  refusal: string | undefined;
  /** It could not be sent since the session is closed or gone. */
  isOver: boolean;
  /** The browser has room for the text: it outlives the page. */
  isKept: boolean;
  canSend: boolean;
}

/** What is refused by a session that takes nothing more. */
const isOverWith = (code: ErrorCode | undefined, isClosed: boolean): boolean =>
  code === 'SESSION_NOT_FOUND' || (code === 'CONFLICT' && isClosed);

const isClosed = ({ sessions }: ConsoleState, sessionId: string): boolean => {
  const session = sessions.get(sessionId);
  return (session?.status ?? session?.view)?.status === 'closed';
};

/** What is being written, and whether it could be sent. */
export function useDraft(sessionId: string): Draft {
  const { store } = useConsole();
  const [text, setText] = useState(() => localStorage.getItem(draftKey(sessionId)) ?? '');
  const images = useImages(sessionId);
  const [isKept, setKept] = useState(true);
  const written = useRef(text);
  const isEmpty = text.trim() === '' && images.list.length === 0;
  const write = (draft: string) => {
    setText(draft);
    written.current = draft;
    setKept(keepText(draftKey(sessionId), draft));
  };
  const add = (note: string) => write(withNote(written.current, note));
  useAdded(sessionId, add);
  useHanded(sessionId, ({ text: added, files }) => {
    if (added !== '') add(added);
    void images.add(files);
  });
  const onSent = ({ prompt, images: ids = [] }: Unsent) => {
    // What was written meanwhile is another prompt.
    if (written.current === prompt) write('');
    if (ids.length > 0) images.remove(ids);
  };
  const { isBusy, refusal, code, send } = useSending({ sessionId, images, onSent });
  const isOver = refusal !== undefined && isOverWith(code, isClosed(store.get(), sessionId));
  return {
    text,
    images,
    write,
    send: (mode) => send(text, mode),
    refusal,
    isOver,
    isKept,
    canSend: !isBusy && !isEmpty,
  };
}

interface SendingOptions {
  sessionId: string;
  images: Images;
  onSent: (unsent: Unsent) => void;
}

/** Sends prompts one after the other; what a page before has sent without an answer is sent again, and taken once. */
function useSending({ sessionId, images, onSent }: SendingOptions) {
  const { link } = useConsole();
  const { isBusy, refusal, code, run } = useAction();
  const last = useRef(unsentOf(sessionId));
  // At once, before the button is drawn as disabled: a key that is pressed twice sends once.
  const isSending = useRef(false);
  const request = async (unsent: Unsent, shown: readonly Image[]) => {
    const { requestId, prompt, mode } = unsent;
    const data = { sessionId, prompt, mode, ...(shown.length > 0 && { attachments: attachmentsOf(shown) }) };
    keepUnsent(sessionId, unsent);
    const isSent = await run(() => link.send(data, requestId));
    // A page that is loaded does not send what was refused.
    forgetUnsent(sessionId);
    last.current = isSent ? undefined : unsent;
    if (isSent) onSent(unsent);
  };
  const once = async (ask: (shown: readonly Image[]) => Promise<void>) => {
    if (isSending.current) return;
    isSending.current = true;
    await ask(await images.all());
    isSending.current = false;
  };
  const send = (text: string, mode: Mode) =>
    once(async (shown) => {
      if (text.trim() === '' && shown.length === 0) return;
      await request(orderOf({ prompt: text, mode, images: shown.map(({ id }) => id) }, last.current), shown);
    });
  const sendAgain = useEffectEvent(async (unsent: Unsent) =>
    once(async (shown) => {
      const { images: ids = [] } = unsent;
      const own = shown.filter(({ id }) => ids.includes(id));
      // Without all of its images it is another prompt, which a person sends.
      if (own.length === ids.length) await request(unsent, own);
      else forgetUnsent(sessionId);
    }),
  );
  useEffect(() => {
    if (last.current) void sendAgain(last.current);
  }, []);
  return { isBusy, refusal, code, send };
}

export const attachmentsOf = (images: readonly Image[]) =>
  images.map(({ name, mediaType, data }) => ({ name, mediaType, data }));
