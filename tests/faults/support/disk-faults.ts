import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** What fails: a call of `failing-disk.cjs`, for paths or SQL with this text in them. */
export interface DiskFault {
  call: 'readFile' | 'readdir' | 'writeFile' | 'mkdir' | 'rename' | 'rm' | 'open' | 'append' | 'fdatasync' | 'sqlite';
  match: string;
  code: string;
}

export interface DiskFaults {
  /** For the daemon that shall fail. */
  readonly environment: Record<string, string>;
  set(...faults: DiskFault[]): void;
  close(): void;
}

/** Makes reads and writes of a daemon fail, and lets them succeed again, while it runs. */
export function createDiskFaults(): DiskFaults {
  const folder = mkdtempSync(join(tmpdir(), 'companion-faults-'));
  const control = join(folder, 'control');
  const set = (...faults: DiskFault[]) => {
    writeFileSync(`${control}.new`, JSON.stringify(faults));
    renameSync(`${control}.new`, control);
  };
  set();
  return {
    environment: {
      NODE_OPTIONS: `--require=${join(import.meta.dirname, 'failing-disk.cjs')}`,
      FAILING_DISK: control,
    },
    set,
    close: () => rmSync(folder, { recursive: true, force: true }),
  };
}
