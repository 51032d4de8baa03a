import type { ContentBlock } from '../../../protocol/content.js';
import type { ToldSaid } from '../../ports/search.js';
import type { TranscriptEntry } from '../../ports/transcripts.js';

/** UTF-16 units of one text. */
const MAX_TEXT = 16_384;
/** UTF-16 units after which a page ends, so that handing it over takes no time. */
const MAX_PAGE = 65_536;

/** What was said in a conversation, in pages. What has no time counts as said with what came before it. */
export function* saidPages(entries: readonly TranscriptEntry[]): Generator<ToldSaid[]> {
  let page: ToldSaid[] = [];
  let [units, at] = [0, 0];
  for (const entry of entries) {
    at = entry.at ?? at;
    const said = saidIn(entry);
    if (said.text === '') continue;
    page.push({ ...said, at });
    units += said.text.length;
    if (units < MAX_PAGE) continue;
    yield page;
    page = [];
    units = 0;
  }
  if (page.length > 0) yield page;
}

function saidIn(entry: TranscriptEntry): Omit<ToldSaid, 'at'> {
  switch (entry.kind) {
    case 'human':
      return { role: 'user', text: cut(entry.content.map(textIn).join('\n')), messageId: entry.uuid };
    case 'block':
      return blockIn(entry);
    case 'toolResult': {
      const { text, toolName, toolId } = entry;
      return { role: 'tool', text: cut(text), toolName, toolId };
    }
  }
}

function blockIn({ content, messageId }: Extract<TranscriptEntry, { kind: 'block' }>): Omit<ToldSaid, 'at'> {
  if (content.type !== 'tool_use' || !('input' in content)) {
    return { role: 'assistant', text: cut(textIn(content)), messageId };
  }
  const { name: toolName, id: toolId, input } = content;
  return { role: 'tool', text: cut(`${toolName}\n${JSON.stringify(input)}`), toolName, toolId };
}

const textIn = (content: ContentBlock): string =>
  content.type === 'text' && 'text' in content ? (content.text ?? '') : '';

const cut = (text: string): string => text.slice(0, MAX_TEXT);
