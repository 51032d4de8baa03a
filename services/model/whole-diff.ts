/** The event `turnDiff` with its whole patch, as JSON that is kept beside the record. */
export interface WholeDiff {
  json: Uint8Array;
  /** The byte at which the text of the patch begins; it ends two bytes before the end. */
  patchAt: number;
}

export function wholeDiff(event: object, patch: string): WholeDiff {
  const encoder = new TextEncoder();
  const head = encoder.encode(`${JSON.stringify(event).slice(0, -1)},"patch":"`);
  const text = encoder.encode(`${JSON.stringify(patch).slice(1, -1)}"}`);
  const json = new Uint8Array(head.length + text.length);
  json.set(head);
  json.set(text, head.length);
  return { json, patchAt: head.length };
}
