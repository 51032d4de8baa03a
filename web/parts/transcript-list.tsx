import { lazy, useContext, useEffect, useMemo, useRef } from 'react';
import { type Nested, nestedIn, type Section, sectionsOf } from '../store/sections.js';
import type { Item, Transcript } from '../store/transcript.js';
import { t } from '../strings/t.js';
import { Lazily } from './lazy-place.js';
import { light } from './light.js';
import { Refusal } from './refusal.js';
import { SessionId } from './session-id.js';
import { Entries } from './transcript-item.js';
import { useAction } from './use-action.js';
import { type AnchoredScroll, useAnchoredScroll } from './use-anchored-scroll.js';
import { useMissed } from './use-missed.js';
import { elementOf, useTarget } from './use-target.js';

export interface TranscriptListProps {
  transcript: Transcript;
  /** The id of a message or of a tool that is shown. */
  target?: string | undefined;
  /** Resolves when the older messages are there. */
  onOlder: () => Promise<void>;
}

/** Nearer to the beginning than so many screens, older messages are asked for. */
const AHEAD = 2;

export function TranscriptList({ transcript, target, onOlder }: TranscriptListProps) {
  const { items, phase, olderThan } = transcript;
  const scroll = useAnchoredScroll();
  const { list, content, isPinned, onScroll, pin } = scroll;
  const { sections, nested } = useSections(items);
  const { isBusy, refusal, run } = useAction();
  const isMissing = useTarget({ target, transcript, scroll, older: () => run(onOlder) });
  const lookAhead = () => {
    const { current } = list;
    if (!current || phase !== 'live' || isBusy || refusal !== undefined || olderThan === undefined) return;
    if (current.scrollTop < AHEAD * current.clientHeight) void run(onOlder);
  };
  return (
    <div
      className="transcript"
      ref={list}
      onScroll={() => {
        onScroll();
        lookAhead();
      }}
      role="log"
      aria-label={t('session.conversation')}
      aria-live="off"
      tabIndex={-1}
    >
      <News transcript={transcript} scroll={scroll} />
      <Refusal reason={isMissing ? t('session.noMessage') : undefined} />
      <Refusal reason={refusal && t('session.olderFailed', { reason: refusal })} />
      {olderThan !== undefined && (
        <button type="button" onClick={() => void run(onOlder)}>
          {t('session.older')}
        </button>
      )}
      {phase === 'live' && items.length === 0 && <p className="quiet">{t('session.empty')}</p>}
      <div ref={content}>
        {sections.map((section) => (
          <div key={section.key} className="section">
            <Entries items={section.items} nested={nested} />
          </div>
        ))}
      </div>
      {!isPinned && (
        <button type="button" className="newest" onClick={pin}>
          {t('session.newest')}
        </button>
      )}
    </div>
  );
}

const MissedLine = lazy(async () => ({ default: (await import('./missed-line.js')).MissedLine }));

/** What came while the person was away, and the way to it. */
function News({ transcript, scroll }: { transcript: Transcript; scroll: AnchoredScroll }) {
  const { missed, dismiss } = useMissed(useContext(SessionId), transcript);
  if (!missed) return undefined;
  const show = () => {
    const element = elementOf(scroll, missed.first);
    dismiss();
    if (!element) return;
    scroll.show(element);
    light(element);
  };
  return (
    <Lazily>
      <MissedLine missed={missed} onShow={show} onDismiss={dismiss} />
    </Lazily>
  );
}

/** As far as they are those of before, the same objects. */
function useSections(items: readonly Item[]): { sections: readonly Section[]; nested: Nested } {
  const before = useRef<{ sections: readonly Section[]; nested: Nested }>({ sections: [], nested: new Map() });
  const next = useMemo(() => {
    const top = items.filter((item) => !('parent' in item) || item.parent === undefined);
    const { current } = before;
    return { sections: sectionsOf(top, current.sections), nested: nestedIn(items, current.nested) };
  }, [items]);
  useEffect(() => {
    before.current = next;
  });
  return next;
}
