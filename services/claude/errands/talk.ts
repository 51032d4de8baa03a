import { CompanionError } from '../../../protocol/error-codes.js';
import type { CliFact, UserMessage } from '../../ports/claude.js';
import { ControlChannel, refusalOf } from '../stream/control-channel.js';
import { FactReader } from '../stream/fact-reader.js';
import { LineSplitter } from '../stream/line-splitter.js';
import { userLine } from '../stream/user-line.js';
import type { ErrandChild } from './errand.js';

/** A longer line of the CLI counts as garbage. */
const MAX_LINE_BYTES = 16 * 1024 * 1024;

interface TalkOptions {
  child: ErrandChild;
  /** Identifies the messages of the CLI. */
  conversation: string;
  onFact: (fact: CliFact) => void;
}

/** The protocol of a CLI on its pipes, whose end is the end of the talk. Nobody is there to answer what it asks. */
export class Talk {
  readonly control: ControlChannel;
  /** Rejects when the process cannot be started, or has ended. */
  readonly ended: Promise<never>;
  readonly #child: ErrandChild;

  constructor({ child, conversation, onFact }: TalkOptions) {
    this.#child = child;
    this.control = new ControlChannel((line) => this.#write(`${JSON.stringify(line)}\n`));
    const reader = new FactReader({
      childId: conversation,
      isTaken: () => false,
      onControlResponse: (response) => this.control.receive(response),
    });
    const lines = new LineSplitter(0, MAX_LINE_BYTES);
    child.stdout.on('data', (chunk: Buffer) => {
      for (const fact of lines.push(chunk).flatMap((line) => reader.read(line).facts)) {
        this.#refuse(fact);
        onFact(fact);
      }
    });
    // The CLI ended without reading, which its end tells.
    child.stdin.on('error', () => {});
    this.ended = new Promise((_, reject) => {
      child.once('error', reject);
      child.once('close', () => {
        this.control.close();
        reject(new CompanionError('CLAUDE_UNAVAILABLE', 'The Claude CLI ended without a result.'));
      });
    });
    // Whoever waits for something else of the talk need not wait for its end.
    this.ended.catch(() => {});
  }

  say(message: UserMessage): void {
    this.#write(userLine(message));
  }

  #refuse(fact: CliFact): void {
    if (fact.kind === 'unknownRequest') this.#write(`${JSON.stringify(refusalOf(fact))}\n`);
    if (fact.kind !== 'permissionAsked') return;
    const { requestId, kind = 'can_use_tool' } = fact.ask;
    this.#write(`${JSON.stringify(refusalOf({ requestId, subtype: kind }))}\n`);
  }

  #write(line: string | Buffer): void {
    if (this.#child.stdin.writable) this.#child.stdin.write(line);
  }
}
