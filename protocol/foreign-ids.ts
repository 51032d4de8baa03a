/**
 * Ids of the API and the CLI that the daemon shows as its own: of messages and of tool uses. Some gateways repeat theirs or
 * leave them out, so the first one that has an id keeps it, and every other gets one of ours.
 */

const MARK = '~';
const DIGEST_LENGTH = 12;
const OWN = new RegExp(`^(.*)${MARK}[\\da-f]{${DIGEST_LENGTH}}$`, 's');

/** What stands in the place of an id that is missing. */
export const NAMELESS = 'nameless';

/**
 * An id of ours. It holds the foreign one, by which the transcript knows the same thing. `digest`: hexadecimal, of the one
 * place where the thing was said first, so that the id is the same however often that is read.
 */
export const ownId = (foreign: string | undefined, digest: string): string =>
  `${foreign || NAMELESS}${MARK}${digest.slice(0, DIGEST_LENGTH)}`;

/** The id that the CLI has for what is called so here; `nameless` where it has none. */
export const foreignOf = (id: string): string => OWN.exec(id)?.[1] ?? id;
