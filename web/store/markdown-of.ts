/** A conversation as Markdown, to be taken elsewhere. Pure. */
import type { Item } from './transcript.js';

export interface Speakers {
  human: string;
  claude: string;
}

/** What was said, by whom, and which tools ran; without what tools were given and what subagents have said. */
export function markdownOf(items: readonly Item[], { human, claude }: Speakers): string {
  const parts: string[] = [];
  let speaker = '';
  const say = (who: string, text: string) => {
    if (who !== speaker) parts.push(`## ${who}`);
    speaker = who;
    parts.push(text);
  };
  for (const item of items) {
    if (item.kind === 'human') say(human, item.text);
    else if (item.kind === 'text' && item.parent === undefined) say(claude, item.text);
    else if (item.kind === 'tool' && item.parent === undefined) say(claude, `*${item.name}*`);
  }
  return parts.map((part) => `${part}\n`).join('\n');
}
