import { useState } from 'react';
import { MAX_ATTACHMENTS, MAX_ATTACHMENTS_BYTES } from '../../protocol/limits.js';
import { type Attachment, IMAGE_TYPES } from '../../protocol/scalars.js';
import { newId } from '../link/new-id.js';
import { t } from '../strings/t.js';

export interface Image {
  /** Of this page. */
  id: string;
  name: string;
  mediaType: Attachment['mediaType'];
  /** In base64. */
  data: string;
  bytes: number;
}

export interface Images {
  list: readonly Image[];
  /** Why one was not taken. */
  refusal: string | undefined;
  add: (files: Iterable<File>) => Promise<void>;
  remove: (id: string) => void;
  clear: () => void;
}

const MIB = 1024 * 1024;

/** The images of a message, within the limits of the protocol. */
export function useImages(): Images {
  const [list, setList] = useState<readonly Image[]>([]);
  const [refusal, setRefusal] = useState<string>();
  const add = async (files: Iterable<File>) => {
    setRefusal(undefined);
    let next = list;
    for (const file of files) {
      const image = refusalOf(file, next) ?? (await read(file));
      if (typeof image === 'string') setRefusal(image);
      else next = [...next, image];
    }
    setList(next);
  };
  const remove = (id: string) => setList(list.filter((image) => image.id !== id));
  const clear = () => {
    setList([]);
    setRefusal(undefined);
  };
  return { list, refusal, add, remove, clear };
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
