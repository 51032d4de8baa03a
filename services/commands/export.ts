/** A whole conversation as one document. */
import type { Export, ToldMessage } from '../../protocol/history.js';
import type { SessionId } from '../../protocol/scalars.js';
import { fileMarkdown, headMarkdown, messageMarkdown } from '../model/conversation-markdown.js';
import type { FilePlace, Files } from '../ports/workspace.js';
import { historyMessageOf } from '../sessions/history.js';
import type { Session } from '../sessions/session.js';
import { EXPORT_BUDGET, withoutTools, withTools } from '../sessions/told-messages.js';
import { type Caller, type CommandServices, sessionOf } from './command-context.js';

export interface ExportRequest extends Pick<Export, 'format'> {
  caller: Pick<Caller, 'device'>;
  sessionId: SessionId;
  withTools: boolean;
  /** Where the contents of changed files come from; absent: they are left out. */
  files?: Pick<Files, 'read'> | undefined;
}

export interface Exported {
  /** For a file name. */
  name: string;
  /** Made as they are read: the cost in memory is a page of messages. */
  pieces: AsyncGenerator<string>;
}

interface Document {
  head(session: Session, at: string): string;
  message(message: ToldMessage, before: ToldMessage | undefined): string;
  /** The end of the messages. */
  between: string;
  file(file: ExportedFile, isFirst: boolean): string;
  end: string;
}

type ExportedFile = { path: string; encoding: string; content: string } | { path: string; error: string };

/** Throws `SESSION_NOT_FOUND`. */
export function exportSession(services: CommandServices, asked: ExportRequest): Exported {
  const session = sessionOf(services, asked.caller, asked.sessionId);
  return { name: nameOf(session), pieces: piecesOf(services, session, asked) };
}

async function* piecesOf(
  { journal, now }: CommandServices,
  session: Session,
  { format, withTools: isWithTools, files }: ExportRequest,
): AsyncGenerator<string> {
  const document = DOCUMENTS[format];
  yield document.head(session, new Date(now()).toISOString());
  const changed = new Set<string>();
  let before: ToldMessage | undefined;
  for await (const message of conversation({ journal, session, isWithTools })) {
    noteFiles(changed, message);
    yield document.message(message, before);
    before = message;
  }
  yield document.between;
  if (files) yield* filesOf({ document, files, directory: session.state.record.directory, changed });
  yield document.end;
}

const PAGE = { limit: 20, bytes: 1024 * 1024 } as const;

interface Conversation {
  journal: CommandServices['journal'];
  session: Session;
  isWithTools: boolean;
}

/** All messages up to the end, oldest first; those that come meanwhile as well. */
async function* conversation({ journal, session, isWithTools }: Conversation): AsyncGenerator<ToldMessage> {
  for (let after = 0; ; ) {
    const page = await journal.readMessages({ sessionId: session.id, after, offset: 0, ...PAGE });
    const messages = page.messages.map(historyMessageOf);
    const last = messages.at(-1)?.seq;
    if (last === undefined) return;
    const reading = { journal, sessionId: session.id, messages, budget: EXPORT_BUDGET };
    yield* isWithTools ? await withTools(reading) : withoutTools(messages);
    after = last;
  }
}

const MAX_FILES = 1000;

/** The files that tools have written. */
function noteFiles(changed: Set<string>, { content, subagents = [] }: ToldMessage): void {
  for (const block of content) {
    if (block.result?.success && 'name' in block) noteFile(changed, block);
    for (const message of block.subagent ?? []) noteFiles(changed, message);
  }
  for (const { messages } of subagents) for (const message of messages) noteFiles(changed, message);
}

const WRITERS = new Set(['Write', 'Edit', 'MultiEdit']);

function noteFile(changed: Set<string>, { name, input }: { name?: unknown; input?: unknown }): void {
  const path = typeof input === 'object' && input !== null && 'file_path' in input ? input.file_path : undefined;
  if (typeof name === 'string' && WRITERS.has(name) && typeof path === 'string' && changed.size < MAX_FILES) {
    changed.add(path);
  }
}

interface ChangedFiles {
  document: Document;
  files: Pick<Files, 'read'>;
  directory: string;
  changed: ReadonlySet<string>;
}

async function* filesOf({ document, files, directory, changed }: ChangedFiles): AsyncGenerator<string> {
  let isFirst = true;
  for (const absolute of changed) {
    const path = absolute.startsWith(`${directory}/`) ? absolute.slice(directory.length + 1) : absolute;
    yield document.file(await readChanged(files, { directory, path }), isFirst);
    isFirst = false;
  }
}

/** As it is now; why it cannot be had, where it cannot. */
async function readChanged(files: Pick<Files, 'read'>, place: FilePlace): Promise<ExportedFile> {
  const { path } = place;
  try {
    const file = await files.read(place);
    try {
      let content = '';
      for await (const piece of file.pieces()) content += piece;
      return { path, encoding: file.encoding, content };
    } finally {
      await file.close();
    }
  } catch (error) {
    return { path, error: error instanceof Error ? error.message : String(error) };
  }
}

const nameOf = ({ state: { record } }: Session): string =>
  record.name ?? record.directory.slice(record.directory.lastIndexOf('/') + 1);

const aboutSession = (session: Session, exportedAt: string) => {
  const { sessionId, directory, name, claudeSessionId, model, createdAt, lastActivity } = session.state.record;
  return {
    sessionId,
    workingDirectory: directory,
    ...(name !== undefined && { sessionName: name }),
    ...(claudeSessionId !== undefined && { claudeSessionId }),
    ...(model !== undefined && { model }),
    createdAt: new Date(createdAt).toISOString(),
    lastActivity: new Date(lastActivity).toISOString(),
    exportedAt,
  };
};

const FACTS: readonly (readonly [keyof ReturnType<typeof aboutSession>, string])[] = [
  ['workingDirectory', 'Directory'],
  ['claudeSessionId', 'Conversation'],
  ['model', 'Model'],
  ['createdAt', 'Begun'],
  ['exportedAt', 'Exported'],
];

const DOCUMENTS: Readonly<Record<Export['format'], Document>> = {
  markdown: {
    head: (session, at) => {
      const about = aboutSession(session, at);
      const facts = FACTS.flatMap(([field, name]) =>
        about[field] === undefined ? [] : [[name, about[field]] as const],
      );
      return headMarkdown({ title: nameOf(session), facts });
    },
    message: (message, before) => messageMarkdown(message, { isNext: before?.type === message.type }),
    between: '',
    file: (file, isFirst) => {
      const shown = 'error' in file ? `*${file.path}: ${file.error}*\n\n` : fileMarkdown(file.path, file.content);
      return isFirst ? `## Files\n\n${shown}` : shown;
    },
    end: '',
  },
  json: {
    head: (session, at) => `{"session":${JSON.stringify(aboutSession(session, at))},"messages":[`,
    message: (message, before) => `${before ? ',' : ''}\n${JSON.stringify(message)}`,
    between: '\n],"files":[',
    file: (file, isFirst) => `${isFirst ? '' : ','}\n${JSON.stringify(file)}`,
    end: ']}\n',
  },
  jsonl: {
    head: (session, at) => `${JSON.stringify({ record: 'session', ...aboutSession(session, at) })}\n`,
    message: (message) => `${JSON.stringify({ record: 'message', ...message })}\n`,
    between: '',
    file: (file) => `${JSON.stringify({ record: 'file', ...file })}\n`,
    end: '',
  },
};
