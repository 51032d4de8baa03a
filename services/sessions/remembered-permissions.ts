import * as z from 'zod';

const ruleSchema = z.object({ toolName: z.string(), ruleContent: z.string().optional() });
const updateSchema = z.union([
  z.object({ type: z.literal('addRules'), behavior: z.literal('allow'), rules: z.array(ruleSchema) }),
  z.object({ type: z.literal('addDirectories'), directories: z.array(z.string()) }),
]);

/**
 * What people asked to have remembered, as options of the next child: an update for the session alone is forgotten by
 * the CLI with its process. A remembered mode is in the session's permission mode already.
 */
export function rememberedOptions(remembered: readonly unknown[]): {
  allowedTools: string[];
  addDirectories: string[];
} {
  const allowedTools = new Set<string>();
  const addDirectories = new Set<string>();
  for (const update of remembered) {
    const parsed = updateSchema.safeParse(update);
    if (!parsed.success) continue;
    if (parsed.data.type === 'addDirectories') for (const folder of parsed.data.directories) addDirectories.add(folder);
    else for (const { toolName, ruleContent } of parsed.data.rules) allowedTools.add(ruleText(toolName, ruleContent));
  }
  return { allowedTools: [...allowedTools], addDirectories: [...addDirectories] };
}

const ruleText = (toolName: string, ruleContent: string | undefined): string =>
  ruleContent === undefined ? toolName : `${toolName}(${ruleContent})`;
