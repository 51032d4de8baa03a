import { useEffect, useEffectEvent, useRef, useState } from 'react';
import { MAX_ATTACHMENTS, MAX_ATTACHMENTS_BYTES } from '../../protocol/limits.js';
import { type Attachment, IMAGE_TYPES } from '../../protocol/scalars.js';
import { newId } from '../link/new-id.js';
import { t } from '../strings/t.js';
import { type Image, keepImages, loadImages } from './kept-images.js';

export interface Images {
  list: readonly Image[];
  /** Why one was not taken. */
  refusal: string | undefined;
  /** They outlive the page. */
  isKept: boolean;
  add: (files: Iterable<File>) => Promise<void>;
  remove: (ids: readonly string[]) => void;
  /** Resolves with all of them, once those are there that were kept. */
  all: () => Promise<readonly Image[]>;
}

const MIB = 1024 * 1024;

/** The images of a message, within the limits of the protocol. `owner`: whose they are when the page is loaded again. */
export function useImages(owner: string): Images {
  const [list, setList] = useState<readonly Image[]>([]);
  const [refusal, setRefusal] = useState<string>();
  const [isKept, setKept] = useState(true);
  const { current } = useRef<{ list: readonly Image[]; loaded: Promise<void> | undefined }>({
    list: [],
    loaded: undefined,
  });
  const show = (next: readonly Image[]) => {
    current.list = next;
    setList(next);
  };
  const change = async (next: readonly Image[]) => {
    show(next);
    setKept(await keepImages(owner, next));
  };
  const load = async () => {
    const kept = await loadImages(owner);
    if (kept.length > 0) show([...kept, ...current.list]);
  };
  const begin = useEffectEvent(() => {
    current.loaded ??= load();
  });
  useEffect(() => begin(), []);
  const all = async () => {
    await current.loaded;
    return current.list;
  };
  const add = async (files: Iterable<File>) => {
    setRefusal(undefined);
    for (const file of files) {
      const image = refusalOf(file, await all()) ?? (await read(file));
      if (typeof image === 'string') setRefusal(image);
      else await change([...current.list, image]);
    }
  };
  const remove = (ids: readonly string[]) => {
    setRefusal(undefined);
    void change(current.list.filter(({ id }) => !ids.includes(id)));
  };
  return { list, refusal, isKept, add, remove, all };
}

const isImageType = (type: string): type is Attachment['mediaType'] => IMAGE_TYPES.some((known) => known === type);

function refusalOf({ name, type, size }: File, list: readonly Image[]): string | undefined {
  if (!isImageType(type)) return t('composer.imageType', { name });
  if (list.length >= MAX_ATTACHMENTS) return t('composer.imageCount', { count: MAX_ATTACHMENTS });
  const bytes = list.reduce((sum, image) => sum + image.bytes, size);
  if (bytes > MAX_ATTACHMENTS_BYTES) return t('composer.imageBytes', { name, size: MAX_ATTACHMENTS_BYTES / MIB });
  return undefined;
}

/** Resolves with the words for a file that cannot be read. */
function read(file: File): Promise<Image | string> {
  const { name, size: bytes } = file;
  const mediaType = file.type as Attachment['mediaType'];
  const reader = new FileReader();
  return new Promise((resolve) => {
    reader.addEventListener('error', () => resolve(t('composer.imageUnread', { name })));
    reader.addEventListener('load', () => {
      const data = typeof reader.result === 'string' ? reader.result.replace(/^[^,]*,/, '') : '';
      resolve({ id: newId(), name, mediaType, data, bytes });
    });
    reader.readAsDataURL(file);
  });
}
