import type { CloneProgress } from '../../../protocol/projects.js';

const PHASES: Readonly<Record<string, CloneProgress['phase']>> = {
  'Enumerating objects': 'counting',
  'Counting objects': 'counting',
  'Compressing objects': 'compressing',
  'Receiving objects': 'receiving',
  'Resolving deltas': 'resolving',
  'Updating files': 'checkout',
};

const UNITS: Readonly<Record<string, number>> = { bytes: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 };

const LINE =
  /^(?:remote: )?([A-Z]\w+ \w+): +(?:(\d{1,3})% \((\d{1,12})\/(\d{1,12})\)|(\d{1,12}))(?:, ([\d.]{1,12}) (\w{3,5}))?/;

/** What a line of git's stderr says of its progress; undefined for any other line. The other side writes some of them. */
export function parseProgress(line: string): CloneProgress | undefined {
  const [, title = '', percent, done, total, count, size, unit = ''] = LINE.exec(line) ?? [];
  const phase = PHASES[title];
  const number = Number(done ?? count);
  if (!phase || Number.isNaN(number)) return undefined;
  const bytes = Math.round(Number(size) * (UNITS[unit] ?? Number.NaN));
  return {
    phase,
    done: number,
    ...(percent !== undefined && { percent: Math.min(100, Number(percent)), total: Number(total) }),
    ...(!Number.isNaN(bytes) && { bytes }),
  };
}

const MAX_LINE = 4096;
const MAX_KEPT = 8192;

/** Takes git's stderr apart: progress on one side, what it complains of on the other. */
export class CloneWords {
  readonly #onProgress: (progress: CloneProgress) => void;
  #rest = '';
  #complaint = '';
  #last = '';

  constructor(onProgress: (progress: CloneProgress) => void) {
    this.#onProgress = onProgress;
  }

  /** The last 8 KiB of what is neither progress nor said by the other side. */
  get complaint(): string {
    return this.#complaint + this.#rest;
  }

  take(text: string): void {
    const lines = (this.#rest + text).split(/[\r\n]/);
    this.#rest = (lines.pop() ?? '').slice(0, MAX_LINE);
    for (const line of lines) this.#read(line);
  }

  #read(line: string): void {
    const progress = parseProgress(line);
    if (!progress) {
      if (!line.startsWith('remote:'))
        this.#complaint = `${this.#complaint}${line.slice(0, MAX_LINE)}\n`.slice(-MAX_KEPT);
      return;
    }
    const shown = `${progress.phase} ${progress.percent ?? progress.done}`;
    if (shown === this.#last) return;
    this.#last = shown;
    this.#onProgress(progress);
  }
}
