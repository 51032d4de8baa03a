/** The syntax of the CLI's permission rules. */

/**
 * A path as a pattern of a rule. Special characters are replaced by `?`, which matches any one character but a slash:
 * the CLI accepts no escape for a backslash and a wrong one for `?` (2.1.197 to 2.1.332). A sibling that differs only in
 * such a character is matched too, so the patterns serve rules that deny or ask.
 */
const asPattern = (path: string): string => path.replaceAll(/[\\*?[\]{}()!#]/g, '?');

/** The rules for reading and changing everything within a folder, by its absolute path: a double slash marks one. */
export const rulesWithin = (folder: string): string[] =>
  ['Read', 'Edit'].map((tool) => `${tool}(/${asPattern(folder)}/**)`);
