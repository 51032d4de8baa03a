/** What the CLI does beside Claude's work. Seen with Claude Code 2.1.332 unless noted. */
import type { CliFact } from '../../ports/claude.js';
import type { CliSystem } from './cli-lines.js';
import { deniedText } from './notices.js';

const factOf = (stage: string, message: string): CliFact[] => [{ kind: 'progress', stage, message }];

/** The progress that a `system` line states by itself. Hooks are reported because of `--include-hook-events`. */
export function systemProgress(line: CliSystem): CliFact[] {
  switch (line.subtype ?? '') {
    case 'hook_started':
      return factOf('hook', `The hook ${hookOf(line)} runs.`);
    case 'hook_response':
      return factOf('hook', `The hook ${hookOf(line)} ${endOf(line)}.`);
    case 'permission_denied':
      return factOf('permission_denied', deniedText(line));
    default:
      return [];
  }
}

const hookOf = ({ hook_name: name, hook_event: event }: CliSystem): string => name ?? event ?? 'of the CLI';

function endOf({ outcome, exit_code: code }: CliSystem): string {
  if (outcome === 'cancelled') return 'was cancelled';
  if (outcome !== 'error') return 'has ended';
  return code === undefined ? 'failed' : `failed with exit code ${code}`;
}

/** The progress for each status of an MCP server; `init` reports it in every turn (2.1.197 and 2.1.332). */
const SERVER_STATES: ReadonlyMap<string | undefined, { stage: string; words: string }> = new Map([
  ['needs-auth', { stage: 'mcp_authenticate', words: 'needs a login.' }],
  ['failed', { stage: 'mcp_failed', words: 'cannot be used: it did not start, or did not answer.' }],
  ['pending', { stage: 'mcp_pending', words: 'has not answered yet: Claude begins without its tools.' }],
]);

/** Tells of each MCP server that cannot be used, once for each change of its status. */
export class ServerNotices {
  #known: ReadonlyMap<string, string | undefined> = new Map();

  factsOf({ mcp_servers: servers = [] }: CliSystem): CliFact[] {
    const changed = servers.filter(({ name, status }) => this.#known.get(name) !== status);
    this.#known = new Map(servers.map(({ name, status }) => [name, status]));
    return changed.flatMap(({ name, status }) => {
      const state = SERVER_STATES.get(status);
      return state ? factOf(state.stage, `The MCP server ${name} ${state.words}`) : [];
    });
  }
}
