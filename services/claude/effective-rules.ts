import * as z from 'zod';
import { plainLine } from '../../protocol/plain-text.js';
import type { EffectiveRules } from '../ports/claude.js';
import type { ControlChannel } from './control-channel.js';

// What is of another shape costs its entry alone.
const entries = <Shape extends z.ZodType>(shape: Shape) => z.array(shape.catch(() => undefined as never)).catch([]);

const answerSchema = z.object({
  state: z.object({
    rules: entries(z.object({ rule: z.string(), behavior: z.string(), source: z.string() })),
    workspaceDirectories: entries(z.object({ path: z.string() })),
  }),
});

/** Of rules, and of directories. */
const MAX_ENTRIES = 500;
const MAX_RULE = 500;
const MAX_NAME = 64;
const MAX_PATH = 4096;

/**
 * What the CLI says is allowed, asked for and denied, as it stands now; undefined where it does not tell: 2.1.197 does
 * not know the question, and one that is busy starting may not answer within `withinMs`.
 */
export async function readRules(control: ControlChannel, withinMs: number): Promise<EffectiveRules | undefined> {
  // Refused, late or gone: it does not tell.
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
