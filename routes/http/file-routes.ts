import { type Request, type Response, Router } from 'express';
import { invalid } from '../../protocol/error-codes.js';
import { listFilesSchema, writeFileSchema } from '../../protocol/files.js';
import type { SessionId } from '../../protocol/scalars.js';
import type { FilePlace, OpenFile } from '../../services/ports/workspace.js';
import type { RouteServices } from '../route-services.js';
import { holdBytes, sendPieces } from './bound-bodies.js';
import { parseInput } from './parse-input.js';
import { requirePrincipal } from './principal.js';
import { readJson } from './read-json.js';

/** 8 MiB as base64, or as text with its JSON escapes. */
const BODY_LIMIT = '12mb';

type FileRequest = Request<{ id: string; path: string[] }>;

/** `/api/sessions/:id/files`: files of the session's directory. */
export function createFileRoutes(services: RouteServices): Router {
  const { registry, files } = services;
  const router = Router();
  const read = readJson(BODY_LIMIT);
  const directoryOf = (response: Response, id: string): string =>
    registry.require(requirePrincipal(response).userId, id as SessionId).state.record.directory;
  const placeOf = ({ params }: FileRequest, response: Response): FilePlace => ({
    directory: directoryOf(response, params.id),
    // Its segments have been decoded once; an encoded %2F separates as well.
    path: params.path.join('/'),
    approved: requirePrincipal(response).scopes.has('approve'),
  });

  router.get('/:id/files', async (request, response) => {
    const directory = directoryOf(response, request.params.id);
    requireDecodable(request.originalUrl);
    const { path, recursive, pattern } = parseInput(listFilesSchema, request.query, 'query');
    response.json(await files.list({ directory, path }, { recursive: recursive === 'true', pattern }));
  });

  router.get('/:id/files/*path', async (request: FileRequest, response) => {
    const place = placeOf(request, response);
    holdBytes(services, response);
    const file = await files.read(place);
    try {
      await sendPieces(response, fileBody(file));
    } finally {
      await file.close();
    }
  });

  router.post('/:id/files/*path', read, async (request: FileRequest, response) => {
    response.status(201).json(await files.create(placeOf(request, response), bytesOf(request.body)));
  });

  router.put('/:id/files/*path', read, async (request: FileRequest, response) => {
    const { file, created } = await files.replace(placeOf(request, response), bytesOf(request.body));
    response.status(created ? 201 : 200).json(file);
  });

  router.delete('/:id/files/*path', async (request: FileRequest, response) => {
    const place = placeOf(request, response);
    await files.remove(place);
    response.json({ success: true, path: place.path });
  });
  return router;
}

/** A `FileContent`, with the contents at its end. */
async function* fileBody({ info, encoding, pieces }: OpenFile): AsyncGenerator<string> {
  yield `${JSON.stringify({ ...info, encoding }).slice(0, -1)},"content":"`;
  for await (const piece of pieces()) yield JSON.stringify(piece).slice(1, -1);
  yield '"}';
}

function bytesOf(body: unknown): Buffer {
  const { content, encoding } = parseInput(writeFileSchema, body, 'body');
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
