import { readFileSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import type { ReadFile } from './tool-preview.js';

/** Larger files are not compared with their replacement. */
const MAX_BYTES = 256 * 1024;

/** Reads files by paths relative to a directory. Never throws, and opens only regular files. */
export const readPresentFile =
  (directory: string): ReadFile =>
  (path) => {
    try {
      const found = resolve(directory, path);
      const stats = statSync(found, { throwIfNoEntry: false });
      if (!stats) return undefined;
      if (!stats.isFile() || stats.size > MAX_BYTES) return {};
      return { text: readFileSync(found, 'utf8') };
    } catch {
      // The file cannot be read: only its replacement can be reported.
      return {};
    }
  };
