import { readFileSync, statSync } from 'node:fs';
import * as z from 'zod';
import { writeBriefly } from '../../disk/write-whole.js';

const knownSchema = z.object({ identity: z.string(), version: z.string() });

export interface CliVersionOptions {
  /** The file that keeps the last known version for the next daemon. */
  file: string;
  /** Asks the executable; undefined when it prints no version. Takes up to 20 s on a busy machine. */
  read: (binary: string) => Promise<string | undefined>;
}

/** How long a connecting client waits for the version, in milliseconds. */
const PATIENCE_MS = 250;
/** Minimum delay before the next attempt after a failed one. */
const ASK_AGAIN_MS = 10_000;

/** The version of a CLI that exists but has not reported one yet. */
export const UNKNOWN_VERSION = 'unknown';

/** The version of the CLI: read once for each executable, by path, time and size, since it can be updated in place. */
export class CliVersion {
  readonly #options: CliVersionOptions;
  #known: z.infer<typeof knownSchema> | undefined;
  #asking: { identity: string; answer: Promise<void> } | undefined;
  #failed: { identity: string; at: number } | undefined;

  constructor(options: CliVersionOptions) {
    this.#options = options;
    this.#known = readKnown(options.file);
  }

  /** Returned at once where it is known, and otherwise within a quarter of a second, as `unknown` if necessary. */
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
    // At the first start, or with a corrupt file, the CLI is asked again.
    return undefined;
  }
}

/** The identity of a link's target. */
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
