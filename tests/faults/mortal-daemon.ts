import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { childrenOf, type DaemonFolders, endChildrenOf, environmentIn, makeFolders } from '../support/daemon.js';
import { type DaemonRun, runDaemon } from '../support/run-daemon.js';
import { makeQuickCli } from './quick-cli.js';

/** A daemon that may be killed at any moment, before it serves too, and started again on the same home. */
export class MortalDaemon {
  readonly #folders: DaemonFolders = makeFolders();
  readonly #environment: Record<string, string>;
  #run: DaemonRun | undefined;
  #projects = 0;
  /** Where it serves; undefined while it does not. */
  url: string | undefined;

  constructor(apiUrl: string) {
    const cli = makeQuickCli(this.#folders.base);
    this.#environment = { ...environmentIn(this.#folders, apiUrl), CLAUDE_PATH: cli };
  }

  /** A new project folder. */
  project(): string {
    this.#projects += 1;
    const path = join(this.#folders.root, `project-${this.#projects}`);
    mkdirSync(path);
    return path;
  }

  /** Starts it without waiting until it serves. */
  begin(): void {
    const run = runDaemon({ environment: this.#environment });
    this.#run = run;
    void run.ready.then((url) => {
      if (this.#run === run) this.url = url;
    });
  }

  /** Resolves to false when it ended before. */
  async serves(): Promise<boolean> {
    return (await this.#run?.ready) !== undefined;
  }

  /** Resolves with what it said, if it ends by itself. */
  async ended(): Promise<string> {
    await this.#run?.exited;
    return this.#run?.stderr() ?? '';
  }

  async kill(): Promise<void> {
    const run = this.#run;
    this.url = undefined;
    this.#run = undefined;
    run?.kill('SIGKILL');
    await run?.exited;
  }

  /** Pids of the children and of what their tools have started. */
  children(): number[] {
    return childrenOf(this.#folders.home);
  }

  /** Ends all of it and removes its folders. */
  async destroy(): Promise<void> {
    await this.kill();
    endChildrenOf(this.#folders.home);
    rmSync(this.#folders.base, { recursive: true, force: true, maxRetries: 10 });
  }
}
