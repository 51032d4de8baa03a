const LIT_MS = 2500;

/** For the eye, and for who hears the page. */
export function light(element: Element): void {
  if (!(element instanceof HTMLElement)) return;
  element.tabIndex = -1;
  element.focus({ preventScroll: true });
  const color = getComputedStyle(element).getPropertyValue('--accent');
  element.animate([{ outline: `3px solid ${color}` }, { outline: `3px solid ${color}` }], LIT_MS);
}
