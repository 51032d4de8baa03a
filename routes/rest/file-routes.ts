import { type Request, type Response, Router } from 'express';
import { invalid } from '../../protocol/error-codes.js';
import type { FileAccessKind } from '../../protocol/file-accesses.js';
import { type FileInfo, type SessionDiff, TRASH_ID } from '../../protocol/files.js';
import type { SessionId } from '../../protocol/scalars.js';
import { listFileAccesses, noteFileAccess } from '../../services/commands/file-accesses.js';
import { readSessionDiff } from '../../services/commands/session-diff.js';
import { emptyTrash, listTrash } from '../../services/commands/trash.js';
import type { FilePlace, OpenFile, RequireVersion } from '../../services/ports/workspace.js';
import { holdBytes, isTakenAsBytes, sendPieces } from '../http/bodies.js';
import { isKnown, readIfMatch, requireMatch } from '../http/conditional.js';
import { callerOf, deviceOf, readBody, readQuery, requirePrincipal } from '../http/request-context.js';
import type { RouteServices } from '../route-services.js';
import { bytesOf, sendRaw } from './raw-file.js';

type FileRequest = Request<{ id: string; path: string[] }>;

/** `/api/sessions/:id/files`: files of the session's directory. */
export function createFileRoutes(services: RouteServices): Router {
  const { files } = services;
  const router = Router();
  const placeOf = (request: FileRequest, response: Response) => placeIn(services, request, response);

  router.get('/:id/files', async (request, response) => {
    const directory = directoryOf(services, request, response);
    requireDecodable(request.originalUrl);
    const { path, recursive, ignored, ...query } = readQuery('listFiles', request);
    const options = { ...query, recursive: recursive === 'true', ignored: ignored === 'true' };
    const found = await files.list({ directory, path }, options);
    noteFileAccess(services, { ...ofSession(request, response), kind: 'list', path });
    response.json(found);
  });

  router.get('/:id/diff', async (request, response) => {
    const { path } = readQuery('readSessionDiff', request);
    holdBytes(services, response);
    const input = { ...ofSession(request, response), path, signal: goneSignal(response) };
    sendDiff(response, await readSessionDiff(services, input));
  });

  router.get('/:id/files/access', (request, response) => {
    const input = { ...ofSession(request, response), ...readQuery('listFileAccesses', request) };
    response.json(listFileAccesses(services, input));
  });

  addTrash(router, services);

  router.get('/:id/files/*path', async (request: FileRequest, response) => {
    const place = placeOf(request, response);
    const isRaw = readQuery('readFile', request).raw === 'true';
    holdBytes(services, response);
    const note = () => noteFileAccess(services, { ...ofSession(request, response), kind: 'read', path: place.path });
    if (isRaw) {
      return closing(await files.open(place), (file) => {
        note();
        return sendRaw(response, file);
      });
    }
    await closing(await files.read(place), async (file) => {
      note();
      // The bytes alone have the version as it is.
      if (!isKnown(response, `${file.info.version}.json`)) await sendPieces(response, fileBody(file));
    });
  });

  addChanges(router, services);
  return router;
}

function addChanges(router: Router, services: RouteServices): void {
  const { files } = services;
  const placeOf = (request: FileRequest, response: Response) => placeIn(services, request, response);
  const note = (request: FileRequest, response: Response, kind: FileAccessKind) =>
    noteFileAccess(services, { ...ofSession(request, response), kind, path: request.params.path.join('/') });

  router.post('/:id/files/*path', async (request: FileRequest, response) => {
    const file = await files.create(placeOf(request, response), decoded('createFile', request));
    note(request, response, 'write');
    sendInfo(response.status(201), file);
  });

  router.put('/:id/files/*path', async (request: FileRequest, response) => {
    const place = placeOf(request, response);
    const bytes = isTakenAsBytes(request, response) ? bytesOf(request) : [decoded('replaceFile', request)];
    const { file, created } = await files.replace(place, { bytes, requireVersion: requiredBy(request) });
    note(request, response, 'write');
    sendInfo(response.status(created ? 201 : 200), file);
  });

  router.delete('/:id/files/*path', async (request: FileRequest, response) => {
    const place = placeOf(request, response);
    const isPermanent = readQuery('removeFile', request).permanent === 'true';
    const { trashId } = await files.remove(place, {
      requireVersion: requiredBy(request),
      trash: isPermanent ? undefined : ownerOf(request, response),
    });
    note(request, response, 'delete');
    response.json({ success: true, path: place.path, ...(trashId !== undefined && { trashId }) });
  });
}

type OfTrash = Request<{ id: string; trashId: string }>;

function addTrash(router: Router, services: RouteServices): void {
  const { files } = services;

  router.get('/:id/files/trash', async (request, response) => {
    const input = { ...ofSession(request, response), ...readQuery('listTrash', request) };
    response.json(await listTrash(services, input));
  });

  router.post('/:id/files/trash/:trashId/restore', async (request: OfTrash, response) => {
    const { to } = readBody('restoreFile', request);
    const directory = directoryOf(services, request, response);
    const approved = requirePrincipal(response).scopes.has('approve');
    const { sessionId } = ownerOf(request, response);
    const restored = await files.restore({ directory, approved }, { sessionId, trashId: request.params.trashId, to });
    noteFileAccess(services, { ...ofSession(request, response), kind: 'write', path: restored.path });
    response.json({ success: true, ...restored });
  });

  router.delete('/:id/files/trash/:trashId', async (request: OfTrash, response, next) => {
    // A file in a folder of this name.
    const { trashId } = request.params;
    if (!TRASH_ID.test(trashId)) return next();
    response.json({ success: true, ...(await emptyTrash(services, { ...ofSession(request, response), trashId })) });
  });
}

const ownerOf = (request: Request<{ id: string }>, response: Response) => ({
  sessionId: request.params.id as SessionId,
  deviceId: deviceOf(requirePrincipal(response)).deviceId,
});

/** Aborts when the client has gone before its answer. */
function goneSignal(response: Response): AbortSignal {
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  return gone.signal;
}

function sendDiff(response: Response, diff: SessionDiff): void {
  const type = response.vary('Accept').req.accepts(['json', 'text/x-diff', 'text/plain']);
  if (type === false || type === 'json') response.json(diff);
  else response.type(`${type}; charset=utf-8`).send(diff.patch);
}

const ofSession = (request: Request<{ id: string }>, response: Response) => ({
  caller: callerOf(response),
  sessionId: request.params.id as SessionId,
});

function directoryOf({ registry }: RouteServices, { params }: Request<{ id: string }>, response: Response): string {
  return registry.require(requirePrincipal(response).userId, params.id as SessionId).state.record.directory;
}

function placeIn(services: RouteServices, request: FileRequest, response: Response): FilePlace {
  return {
    directory: directoryOf(services, request, response),
    // Its segments have been decoded once; an encoded %2F separates as well.
    path: request.params.path.join('/'),
    approved: requirePrincipal(response).scopes.has('approve'),
  };
}

/** A `FileContent`, with the contents at its end. */
async function* fileBody({ info, encoding, pieces }: OpenFile): AsyncGenerator<string> {
  yield `${JSON.stringify({ ...info, encoding }).slice(0, -1)},"content":"`;
  for await (const piece of pieces()) yield JSON.stringify(piece).slice(1, -1);
  yield '"}';
}

async function closing<File extends { close(): Promise<void> }>(file: File, use: (file: File) => Promise<void>) {
  try {
    await use(file);
  } finally {
    await file.close();
  }
}

function sendInfo(response: Response, file: FileInfo): void {
  response.set('ETag', `"${file.version}"`).json(file);
}

/** `If-Match: *` requires that there is a file. */
function requiredBy(request: Request): RequireVersion {
  const isGiven = request.headers['if-match'] !== undefined;
  const permitted = readIfMatch(request);
  return (version) => {
    if (isGiven) requireMatch(version === undefined ? NONE : permitted, version ?? '');
  };
}

const NONE: ReadonlySet<string> = new Set();

function decoded(command: 'createFile' | 'replaceFile', request: FileRequest): Buffer {
  const { content, encoding } = readBody(command, request);
  return Buffer.from(content, encoding);
}

/** Express replaces undecodable parts of a query by U+FFFD, which might name another file. */
function requireDecodable(url: string): void {
  const query = url.includes('?') ? url.slice(url.indexOf('?') + 1) : '';
  for (const pair of query.split('&')) {
    try {
      decodeURIComponent(pair);
    } catch {
      // It throws a `URIError` only for that.
      throw invalid(pair.split('=')[0] === 'pattern' ? 'pattern' : 'path', 'must be percent-encoded UTF-8');
    }
  }
}
