/** Of what is being written to a session, and of the two fields of a new one. */
export const draftKey = (sessionId: string): string => `draft-${sessionId}`;
export const NEW_PROMPT = 'new-prompt';
export const NEW_DIRECTORY = 'new-directory';

/** Keeps a text in this browser, or forgets an empty one. Returns whether it is kept: a browser can have no room. */
export function keepText(key: string, text: string): boolean {
  try {
    if (text === '') localStorage.removeItem(key);
    else localStorage.setItem(key, text);
    return true;
  } catch {
    // No room, or a person who wants nothing kept: what is written stays in the page.
    return false;
  }
}
