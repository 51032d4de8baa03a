import { randomUUID } from 'node:crypto';
import type { ChatEnd, ChatListener } from '../../ports/chat.js';
import type { CliFact, TurnResult, UserMessage } from '../../ports/claude.js';
import { type CliDefaults, chatArguments } from '../cli/cli-arguments.js';
import { abortOf, type Errand, type ErrandOrder } from './errand.js';
import { Talk } from './talk.js';

/** What a CLI for a chat is started with. */
export interface ChatSetup {
  /** Appended to the CLI's own system prompt. */
  system?: string | undefined;
  model?: string | undefined;
}

/** The conversation whose next answer is wanted. */
export interface AskedChat {
  content: UserMessage['content'];
  asker: AbortSignal;
  /** Gets the end before the process has ended. */
  listener: ChatListener;
}

export type ChatQuestion = ErrandOrder & ChatSetup & AskedChat;

interface ChatErrandOptions extends ErrandOrder, ChatSetup, Pick<Errand<unknown>, 'idle'> {
  bytes: number;
  /** Until it comes, the CLI gets ready. */
  asked: Promise<AskedChat>;
}

/** A conversation that ends with its next answer. */
export function chatErrand({ asked, system, model, ...order }: ChatErrandOptions, defaults: CliDefaults) {
  return {
    ...order,
    arguments: (conversation) => chatArguments(conversation, { model }, defaults),
    talk: async (child, { conversation, signal }) => {
      const answer = new AnswerReader();
      const talk = new Talk({ child, conversation, onFact: (fact) => answer.take(fact) });
      const appended = system === undefined ? {} : { appendSystemPrompt: system };
      const ready = talk.control.request(
        { subtype: 'initialize', ...appended },
        { withinMs: Number.POSITIVE_INFINITY },
      );
      const failed = Promise.race([talk.ended, ready.then(() => new Promise<never>(() => {})), abortOf(signal)]);
      const { content, asker, listener } = await Promise.race([asked, failed]);
      const ended = answer.tell(listener);
      talk.say({ uuid: randomUUID(), content });
      const end = await Promise.race([ended, failed, abortOf(asker)]);
      listener.onEnd(end);
      return end;
    },
  } satisfies Errand<ChatEnd>;
}

/** Images count as bytes of the request that brought them. */
export const bytesOf = ({ content }: Pick<AskedChat, 'content'>): number =>
  content.reduce((sum, block) => sum + (block.type === 'text' ? Buffer.byteLength(block.text) : 0), 0);

/** Reads the answer out of the facts of a CLI. */
class AnswerReader {
  #listener: ChatListener | undefined;
  #onEnd: (end: ChatEnd) => void = () => {};
  #model: string | undefined;

  /** From here on it is told. Resolves at its end. */
  tell(listener: ChatListener): Promise<ChatEnd> {
    this.#listener = listener;
    return new Promise((resolve) => {
      this.#onEnd = resolve;
    });
  }

  take(fact: CliFact): void {
    if (fact.kind === 'init') this.#model = fact.init.model;
    else if (fact.kind === 'result') this.#onEnd(this.#endOf(fact.result));
    else this.#takePiece(fact);
  }

  #takePiece(fact: CliFact): void {
    if (fact.kind === 'delta' && fact.block.parentToolUseId === undefined) {
      if (fact.block.streamType === 'assistant_message') this.#text(fact.text);
    } else if (fact.kind === 'block' && fact.place.parentToolUseId === undefined) {
      this.#takeBlock(fact);
    } else if (fact.kind === 'toolResult' && fact.parentToolUseId === undefined) {
      this.#listener?.onPiece({ kind: 'toolResult', text: fact.text, isError: fact.isError });
    }
  }

  /** A block comes whole after its deltas. What the CLI itself says instead of Claude is in the result as well. */
  #takeBlock({ content, details }: CliFact & { kind: 'block' }): void {
    if (details.model === SYNTHETIC) return;
    if (content.type === 'text' && 'text' in content)
      this.#text((content.text ?? '').slice(details.streamedLength ?? 0));
    if ('name' in content) this.#listener?.onPiece({ kind: 'toolUse', name: content.name, input: content.input });
  }

  #text(text: string): void {
    if (text !== '') this.#listener?.onPiece({ kind: 'text', text });
  }

  #endOf(result: TurnResult): ChatEnd {
    const { isError, finalResult, usage, totalCost } = result;
    return {
      subtype: subtypeOf(result),
      isError,
      finalResult,
      ...(this.#model !== undefined && { model: this.#model }),
      ...(usage && { usage }),
      ...(totalCost !== undefined && { cost: totalCost }),
    };
  }
}

/** The model that the CLI names for its own words. */
const SYNTHETIC = '<synthetic>';

function subtypeOf({ subtype, isError, apiError, usedUp }: TurnResult): string {
  if (usedUp) return 'usage_limit';
  return isError && apiError ? 'api_error' : subtype;
}
