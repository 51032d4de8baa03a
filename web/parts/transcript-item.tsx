import { lazy, memo } from 'react';
import { withRuns } from '../store/runs.js';
import { isNestedAlike, type Nested } from '../store/sections.js';
import type { Item, TextItem } from '../store/transcript.js';
import { t } from '../strings/t.js';
import { dollars, inSeconds } from './format.js';
import { HumanMessage } from './human-message.js';
import { Lazily } from './lazy-place.js';
import { Markdown } from './markdown.js';
import { MoreButton } from './more-button.js';
import { Tool } from './tool.js';
import { ToolRun } from './tool-run.js';
import { TurnDiff } from './turn-diff.js';

const BranchNotice = lazy(async () => ({ default: (await import('./branch-notice.js')).BranchNotice }));

interface TranscriptItemProps {
  item: Item;
  nested: Nested;
}

const TranscriptItem = memo(
  ({ item, nested }: TranscriptItemProps) => {
    switch (item.kind) {
      case 'human':
        return <HumanMessage item={item} />;
      case 'text':
      case 'thinking':
        return <Said item={item} />;
      case 'tool':
        return (
          <Tool tool={item}>
            <Entries items={nested.get(item.key) ?? []} nested={nested} />
          </Tool>
        );
      case 'end':
        return <End item={item} />;
      case 'diff':
        return <TurnDiff item={item} />;
      case 'branch':
        return (
          <Lazily>
            <BranchNotice before={item.before} />
          </Lazily>
        );
      case 'rewound':
        return <p className="notice quiet">{t(`rewound.${item.what}`)}</p>;
      case 'notice':
        return <p className={`notice ${item.level}`}>{item.text}</p>;
    }
  },
  // A tool changes with what its subagent says.
  (before, after) => before.item === after.item && isNestedAlike([after.item], before.nested, after.nested),
);

export interface EntriesProps {
  items: readonly Item[];
  nested: Nested;
}

/** Items in their order, with runs of finished tools folded. Drawn again only when one of them has changed. */
export const Entries = memo(
  ({ items, nested }: EntriesProps) =>
    withRuns(items, nested).map((entry) =>
      entry.kind === 'run' ? (
        <ToolRun key={entry.key} tools={entry.tools} />
      ) : (
        <TranscriptItem key={entry.key} item={entry} nested={nested} />
      ),
    ),
  (before, after) => before.items === after.items && isNestedAlike(after.items, before.nested, after.nested),
);

function Said({ item: { kind, key, text, isComplete } }: { item: TextItem }) {
  const id = messageOf(key);
  if (kind === 'thinking') {
    return (
      <details className="thinking" data-message={id}>
        <summary>{t('session.thinking')}</summary>
        <p dir="auto">{text}</p>
      </details>
    );
  }
  return (
    <div className="claude" data-message={id}>
      <article aria-label={t('session.claude')}>
        <Markdown text={text} isComplete={isComplete} />
      </article>
      {isComplete && <MoreButton id={id} text={text} />}
    </div>
  );
}

/** Of a block: its key is the id of its message and its place in it. */
const messageOf = (key: string): string => key.slice(0, key.lastIndexOf('/'));

function End({ item: { data } }: { item: Extract<Item, { kind: 'end' }> }) {
  const seconds = inSeconds(data.duration);
  return (
    <p className="end quiet">
      {data.isError ? t('session.failedTurn', { subtype: data.subtype }) : undefined}{' '}
      {data.cost === undefined
        ? t('session.ended', { seconds })
        : t('session.endedCost', { seconds, cost: dollars(data.cost) })}
    </p>
  );
}
