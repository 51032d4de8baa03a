import type { PositionedData } from './server-frames.js';

type StreamData = PositionedData<'streamData'>;

/** Whether `next` begins exactly where `last` ends, in the same block: only then can the two be joined. */
export const continuesText = (last: StreamData, next: StreamData): boolean =>
  last.messageId === next.messageId &&
  last.blockIndex === next.blockIndex &&
  !last.isComplete &&
  last.offset + last.content.text.length === next.offset;

/** Joins two pieces of text; the second must continue the first. */
export const joinText = (last: StreamData, next: StreamData): StreamData => ({
  ...last,
  content: { type: 'text', text: last.content.text + next.content.text },
  isComplete: next.isComplete,
  ...(next.aborted && { aborted: true }),
});

/** Removes a trailing half of a character (UTF-16 units) whose second half is still to come. */
export const withoutHalf = (text: string): string => text.replace(/[\ud800-\udbff]$/, '');
