import type { Usage } from '../../protocol/content.js';

/** Names of the CLI for what a turn has read and written. */
const COUNTED = ['input_tokens', 'cache_creation_input_tokens', 'cache_read_input_tokens', 'output_tokens'];

/** All tokens of a turn, cached or not; undefined when the CLI has told of none. */
export function tokenCountOf(usage: Usage | undefined): number | undefined {
  const counts = COUNTED.map((name) => usage?.[name]).filter((count) => typeof count === 'number');
  return counts.length === 0 ? undefined : counts.reduce((sum, count) => sum + count, 0);
}
