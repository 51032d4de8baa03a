import * as z from 'zod';
import { plainLine } from '../../protocol/plain-text.js';
import type { EffectiveRules } from '../ports/claude.js';
import type { ControlChannel } from './control-channel.js';

// An entry of another shape loses only itself.
const entries = <Shape extends z.ZodType>(shape: Shape) => z.array(shape.catch(() => undefined as never)).catch([]);

const answerSchema = z.object({
  state: z.object({
    rules: entries(z.object({ rule: z.string(), behavior: z.string(), source: z.string() })),
    workspaceDirectories: entries(z.object({ path: z.string() })),
  }),
});

/** The limit for rules, and for directories. */
const MAX_ENTRIES = 500;
const MAX_RULE = 500;
const MAX_NAME = 64;
const MAX_PATH = 4096;

/**
 * The CLI's current rules to allow, ask and deny; undefined where it does not report them: 2.1.197 does not know the
 * request, and a starting CLI may not answer within `withinMs`.
 */
export async function readRules(control: ControlChannel, withinMs: number): Promise<EffectiveRules | undefined> {
  // A refusal, a timeout or an ended child means that no rules are reported.
  const answer = await control.ask({ subtype: 'list_permission_rules' }, { withinMs }).catch(() => undefined);
  const { data } = answerSchema.safeParse(answer);
  if (!data) return undefined;
  const rules = data.state.rules.filter((entry) => entry !== undefined);
  const directories = data.state.workspaceDirectories.filter((entry) => entry !== undefined);
  return {
    rules: rules.slice(0, MAX_ENTRIES).map(({ rule, behavior, source }) => ({
      rule: plainLine(rule, MAX_RULE),
      behavior: plainLine(behavior, MAX_NAME),
      source: plainLine(source, MAX_NAME),
    })),
    directories: directories.slice(0, MAX_ENTRIES).map(({ path }) => plainLine(path, MAX_PATH)),
    ...((rules.length > MAX_ENTRIES || directories.length > MAX_ENTRIES) && { truncated: true }),
  };
}
