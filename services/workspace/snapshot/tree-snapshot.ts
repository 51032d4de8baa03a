import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ContentPack } from './content-pack.js';
import type { Version } from './file-patch.js';
import { dropManifest, type Manifest, type Noted, noteOf, readManifest, writeManifest } from './manifest.js';
import type { FoundFile } from './tree-walk.js';

/** Larger files are compared by size and time alone. */
const MAX_FILE_BYTES = 1024 * 1024;
/** The sum of all contents that are kept of a directory, before compression. */
const MAX_KEPT_BYTES = 64 * 1024 * 1024;
/** A file of contents is written anew when it has this many bytes beyond twice what it holds. */
const SPARE_BYTES = 8 * 1024 * 1024;

const OWNER_FOLDER = 0o700;
const FILE_TYPE = 0o170000;
const LINK = 0o120000;
const RUNS = 0o100;

/** The state of a directory that was noted last, on the disk. Must be closed. */
export class TreeSnapshot {
  /** Nothing was noted before. */
  readonly isNew: boolean;
  /** Whether every file was noted; the next ones are new. */
  readonly wasWhole: boolean;
  readonly #folder: string;
  readonly #manifest: Manifest;
  #pack: ContentPack;
  #keptBytes = 0;
  #hasChanged = false;

  constructor(folder: string) {
    const known = readManifest(folder);
    if (!known) rmSync(folder, { recursive: true, force: true });
    // Not the home above: one that was moved away must not come back.
    for (const one of [dirname(folder), folder]) if (!existsSync(one)) mkdirSync(one, { mode: OWNER_FOLDER });
    this.isNew = known === undefined;
    this.wasWhole = known?.isWhole ?? false;
    this.#folder = folder;
    this.#manifest = known ?? { files: new Map(), isWhole: false, pack: Date.now() };
    this.#pack = new ContentPack(packPath(folder, this.#manifest.pack));
    for (const one of this.files.values()) this.#keptBytes += bytesOf(one);
  }

  get files(): ReadonlyMap<string, Noted> {
    return this.#manifest.files;
  }

  set(path: string, noted: Noted): void {
    this.#keptBytes += bytesOf(noted) - bytesOf(this.files.get(path));
    this.#manifest.files.set(path, noted);
    this.#hasChanged = true;
  }

  drop(path: string): void {
    this.#keptBytes -= bytesOf(this.files.get(path));
    this.#manifest.files.delete(path);
    this.#hasChanged = true;
  }

  /** Notes a file as it is now. */
  keep(found: FoundFile, { content }: Version = readVersion(found)): void {
    if (typeof content === 'string') this.set(found.path, noteOf(found, content));
    else if (this.#keptBytes + content.length > MAX_KEPT_BYTES) this.set(found.path, noteOf(found, 'large'));
    else this.set(found.path, noteOf(found, this.#pack.add(content)));
  }

  /** A file as it was noted. */
  versionOf({ mode, content }: Noted): Version {
    return { mode: gitMode(mode), content: typeof content === 'string' ? content : this.#read(content) };
  }

  save(isWhole: boolean): void {
    this.#pack.flush();
    const isUnchanged = !this.#hasChanged && isWhole === this.#manifest.isWhole;
    this.#manifest.isWhole = isWhole;
    if (this.#pack.size > 2 * this.#keptBytes + SPARE_BYTES) this.#renew();
    else if (!isUnchanged) writeManifest(this.#folder, this.#manifest);
  }

  close(): void {
    this.#pack.close();
  }

  /** What was written in part would be believed. */
  discard(): void {
    dropManifest(this.#folder);
  }

  #read(kept: Exclude<Noted['content'], string>): Version['content'] {
    // Still to be written.
    this.#pack.flush();
    return this.#pack.read(kept) ?? 'unknown';
  }

  #renew(): void {
    const former = this.#pack;
    this.#manifest.pack += 1;
    this.#pack = new ContentPack(packPath(this.#folder, this.#manifest.pack));
    // Contents of one chunk are read together.
    for (const [path, noted] of Array.from(this.files).sort((a, b) => chunkOf(a[1]) - chunkOf(b[1]))) {
      if (typeof noted.content === 'string') continue;
      const content = former.read(noted.content);
      this.set(path, { ...noted, content: content ? this.#pack.add(content) : 'unknown' });
    }
    this.#pack.flush();
    writeManifest(this.#folder, this.#manifest);
    former.remove();
  }
}

const chunkOf = ({ content }: Noted): number => (typeof content === 'string' ? 0 : content[0]);

const packPath = (folder: string, pack: number): string => join(folder, `contents-${pack}`);

const bytesOf = (noted: Noted | undefined): number =>
  noted && typeof noted.content !== 'string' ? noted.content[3] : 0;

const isLinkMode = (mode: number): boolean => (mode & FILE_TYPE) === LINK;

function gitMode(mode: number): Version['mode'] {
  if (isLinkMode(mode)) return '120000';
  return (mode & RUNS) === 0 ? '100644' : '100755';
}

/** A file as it is now. */
export function readVersion({ stats, read }: FoundFile): Version {
  const isLarge = !stats.isSymbolicLink() && stats.size > MAX_FILE_BYTES;
  return { mode: gitMode(stats.mode), content: isLarge ? 'large' : (read(MAX_FILE_BYTES) ?? 'unknown') };
}
