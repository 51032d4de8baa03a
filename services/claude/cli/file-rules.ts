import { constants } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { nanoid } from 'nanoid';
import * as z from 'zod';

/** The file that "yes, and do not ask again" writes (2.1.197 to 2.1.332). */
const SETTINGS = '.claude/settings.local.json';

const settingsSchema = z.looseObject({ permissions: z.looseObject({ allow: z.array(z.unknown()) }) });

/**
 * Removes rules from the allow list in this directory's settings; a running CLI applies that within about a second.
 * Does nothing where there are none. Rejects when the file is a link, is not a settings file or cannot be written.
 */
export async function forgetFileRules(workingDirectory: string, rules: readonly string[]): Promise<void> {
  const path = join(workingDirectory, SETTINGS);
  const found = await readUnlinked(path);
  if (found === undefined) return;
  const settings = settingsSchema.parse(JSON.parse(found.text));
  const allow = settings.permissions.allow.filter((rule) => typeof rule !== 'string' || !rules.includes(rule));
  if (allow.length === settings.permissions.allow.length) return;
  const text = `${JSON.stringify({ ...settings, permissions: { ...settings.permissions, allow } }, null, 2)}\n`;
  await replace(path, { text, mode: found.mode });
}

async function readUnlinked(path: string): Promise<{ text: string; mode: number } | undefined> {
  try {
    const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      const { mode } = await file.stat();
      return { text: await file.readFile('utf8'), mode };
    } finally {
      await file.close();
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Writes a new file and renames it: a reader sees either the old or the new content in full. */
async function replace(path: string, { text, mode }: { text: string; mode: number }): Promise<void> {
  const fresh = join(dirname(path), `.companion-${nanoid()}.tmp`);
  try {
    const file = await open(fresh, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, mode);
    try {
      await file.writeFile(text);
    } finally {
      await file.close();
    }
    await rename(fresh, path);
  } finally {
    await rm(fresh, { force: true });
  }
}
