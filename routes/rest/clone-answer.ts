import type { Request, Response } from 'express';
import { nameInAddress } from '../../protocol/clone-address.js';
import { type CompanionError, invalid } from '../../protocol/error-codes.js';
import { folderNameSchema } from '../../protocol/openai-views.js';
import type { CloneEvent, CloneEventName, CloneProgress, ProjectPlace } from '../../protocol/projects.js';
import { cloneProject } from '../../services/commands/projects.js';
import { errorBody, requestIdOf, toCompanionError } from '../http/http-errors.js';
import { callerOf, readBody } from '../http/request-context.js';
import { WaitingClient } from '../http/waiting-client.js';
import type { RouteServices } from '../route-services.js';
import { placeView } from './place-view.js';

interface Answering {
  request: Request;
  response: Response;
}

/** Clones a repository, and answers with events while that runs, where the client takes them. */
export async function answerClone(services: RouteServices, { request, response }: Answering): Promise<void> {
  const { cloneUrl: address, name: given } = readBody('clonePlace', request);
  const name = folderNameSchema.safeParse(given ?? nameInAddress(address));
  if (!name.success) throw invalid('name', 'must be given, since the address does not end with the name of a folder');
  const directory = { path: name.data, base: services.firstRoot, field: 'name' };
  const order = { caller: callerOf(response), address, addressField: 'cloneUrl', directory };
  const { signal } = new WaitingClient({ services, response, cut: false });
  const isStreamed = request.accepts(['json', 'text/event-stream']) === 'text/event-stream';
  const events = new CloneEvents(services, { response, isStreamed });
  const onProgress = (progress: CloneProgress) => events.offer(progress);
  try {
    events.complete(await placeView(services, await cloneProject(services, { ...order, signal, onProgress })));
  } catch (error) {
    if (!response.destroyed) events.fail(toCompanionError(error), error);
  }
}

const HEARTBEAT_MS = 15_000;

interface CloneEventsOptions {
  response: Response;
  /** Else the answer is the project alone. */
  isStreamed: boolean;
}

/** The status is sent with the first event, so that an error before it has its own. */
class CloneEvents {
  readonly #response: Response;
  readonly #isStreamed: boolean;
  readonly #now: () => number;
  readonly #heartbeat: NodeJS.Timeout | undefined;

  constructor({ now }: Pick<RouteServices, 'now'>, { response, isStreamed }: CloneEventsOptions) {
    this.#response = response;
    this.#isStreamed = isStreamed;
    this.#now = now;
    if (isStreamed) this.#heartbeat = setInterval(() => this.#write(': still here\n\n'), HEARTBEAT_MS).unref();
    response.once('close', () => clearInterval(this.#heartbeat));
  }

  /** Left out where the client does not keep up: the next one says more. */
  offer(progress: CloneProgress): void {
    if (this.#isStreamed && !this.#response.writableNeedDrain) this.#write(this.#block('progress', progress));
  }

  complete(project: ProjectPlace): void {
    if (this.#isStreamed) this.#end('complete', { project });
    else this.#response.status(201).json(project);
  }

  /** Throws what was thrown where nothing was sent yet. */
  fail(error: CompanionError, thrown: unknown): void {
    clearInterval(this.#heartbeat);
    if (!this.#response.headersSent) throw thrown;
    this.#end('error', errorBody(error, requestIdOf(this.#response)));
  }

  #end<T extends CloneEventName>(type: T, data: CloneData<T>): void {
    this.#write(this.#block(type, data));
    this.#response.end();
  }

  #block<T extends CloneEventName>(type: T, data: CloneData<T>): string {
    const timestamp = new Date(this.#now()).toISOString();
    return `event: ${type}\ndata: ${JSON.stringify({ type, timestamp, ...data })}\n\n`;
  }

  #write(text: string): void {
    const response = this.#response;
    if (response.destroyed) return;
    if (!response.headersSent) {
      response.writeHead(200, {
        'Content-Type': 'text/event-stream; charset=utf-8',
        'Cache-Control': 'no-cache, no-transform',
        'X-Accel-Buffering': 'no',
      });
    }
    response.write(text);
  }
}

type CloneData<T extends CloneEventName> = Omit<CloneEvent<T>, 'type' | 'timestamp'>;
