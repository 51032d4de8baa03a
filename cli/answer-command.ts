import type { ClientInput } from '../protocol/client-frames.js';
import { CompanionError } from '../protocol/error-codes.js';
import { plainLine } from '../protocol/plain-text.js';
import { type WaitingSession, waitingSchema } from '../protocol/waiting.js';
import { since } from './amounts.js';
import { AskView } from './ask-view.js';
import { InterruptedError } from './cli-errors.js';
import { type CommandContext, get, post, type Report, say } from './commands.js';
import { PermissionDialogue } from './permission-dialogue.js';
import { isReplyWord, replyOfWord } from './permission-question.js';
import type { PermissionReply } from './question.js';
import { pick } from './read-text.js';
import { readPresentFile } from './tool-preview.js';
import { readWaiting } from './waiting-sessions.js';

type OpenRequest = WaitingSession['permissions'][number];

interface AnswerArguments {
  /** The id of a request or its beginning, and the words of the answer; both are optional. */
  words: readonly string[];
  /** With a denial: the message for Claude. */
  message?: string;
}

/**
 * Answers an open request of any session. Without an id it is the only open one, or the one that the person picks;
 * without an answer the person is asked. Words other than those that allow or deny need an id: a mistyped id must not
 * become an answer.
 */
export async function answerCommand(context: CommandContext, { words, message }: AnswerArguments): Promise<Report> {
  const open = await openRequests(context);
  const [first] = words;
  const named = first === undefined ? undefined : findById(open, first);
  if (first !== undefined && !named && !(words.length === 1 && isReplyWord(first))) throw notOpen(first);
  const request = named ?? (await theOne(context, open));
  const word = (named ? words.slice(1) : words).join(' ');
  const whole = await wholeOf(context, request);
  if (word === '') return answerByPerson(context, whole);
  const reply = replyOfWord(whole, word, message);
  if (!reply) throw wrongWord(whole);
  return report(request, await send(context, whole, reply));
}

async function openRequests(context: CommandContext): Promise<OpenRequest[]> {
  const { sessions } = waitingSchema.parse(await get(context, '/api/waiting'));
  return sessions.flatMap(({ permissions }) => permissions);
}

const MIN_PREFIX = 4;

function findById(open: readonly OpenRequest[], id: string): OpenRequest | undefined {
  const exact = open.find(({ permissionId }) => permissionId === id);
  const begun = id.length < MIN_PREFIX ? [] : open.filter(({ permissionId }) => permissionId.startsWith(id));
  return exact ?? (begun.length === 1 ? begun[0] : undefined);
}

async function theOne({ io, hints }: CommandContext, open: readonly OpenRequest[]): Promise<OpenRequest> {
  const [first, second] = open;
  if (!first) throw new CompanionError('NOT_FOUND', 'No request waits for an answer.');
  if (!second) return first;
  return pick({
    io,
    items: open,
    lineOf: ({ prompt, toolName, askedAt }) => `${toolName}: ${prompt} (asked ${since(askedAt)} ago)`,
    what: 'Request',
    otherwise: `${open.length} requests are open. Name one: ${hints.companion('waiting')}`,
  });
}

/** The list truncates long requests. */
async function wholeOf({ socketPath }: CommandContext, request: OpenRequest) {
  const session = await readWaiting(socketPath, request.sessionId);
  const whole = session?.permissions.find(({ permissionId }) => permissionId === request.permissionId);
  if (!session || !whole) throw notOpen(request.permissionId);
  return { ...whole, workingDirectory: session.workingDirectory };
}

type WholeRequest = Awaited<ReturnType<typeof wholeOf>>;

async function answerByPerson(context: CommandContext, request: WholeRequest): Promise<Report> {
  const { io, hints } = context;
  const { permissionId, prompt, workingDirectory } = request;
  if (!io.stdin.isTTY) {
    const suggestion = `Give the answer: ${hints.companion(`answer ${permissionId} allow`)} (or deny)`;
    throw new CompanionError('INVALID_REQUEST', `No terminal is available to ask: ${prompt}`, { suggestion });
  }
  const view = new AskView(io, { quiet: true });
  view.line(workingDirectory);
  return new Promise((resolve, reject) => {
    const dialogue = new PermissionDialogue({
      io,
      view,
      yes: false,
      onInterrupt: () => {
        dialogue.close();
        reject(new InterruptedError('SIGINT'));
      },
      answer: (reply) => send(context, request, reply).then((answer) => resolve(report(request, answer)), reject),
      othersAsk: '',
      answerCommand: () => '',
      readFile: readPresentFile(workingDirectory),
    });
    void dialogue.ask(request);
  });
}

type Reply = PermissionReply | ClientInput<'permission'>;

async function send(context: CommandContext, request: OpenRequest, reply: Reply): Promise<unknown> {
  const { sessionId, permissionId } = request;
  const { response, remember, answers, message } = reply;
  const body = { response, remember, ...(answers && { answers }), ...(message !== undefined && { message }) };
  const path = `/api/sessions/${encodeURIComponent(sessionId)}/permissions/${encodeURIComponent(permissionId)}`;
  return post(context, { path, body });
}

const report = ({ prompt }: OpenRequest, answer: unknown): Report => say(answer, `Answered: ${plainLine(prompt, 200)}`);

function notOpen(id: string): CompanionError {
  const message = `No open request has the id ${plainLine(id, 100)}. It may have been answered.`;
  return new CompanionError('NOT_FOUND', message, { field: 'id' });
}

function wrongWord({ kind }: OpenRequest): CompanionError {
  const rule =
    kind === 'question'
      ? 'must be given in a terminal, since the request has several questions'
      : 'must be allow, deny or always';
  return new CompanionError('INVALID_REQUEST', `The answer ${rule}.`, { field: 'answer', rule });
}
