/** A conversation as Markdown that reads well where GitHub shows it. */
import type { ContentBlock } from '../../protocol/content.js';
import type { ToldBlock, ToldMessage, ToolAnswer } from '../../protocol/history.js';
import { cutText } from '../../protocol/plain-text.js';

export interface DocumentHead {
  title: string;
  /** Rows of the table below the title. */
  facts: readonly (readonly [string, string])[];
}

export const headMarkdown = ({ title, facts }: DocumentHead): string =>
  `# ${oneLine(title)}\n\n| | |\n|---|---|\n${facts.map(([name, value]) => `| ${name} | ${cell(value)} |\n`).join('')}\n`;

const NAMES = { user: 'Person', assistant: 'Claude' } as const;

/** `isNext`: the message before is of the same speaker. */
export function messageMarkdown(message: ToldMessage, { isNext }: { isNext: boolean }): string {
  const { type, timestamp, content, subagents = [], truncated, toolsTruncated } = message;
  const at = timestamp === undefined ? '' : ` · ${timestamp.slice(0, 19).replace('T', ' ')} UTC`;
  return [
    ...(isNext ? [] : [`## ${NAMES[type]}${at}`]),
    ...content.map(blockMarkdown),
    ...subagents.map(({ messages }) => details('A subagent in the background', messages.map(innerMarkdown))),
    ...(truncated ? ['*This message is cut.*'] : []),
    ...(toolsTruncated ? ['*What tools did after this is cut.*'] : []),
  ]
    .filter((part) => part !== '')
    .map((part) => `${part}\n\n`)
    .join('');
}

const innerMarkdown = ({ content }: ToldMessage): string =>
  content
    .map(blockMarkdown)
    .filter((part) => part !== '')
    .join('\n\n');

function blockMarkdown(block: ToldBlock): string {
  if (block.type === 'thinking') return details('Thought', [textOf(block)]);
  if ('mediaType' in block) return `*An image: ${block.mediaType}, ${block.bytes} bytes.*`;
  if ('name' in block) return toolMarkdown(block);
  return textOf(block);
}

const textOf = (block: ContentBlock): string => ('text' in block ? closed(block.text ?? '') : `*${block.type}*`);

function toolMarkdown({ name, input, result, subagent = [] }: ToldBlock & { name: string; input?: unknown }): string {
  const about = aboutOf(input);
  const summary = `<b>${html(name)}</b>${about === '' ? '' : ` <code>${html(about)}</code>`}${markOf(result)}`;
  return details(summary, [
    fenced(JSON.stringify(input, null, 2) ?? '', 'json'),
    ...subagent.map(innerMarkdown),
    ...(result ? [fenced(result.text, 'text'), ...(result.truncated ? ['*This result is cut.*'] : [])] : []),
  ]);
}

const markOf = (result: ToolAnswer | undefined): string =>
  !result ? ' (no result)' : result.success ? '' : ' (failed)';

/** What a tool use is about: the first of these fields of its input. */
const TELLING = ['command', 'file_path', 'pattern', 'url', 'query', 'description', 'path'];
const MAX_ABOUT = 100;

function aboutOf(input: unknown): string {
  const fields = typeof input === 'object' && input !== null ? (input as Record<string, unknown>) : {};
  const found = TELLING.map((name) => fields[name]).find((value) => typeof value === 'string');
  return typeof found === 'string' ? cutText(oneLine(found), MAX_ABOUT) : '';
}

/** Markdown within needs empty lines around it. */
const details = (summary: string, parts: readonly string[]): string =>
  `<details><summary>${summary}</summary>\n\n${parts.filter((part) => part !== '').join('\n\n')}\n\n</details>`;

export const fileMarkdown = (path: string, content: string): string =>
  `### ${oneLine(path)}\n\n${fenced(content, extensionOf(path))}\n\n`;

const extensionOf = (path: string): string => /\.(\w{1,16})$/.exec(path)?.[1] ?? 'text';

const FENCE = 3;

/** A fence that is longer than any in the text. */
function fenced(text: string, language: string): string {
  const longest = Math.max(FENCE - 1, ...Array.from(text.matchAll(/`{3,}/g), ([run]) => run.length));
  const fence = '`'.repeat(longest + 1);
  return `${fence}${language}\n${text}${text.endsWith('\n') ? '' : '\n'}${fence}`;
}

/** A text whose open fence would take in what follows is closed. */
function closed(text: string): string {
  let open: string | undefined;
  for (const [, run = ''] of text.matchAll(/^ {0,3}(`{3,}|~{3,})/gm)) {
    if (open === undefined) open = run;
    else if (run[0] === open[0] && run.length >= open.length) open = undefined;
  }
  return open === undefined ? text : `${text}\n${open}`;
}

const oneLine = (text: string): string => text.replace(/\s+/g, ' ').trim();
const cell = (text: string): string => oneLine(text).replaceAll('|', '\\|');
const html = (text: string): string => text.replace(/[&<>]/g, (sign) => `&#${sign.charCodeAt(0)};`);
