import { useEffect, useEffectEvent, useRef, useState } from 'react';
import type { ErrorCode } from '../../protocol/error-codes.js';
import type { Attachment } from '../../protocol/scalars.js';
import type { ConsoleState } from '../store/console-state.js';
import { useConsole } from '../views/use-console.js';
import { useAdded, withNote } from './draft-notes.js';
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
  const { link, store } = useConsole();
  const [text, setText] = useState(() => localStorage.getItem(draftKey(sessionId)) ?? '');
  const images = useImages();
  const [isKept, setKept] = useState(true);
  const { isBusy, refusal, code, run } = useAction();
  const last = useRef(unsentOf(sessionId));
  // At once, before the button is drawn as disabled: a key that is pressed twice sends once.
  const isSending = useRef(false);
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
  const request = async (unsent: Unsent, attachments: readonly Attachment[]) => {
    const { requestId, prompt, mode } = unsent;
    isSending.current = true;
    const data = { sessionId, prompt, mode, ...(attachments.length > 0 && { attachments: [...attachments] }) };
    // Images do not outlive the page.
    if (attachments.length === 0) keepUnsent(sessionId, unsent);
    const isSent = await run(() => link.send(data, requestId));
    // A page that is loaded does not send what was refused.
    forgetUnsent(sessionId);
    last.current = isSent || attachments.length > 0 ? undefined : unsent;
    isSending.current = false;
    // What was written meanwhile is another prompt.
    if (isSent && written.current === prompt) write('');
    if (isSent) images.clear();
  };
  const send = async (mode: Mode) => {
    if (isEmpty || isSending.current) return;
    const attachments = images.list.map(({ name, mediaType, data }) => ({ name, mediaType, data }));
    await request(orderOf(text, mode, attachments.length > 0 ? undefined : last.current), attachments);
  };
  const sendAgain = useEffectEvent(() => {
    if (last.current) void request(last.current, []);
  });
  useEffect(() => sendAgain(), []);
  const isOver = refusal !== undefined && isOverWith(code, isClosed(store.get(), sessionId));
  return { text, images, write, send, refusal, isOver, isKept, canSend: !isBusy && !isEmpty };
}
