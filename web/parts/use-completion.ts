import { type KeyboardEvent, type RefObject, useEffect, useState } from 'react';
import { wordsOf } from '../link/link.js';
import { type Asked, askedIn, completed } from '../store/completion.js';
import { t } from '../strings/t.js';
import { useConsole, useStore } from '../views/use-console.js';

interface Choice {
  value: string;
  description: string;
}

export interface Completion {
  asked: Asked | undefined;
  choices: readonly Choice[];
  /** Why there are none. */
  refusal: string | undefined;
  active: number;
  take: (choice: Choice) => void;
  /** Whether the key was for the list. */
  onKey: (event: KeyboardEvent) => boolean;
  /** The text or the cursor has changed. */
  look: () => void;
}

const MAX_CHOICES = 8;

export interface CompletionOptions {
  sessionId: string;
  field: RefObject<HTMLTextAreaElement | null>;
  write: (text: string) => void;
}

export function useCompletion({ sessionId, field, write }: CompletionOptions): Completion {
  const [asked, setAsked] = useState<Asked>();
  const [active, setActive] = useState(0);
  const files = useFiles(sessionId, asked);
  const commands = useCommands(sessionId, asked);
  const { choices, refusal } = asked?.kind === 'commands' ? commands : files;
  const look = () => {
    const { current } = field;
    const next = current ? askedIn(current.value.slice(0, current.selectionStart)) : undefined;
    if (next?.kind === asked?.kind && next?.query === asked?.query && next?.from === asked?.from) return;
    setActive(0);
    setAsked(next);
  };
  const take = ({ value }: Choice) => {
    const { current } = field;
    if (!current || !asked) return;
    const next = completed(current.value, asked, value);
    write(next.text);
    setAsked(undefined);
    requestAnimationFrame(() => {
      current.focus();
      current.setSelectionRange(next.caret, next.caret);
      look();
    });
  };
  const onKey = (event: KeyboardEvent) => {
    if (!asked) return false;
    const choice = choices[active];
    const steps: Record<string, number> = { ArrowDown: 1, ArrowUp: -1 };
    const step = steps[event.key];
    if (event.key === 'Escape') setAsked(undefined);
    else if (choice && step !== undefined) setActive((active + step + choices.length) % choices.length);
    else if (choice && (event.key === 'Enter' || event.key === 'Tab') && !event.shiftKey) take(choice);
    else return false;
    event.preventDefault();
    return true;
  };
  return { asked, choices, refusal, active, take, onKey, look };
}

interface Found {
  choices: readonly Choice[];
  refusal: string | undefined;
}

const NOTHING: Found = { choices: [], refusal: undefined };

/** Those of the last question; answers to earlier ones are dropped. */
function useFiles(sessionId: string, asked: Asked | undefined): Found {
  const { client } = useConsole().link;
  const [found, setFound] = useState(NOTHING);
  const query = asked?.kind === 'files' ? asked.query : undefined;
  useEffect(() => {
    if (query === undefined) return setFound(NOTHING);
    let isWanted = true;
    const tell = (next: Found) => isWanted && setFound(next);
    client.suggestFiles({ sessionId, query }).then(
      ({ files }) => {
        const choices = files.slice(0, MAX_CHOICES).map(({ path }) => ({ value: path, description: '' }));
        tell({ choices, refusal: choices.length === 0 ? t('composer.noMatch') : undefined });
      },
      (error: unknown) => tell({ choices: [], refusal: t('composer.notCompleted', { reason: wordsOf(error) }) }),
    );
    return () => {
      isWanted = false;
    };
  }, [client, sessionId, query]);
  return found;
}

function useCommands(sessionId: string, asked: Asked | undefined): Found {
  const capabilities = useStore((state) => state.details.get(sessionId)?.capabilities);
  if (asked?.kind !== 'commands' || capabilities === undefined || capabilities.kind === 'loading') return NOTHING;
  if (capabilities.kind === 'failed')
    return { choices: [], refusal: t('composer.notCompleted', { reason: capabilities.because }) };
  const query = asked.query.toLowerCase();
  const fitting = capabilities.value.commands.filter(
    ({ name, terminalOnly }) => !terminalOnly && name.toLowerCase().includes(query),
  );
  const first = fitting.sort((a, b) => Number(b.name.startsWith(query)) - Number(a.name.startsWith(query)));
  const choices = first.slice(0, MAX_CHOICES).map(({ name, argumentHint = '', description }) => ({
    value: name,
    description: `${argumentHint} ${description}`.trim(),
  }));
  // A path or a word of a person's own is not a mistake.
  return { choices, refusal: undefined };
}
