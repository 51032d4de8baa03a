import type { World } from '../support/world.js';

interface Answer {
  status: number;
  // Each answer is checked with its schema, or compared with an error.
  body: never;
}

/** Requests below `/v1` with the owner's credential. */
export const createV1 =
  (world: Pick<World, 'daemon'>) =>
  async (method: string, path: string, body?: object): Promise<Answer> => {
    const init = body ? { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } } : {};
    const response = await world.daemon.fetch(`/v1${path}`, { method, ...init });
    return { status: response.status, body: (await response.json()) as never };
  };
