/** Parses a JSON text; undefined, which is never a JSON value, when the text is invalid. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The only possible error is a `SyntaxError`, whose message varies with the engine and quotes the text.
    return undefined;
  }
}
