import type { PositionedData } from './server-frames.js';

type StreamData = PositionedData<'streamData'>;

/** Whether `next` begins exactly where `last` ends, in the same block: only then may the two be joined. */
export const continuesText = (last: StreamData, next: StreamData): boolean =>
  last.messageId === next.messageId &&
  last.blockIndex === next.blockIndex &&
  !last.isComplete &&
  last.offset + last.content.text.length === next.offset;

/** Two pieces of text as one; the second must continue the first. */
export const joinText = (last: StreamData, next: StreamData): StreamData => ({
  ...last,
  content: { type: 'text', text: last.content.text + next.content.text },
  isComplete: next.isComplete,
  ...(next.aborted && { aborted: true }),
});

/** Without the first half of a character (UTF-16 units) whose second half is still to come. */
export const withoutHalf = (text: string): string => text.replace(/[\ud800-\udbff]$/, '');
