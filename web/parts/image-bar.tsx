import { IMAGE_TYPES } from '../../protocol/scalars.js';
import { t } from '../strings/t.js';
import { Refusal } from './refusal.js';
import type { Images } from './use-images.js';

/** The images of the message that is being written. */
export function ImageBar({ images: { list, refusal, isKept, remove } }: { images: Images }) {
  return (
    <>
      <Refusal reason={refusal ?? (isKept ? undefined : t('composer.imagesNotKept'))} />
      {list.length > 0 && (
        <ul className="images">
          {list.map(({ id, name, mediaType, data }) => (
            <li key={id}>
              <img src={`data:${mediaType};base64,${data}`} alt={name} />
              <button
                type="button"
                className="icon"
                aria-label={t('composer.removeImage', { name })}
                onClick={() => remove([id])}
              >
                <span aria-hidden="true">✕</span>
              </button>
            </li>
          ))}
        </ul>
      )}
    </>
  );
}

/** Opens the choice of files, on a phone of the camera too. */
export function AddImages({ images }: { images: Images }) {
  return (
    <label className="add-images">
      <input
        type="file"
        accept={IMAGE_TYPES.join(',')}
        multiple
        aria-label={t('composer.addImages')}
        onChange={({ target }) => {
          void images.add([...(target.files ?? [])]);
          target.value = '';
        }}
      />
      <span aria-hidden="true">+</span>
    </label>
  );
}
