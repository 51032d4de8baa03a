import { createParser } from 'eventsource-parser';
import type { RestClient } from '../../client/rest/index.js';
import type { CloneEvent, CloneEventName, CloneProgress, ProjectPlace } from '../../protocol/projects.js';

export interface CloneOrder {
  cloneUrl: string;
  name?: string;
}

type AnyCloneEvent = { [T in CloneEventName]: CloneEvent<T> }[CloneEventName];

export interface Watching {
  onProgress: (progress: CloneProgress) => void;
  /** Ends the clone: the daemon leaves nothing of one whose client has gone. */
  signal: AbortSignal;
}

/** The daemon has a limit of its own, and answers when git has said something. */
const BEGIN_MS = 3_600_000;

/** Clones a repository into a project and tells how far it is. Rejects with the daemon's refusal, or as it is ended. */
export async function cloneWithProgress(
  rest: RestClient,
  body: CloneOrder,
  { onProgress, signal }: Watching,
): Promise<ProjectPlace> {
  const headers = { accept: 'text/event-stream' };
  const response = (await rest.send({
    method: 'POST',
    path: '/api/projects/clone',
    headers,
    input: { body, signal, timeoutMs: BEGIN_MS },
  })) as Response;
  let project: ProjectPlace | undefined;
  for await (const event of eventsIn(response)) {
    if (event.type === 'progress') onProgress(event);
    if (event.type === 'error') throw new Error(event.error.message);
    if (event.type === 'complete') ({ project } = event);
  }
  if (!project) throw new Error('The connection has ended before the clone.');
  return project;
}

async function* eventsIn({ body }: Response): AsyncGenerator<AnyCloneEvent, void, undefined> {
  let parsed: AnyCloneEvent[] = [];
  const parser = createParser({ onEvent: ({ data }) => parsed.push(JSON.parse(data) as AnyCloneEvent) });
  const reader = body?.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const next = await reader?.read();
    if (!next || next.done) return;
    parser.feed(next.value);
    const events = parsed;
    parsed = [];
    yield* events;
  }
}
