/** Settings that a person changes with a command of the CLI, typed as a prompt. */
import type { PromptRecord } from '../../ports/records.js';
import type { StepBuilder } from './step-builder.js';

/** The CLI does not report the new model before the next turn: `/config` of 2.1.197, both commands of 2.1.332. */
const MODEL_COMMAND = /^\/(?:model\b|config\s(?:.*\s)?model=)/s;

const EFFORT_COMMAND = /^\/effort\s+([a-z]+)\s*$/i;
/** What the CLI answers when it has taken the level, and not when its environment overrides it (2.1.332). */
const EFFORT_TAKEN = /^(?:set effort level|effort level set) to ([a-z]+)\b/i;
const DEFAULT_EFFORT = 'auto';

/** Takes over what these prompts have changed, as far as the CLI says so in its answer. */
export function followCommands(builder: StepBuilder, prompts: readonly PromptRecord[], answer: string): void {
  for (const { text } of prompts) {
    if (MODEL_COMMAND.test(text)) builder.effect({ kind: 'readModel' });
    const effort = takenEffort(text, answer);
    if (effort !== undefined) {
      builder.updateRecord({ effort: effort === DEFAULT_EFFORT ? null : effort, updatedAt: builder.now });
    }
  }
}

function takenEffort(text: string, answer: string): string | undefined {
  const wanted = EFFORT_COMMAND.exec(text)?.[1]?.toLowerCase();
  return wanted !== undefined && EFFORT_TAKEN.exec(answer)?.[1]?.toLowerCase() === wanted ? wanted : undefined;
}
