/**
 * The beginning of a text, at most `max` UTF-16 units, and never half of a surrogate pair: the one place in which texts
 * are cut for a record, an error or a page. (`fitText` of pushes keeps whole graphemes, for what a person sees cut.)
 */
export const cutText = (text: string, max: number): string =>
  text.length <= max ? text : text.slice(0, Math.max(0, max)).replace(/[\ud800-\udbff]$/, '');
