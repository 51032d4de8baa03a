/**
 * The scripted Messages API of the tests. A prompt carries its own scenario as JSON between `@@` marks,
 * one step for each call that the CLI makes in the turn; a prompt without one gets a short text.
 */
import { createHash } from 'node:crypto';
import {
  type ApiContentBlock,
  type ApiMessage,
  type ApiRequest,
  type MessagesApi,
  type Reply,
  type ReplyBlock,
  startMessagesApi,
} from '../../demo/messages-api.js';

/**
 * One API call's answer. `repeat`: its text comes so many times over; `gate`: wait for `release(gate)`; `gateAfter`:
 * wait after so many deltas, or after each at a gate of its own, `<gate> <deltas so far>`; `refusedBy`: this model's answer is stopped by its safeguards. What an honest API would never send, but gateways do: `id` of a tool that was there before, `blocks` of any kind in any order, `fields`
 * of the message (`{id: 'always-the-same'}`, `{id: null}`, `{usage: …}`).
 */
export interface Step {
  thinking?: string;
  text?: string;
  repeat?: number;
  tools?: ScriptedTool[];
  blocks?: ReplyBlock[];
  fields?: Record<string, unknown>;
  chunk?: number;
  delayMs?: number;
  gate?: string;
  gateAfter?: { deltas: number | 'each'; gate: string };
  breakAfter?: number;
  refusedBy?: string;
  /** Of the response, unless it is the error. */
  headers?: Record<string, string>;
  error?: {
    status: number;
    type: string;
    message?: string;
    times?: number;
    retryAfterSeconds?: number;
    headers?: Record<string, string>;
  };
}

/** `repeat`: how often each of these fields of the input is repeated, since a prompt cannot hold as much. */
interface ScriptedTool {
  name: string;
  input: unknown;
  id?: unknown;
  repeat?: Record<string, number>;
}

export interface ScriptedApi extends MessagesApi {
  /** Requests of turns that carried a scenario, oldest first. */
  readonly requests: ApiRequest[];
  /** How often a turn was begun by a prompt with this text in it. */
  runs(mark: string): number;
  /** Lets the steps waiting at this gate, now or later, go on. */
  release(gate: string): void;
  /** Resolves once a step waits at the gate. */
  reached(gate: string): Promise<void>;
}

let scenarios = 0;

/** Writes a prompt whose turn is answered by these steps; unique, so that two equal ones do not share a counter. */
export function scenario(...steps: Step[]): string {
  scenarios += 1;
  return `scenario ${process.pid}-${scenarios} @@${JSON.stringify(steps)}@@`;
}

interface Gate {
  opened: Promise<void>;
  open: () => void;
  reached: Promise<void>;
  arrive: () => void;
}

export async function startScriptedApi(): Promise<ScriptedApi> {
  const gates = new Map<string, Gate>();
  const failures = new Map<string, number>();
  const requests: ApiRequest[] = [];
  const begun: string[] = [];
  const gate = (name: string): Gate => {
    const known = gates.get(name);
    if (known) return known;
    const created = createGate();
    gates.set(name, created);
    return created;
  };
  const pass = (name: string) => {
    gate(name).arrive();
    return gate(name).opened;
  };

  const api = await startMessagesApi((request): Reply => {
    const found = findScenario(request.messages);
    if (!found) return { kind: 'message', blocks: [{ kind: 'text', text: 'Nothing was scripted.' }] };
    requests.push(request);
    if (found.index === 0) begun.push(found.text);
    const step = found.steps[found.index] ?? { text: 'The script has ended.' };
    const key = `${found.key}/${found.index}`;
    const failed = failures.get(key) ?? 0;
    if (step.error && failed < (step.error.times ?? Number.POSITIVE_INFINITY)) {
      failures.set(key, failed + 1);
      return { kind: 'error', message: 'scripted', ...step.error };
    }
    return {
      ...messageOf(saidBy(request.model, step), pass),
      ...(step.headers && { headers: step.headers }),
    };
  });

  return {
    url: api.url,
    close: api.close,
    requests,
    runs: (mark) => begun.filter((text) => text.includes(mark)).length,
    release: (name) => gate(name).open(),
    reached: (name) => gate(name).reached,
  };
}

const saidBy = (model: string, step: Step): Step => (step.refusedBy === model ? { ...step, fields: REFUSED } : step);

const REFUSED = {
  stop_reason: 'refusal',
  stop_details: { type: 'refusal', category: 'cyber', explanation: 'Scripted.' },
};

function createGate(): Gate {
  let open = () => {};
  let arrive = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  const reached = new Promise<void>((resolve) => {
    arrive = resolve;
  });
  return { opened, open, reached, arrive };
}

function messageOf(step: Step, pass: (gate: string) => Promise<void>): Reply {
  const pace = {
    ...(step.chunk !== undefined && { chunk: step.chunk }),
    ...(step.delayMs !== undefined && { delayMs: step.delayMs }),
  };
  const blocks: ReplyBlock[] = [...(step.blocks ?? [])];
  if (step.thinking !== undefined) blocks.push({ kind: 'thinking', text: step.thinking, ...pace });
  if (step.text !== undefined) blocks.push({ kind: 'text', text: step.text.repeat(step.repeat ?? 1), ...pace });
  for (const tool of step.tools ?? []) blocks.push({ kind: 'tool', ...tool, input: inputOf(tool) });
  let deltas = 0;
  const { gateAfter } = step;
  return {
    kind: 'message',
    blocks,
    ...(step.fields && { fields: step.fields }),
    ...(step.gate !== undefined && { hold: pass(step.gate) }),
    ...(step.breakAfter !== undefined && { breakAfter: step.breakAfter }),
    ...(gateAfter && {
      onDelta: async () => {
        deltas += 1;
        if (gateAfter.deltas === 'each') await pass(`${gateAfter.gate} ${deltas}`);
        else if (deltas === gateAfter.deltas) await pass(gateAfter.gate);
      },
    }),
  };
}

function inputOf({ input, repeat = {} }: ScriptedTool): unknown {
  const fields = input as Record<string, string>;
  const repeated = Object.entries(repeat).map(([name, times]) => [name, fields[name]?.repeat(times)]);
  return repeated.length === 0 ? input : { ...fields, ...Object.fromEntries(repeated) };
}

function findScenario(messages: ApiMessage[]): { steps: Step[]; index: number; key: string; text: string } | undefined {
  for (let at = messages.length - 1; at >= 0; at -= 1) {
    const message = messages[at];
    if (message?.role !== 'user') continue;
    const text = textsOf(message).findLast((part) => part.includes('@@['));
    if (text === undefined) continue;
    const end = text.lastIndexOf(']@@') + 1;
    const marked = text.slice(text.indexOf('@@[') + 2, end);
    const index = messages.slice(at + 1).filter((later) => later.role === 'assistant').length;
    // The CLI joins a prompt without an answer and the next one to one text.
    const key = createHash('sha256').update(text.slice(0, end)).digest('hex');
    return { steps: JSON.parse(marked) as Step[], index, key, text };
  }
  return undefined;
}

const textsOf = (message: ApiMessage): string[] =>
  typeof message.content === 'string'
    ? [message.content]
    : message.content.filter((block: ApiContentBlock) => block.type === 'text').map((block) => block.text ?? '');
