/** Runs of finished tools, which a conversation shows as one line. Pure. */
import type { Item, ToolItem } from './transcript.js';

export interface Run {
  kind: 'run';
  /** Of its first tool. */
  key: string;
  tools: readonly ToolItem[];
}

/** Fewer are shown one by one. */
const MIN_TOOLS = 2;

/** Items in their order, with each run of finished tools in one. A tool with a subagent stays a line of its own. */
export function withRuns(items: readonly Item[], parents: { has(key: string): boolean }): (Item | Run)[] {
  const entries: (Item | Run)[] = [];
  let run: ToolItem[] = [];
  const end = () => {
    const [first] = run;
    if (first && run.length >= MIN_TOOLS) entries.push({ kind: 'run', key: `run-${first.key}`, tools: run });
    else entries.push(...run);
    run = [];
  };
  for (const item of items) {
    if (item.kind === 'tool' && item.result && !parents.has(item.key)) {
      run.push(item);
      continue;
    }
    end();
    entries.push(item);
  }
  end();
  return entries;
}
