import { type KeyboardEvent, useId, useState } from 'react';
import { useLocation } from 'wouter';
import type { SessionView } from '../../protocol/rest.js';
import { filesHref } from '../store/files.js';
import { t } from '../strings/t.js';
import { placeLinks } from '../views/places.js';
import { useConsole, useStore } from '../views/use-console.js';
import { Modal } from './modal.js';
import { Refusal } from './refusal.js';
import { useAction } from './use-action.js';
import { noteOpened, useDaemons } from './use-daemons.js';

interface Command {
  id: string;
  words: string;
  /** What it is, or where. */
  hint: string;
  run: () => unknown;
}

export interface PaletteProps {
  onClose: () => void;
  onHelp: () => void;
}

const MOST = 50;

/** Goes to views and sessions and does what can be done, by a few letters of its words. */
export function Palette({ onClose, onHelp }: PaletteProps) {
  const list = useId();
  const { refusal, run } = useAction();
  const [query, setQuery] = useState('');
  const [at, setAt] = useState(0);
  const fitting = useCommands(onHelp).filter(isFitting(query)).slice(0, MOST);
  const take = async (command: Command | undefined) => {
    if (command && (await run(async () => await command.run())) && command.id !== 'help') onClose();
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (event.nativeEvent.isComposing || (step === undefined && event.key !== 'Enter')) return;
    event.preventDefault();
    if (step === undefined) void take(fitting[at]);
    else setAt((at + step + fitting.length) % Math.max(fitting.length, 1));
  };
  return (
    <Modal label={t('palette.title')} onClose={onClose}>
      <input
        role="combobox"
        aria-label={t('palette.field')}
        aria-expanded="true"
        aria-controls={list}
        aria-autocomplete="list"
        aria-activedescendant={fitting[at] && `${list}-${at}`}
        placeholder={t('palette.field')}
        value={query}
        onChange={({ target }) => {
          setQuery(target.value);
          setAt(0);
        }}
        onKeyDown={onKeyDown}
        autoComplete="off"
        spellCheck={false}
      />
      <Refusal reason={refusal} />
      <div role="listbox" id={list} aria-label={t('palette.title')}>
        {fitting.map((command, index) => (
          <Choice key={command.id} id={`${list}-${index}`} isChosen={index === at} command={command} onTake={take} />
        ))}
      </div>
      <p role="status" className="quiet">
        {fitting.length === 0 && t('composer.noMatch')}
      </p>
    </Modal>
  );
}

interface ChoiceProps {
  id: string;
  isChosen: boolean;
  command: Command;
  onTake: (command: Command) => Promise<void>;
}

/** The focus stays in the field. */
function Choice({ id, isChosen, command, onTake }: ChoiceProps) {
  const reveal = (element: HTMLElement | null) => isChosen && element?.scrollIntoView({ block: 'nearest' });
  return (
    <div
      ref={(element) => void reveal(element)}
      id={id}
      role="option"
      tabIndex={-1}
      aria-selected={isChosen}
      onPointerDown={(event) => event.preventDefault()}
      onClick={() => void onTake(command)}
      onKeyDown={() => {}}
    >
      <span>{command.words}</span>
      <span className="quiet">{command.hint}</span>
    </div>
  );
}

/** Every word of the query begins or is in the words of the command. */
function isFitting(query: string): (command: Command) => boolean {
  const wanted = query.toLowerCase().split(/\s+/).filter(Boolean);
  return ({ words, hint }) => wanted.every((word) => `${words} ${hint}`.toLowerCase().includes(word));
}

function useCommands(onHelp: () => void): Command[] {
  const { link } = useConsole();
  const [path, navigate] = useLocation();
  const daemons = useDaemons();
  const sessions = useStore((state) => state.sessions);
  const shown = sessions.get(/^\/s\/(.+)$/.exec(path)?.[1] ?? '');
  const stop = async () => shown && link.client.interrupt({ sessionId: shown.view.sessionId });
  const ofSession = ({ sessionId, projectName: hint }: SessionView): Command[] => [
    { id: 'stop', words: t('session.stop'), hint, run: stop },
    { id: 'files', words: t('files.title'), hint, run: () => navigate(filesHref(sessionId)) },
  ];
  const view = t('palette.view');
  const action = t('palette.action');
  const newest = [...sessions.values()].sort((a, b) => b.view.lastActivity.localeCompare(a.view.lastActivity));
  return [
    ...(shown ? ofSession(shown.view) : []),
    { id: 'new', words: t('home.new'), hint: action, run: () => navigate('/new') },
    { id: 'home', words: t('session.back'), hint: view, run: () => navigate('/') },
    ...newest.map(({ view: { sessionId, projectName, workingDirectory } }) => ({
      id: sessionId,
      words: projectName,
      hint: workingDirectory,
      run: () => navigate(`/s/${sessionId}`),
    })),
    ...placeLinks.map(({ path: to, title }) => ({ id: to, words: t(title), hint: view, run: () => navigate(to) })),
    ...daemons.map(({ name, origin }) => ({
      id: origin,
      words: name,
      hint: t('daemons.title'),
      run: () => {
        noteOpened(origin);
        location.assign(origin);
      },
    })),
    { id: 'help', words: t('keys.title'), hint: action, run: onHelp },
  ];
}
