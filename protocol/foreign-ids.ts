/**
 * Ids of messages and tool uses from the API and the CLI. Some gateways repeat or omit them, so the first item with an
 * id keeps it, and every other item gets an id generated here.
 */

const MARK = '~';
const DIGEST_LENGTH = 12;
const OWN = new RegExp(`^(.*)${MARK}[\\da-f]{${DIGEST_LENGTH}}$`, 's');

/** Placeholder for a missing id. */
export const NAMELESS = 'nameless';

/**
 * A generated id. It contains the foreign one, by which the transcript identifies the same item. `digest`: hexadecimal,
 * of the place of its first appearance, so that the id is the same however often that is read.
 */
export const ownId = (foreign: string | undefined, digest: string): string =>
  `${foreign || NAMELESS}${MARK}${digest.slice(0, DIGEST_LENGTH)}`;

/** The CLI's id for an id used here; `nameless` when the CLI has none. */
export const foreignOf = (id: string): string => OWN.exec(id)?.[1] ?? id;
