import { readFileSync, statSync } from 'node:fs';
import * as z from 'zod';
import { writeBriefly } from '../../disk/write-whole.js';

const knownSchema = z.object({ identity: z.string(), version: z.string() });

export interface CliVersionOptions {
  /** Where the last version that was read is kept for the next daemon. */
  file: string;
  /** Asks the executable; undefined when it does not say. Takes up to 20 s on a busy machine. */
  read: (binary: string) => Promise<string | undefined>;
}

/** How long somebody who connects is kept waiting for it, in milliseconds. */
const PATIENCE_MS = 250;
/** After an answer that was none, nobody asks sooner. */
const ASK_AGAIN_MS = 10_000;

/** What is said of a CLI that is there and has not said its version yet. */
export const UNKNOWN_VERSION = 'unknown';

/** The version of the CLI: asked once for each executable, by path, time and size, since it may be updated in its place. */
export class CliVersion {
  readonly #options: CliVersionOptions;
  #known: z.infer<typeof knownSchema> | undefined;
  #asking: { identity: string; answer: Promise<void> } | undefined;
  #failed: { identity: string; at: number } | undefined;

  constructor(options: CliVersionOptions) {
    this.#options = options;
    this.#known = readKnown(options.file);
  }

  /** At once where it is known, and else within a quarter of a second, as `unknown` if need be. */
  async of(binary: string): Promise<string> {
    const identity = identityOf(binary);
    if (this.#known?.identity !== identity && this.#mayAsk(identity)) {
      if (this.#asking?.identity !== identity) this.#asking = { identity, answer: this.#ask(binary, identity) };
      await within(PATIENCE_MS, this.#asking.answer);
    }
    return this.#known?.identity === identity ? this.#known.version : UNKNOWN_VERSION;
  }

  #mayAsk(identity: string): boolean {
    return this.#failed?.identity !== identity || performance.now() > this.#failed.at + ASK_AGAIN_MS;
  }

  async #ask(binary: string, identity: string): Promise<void> {
    const version = await this.#options.read(binary);
    this.#asking = undefined;
    this.#failed = version === undefined ? { identity, at: performance.now() } : undefined;
    if (version !== undefined) this.#keep({ identity, version });
  }

  #keep(known: z.infer<typeof knownSchema>): void {
    this.#known = known;
    try {
      writeBriefly(this.#options.file, JSON.stringify(known));
    } catch {
      // On a full disk the next daemon asks again.
    }
  }
}

function readKnown(file: string): z.infer<typeof knownSchema> | undefined {
  try {
    return knownSchema.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch {
    // The first start, or a file that is broken: it is asked again.
    return undefined;
  }
}

/** Of what a link leads to. */
function identityOf(binary: string): string {
  const stats = statSync(binary, { throwIfNoEntry: false });
  return `${binary} ${stats?.mtimeMs} ${stats?.size}`;
}

async function within(ms: number, done: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([done, late]);
  clearTimeout(timer);
}
