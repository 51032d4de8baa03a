/**
 * The beginning of a text, at most `max` UTF-16 units, without splitting a surrogate pair: the only function that cuts
 * texts for a record, an error or a page. (`fitText` of pushes keeps whole graphemes, since a person sees its cuts.)
 */
export const cutText = (text: string, max: number): string =>
  text.length <= max ? text : text.slice(0, Math.max(0, max)).replace(/[\ud800-\udbff]$/, '');
