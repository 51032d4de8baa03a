/** The value of a JSON text; undefined, which no JSON text has as its value, when it is none. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // It throws nothing but a `SyntaxError`, whose words differ with the version of the engine and repeat the text.
    return undefined;
  }
}
