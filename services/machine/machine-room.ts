import { statfs } from 'node:fs/promises';
import { CompanionError } from '../../protocol/error-codes.js';
import { availableMemory } from './available-memory.js';

export interface MachineRoomOptions {
  /** On the disk to check. */
  home: string;
  /** Below this many available bytes, nothing new starts. */
  minMemory: number;
  minDisk: number;
}

export interface Shortage {
  of: 'memory' | 'disk';
  /** A sentence. */
  what: string;
  remedy: string;
}

/** Checks whether the machine has room for another Claude CLI. */
export class MachineRoom {
  readonly #options: MachineRoomOptions;

  constructor(options: MachineRoomOptions) {
    this.#options = options;
  }

  /** The scarce resources. An unknown value is not scarce: its user will notice. */
  async shortages(): Promise<Shortage[]> {
    const { home, minMemory, minDisk } = this.#options;
    const [memory, disk] = await Promise.all([availableMemory(), freeDisk(home)]);
    const short: Shortage[] = [];
    if (memory < minMemory) {
      short.push({
        of: 'memory',
        what: `${mebibytes(memory)} of memory are free, and ${mebibytes(minMemory)} are needed.`,
        remedy: 'Close sessions or programs, or lower MIN_FREE_MEMORY_BYTES.',
      });
    }
    if (disk < minDisk) {
      short.push({
        of: 'disk',
        what: `${mebibytes(disk)} are free on the disk of the companion home folder, and ${mebibytes(minDisk)} are needed.`,
        remedy: 'Free some space on the disk of the companion home folder, or lower MIN_FREE_DISK_BYTES.',
      });
    }
    return short;
  }

  /** Rejects with `CAPACITY`, with the shortage and the remedy, when no other CLI can start. */
  async require(): Promise<void> {
    const short = await this.shortages();
    if (short.length === 0) return;
    const what = short.map((one) => one.what).join(' ');
    throw new CompanionError('CAPACITY', `No Claude CLI is started: ${what}`, {
      suggestion: short.map(({ remedy }) => remedy).join(' '),
    });
  }
}

/** Bytes that the owner can still write there. */
async function freeDisk(folder: string): Promise<number> {
  try {
    const { bavail, bsize } = await statfs(folder);
    return bavail * bsize;
  } catch {
    // No reason to refuse a child: a full disk shows when writing.
    return Number.POSITIVE_INFINITY;
  }
}

const MIB = 1024 * 1024;
const mebibytes = (bytes: number) => `${Math.floor(bytes / MIB)} MiB`;
