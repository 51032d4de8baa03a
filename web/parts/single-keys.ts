/** Single-key shortcuts, inactive in text fields. Assistive technology can need the same keys, so they can be switched off. */

const OFF = 'single-keys-off';

export const hasSingleKeys = (): boolean => localStorage.getItem(OFF) === null;

export function setSingleKeys(isOn: boolean): void {
  if (isOn) localStorage.removeItem(OFF);
  else localStorage.setItem(OFF, '1');
}

const WRITTEN_IN = 'input:not([type="checkbox"], [type="radio"], [type="file"]), textarea, select, [contenteditable]';

/** The key of the event; undefined where it is no command: in a text, with another key, over a dialog. */
export function singleKey(event: KeyboardEvent): string | undefined {
  const { key, target, ctrlKey, metaKey, altKey, repeat, isComposing, defaultPrevented } = event;
  if (ctrlKey || metaKey || altKey || repeat || isComposing || defaultPrevented) return undefined;
  if (target instanceof Element && target.closest(WRITTEN_IN)) return undefined;
  if (document.querySelector('dialog[open]') || !hasSingleKeys()) return undefined;
  return key;
}
