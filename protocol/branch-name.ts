import * as z from 'zod';

const MAX_BRANCH = 200;

/** What `git check-ref-format` refuses, and a dash at the beginning, which would be an option. */
const BROKEN = /[\p{Cc}\p{Cs} ~^:?*[\\]|\.\.|@\{|\/\/|^[-/]|[/.]$|(?:^|\/)\.|\.lock(?:\/|$)|^@$/u;

/** The name of a branch, without `refs/heads/`. */
export const branchNameSchema = z
  .string()
  .min(1)
  .max(MAX_BRANCH)
  .refine((name) => !BROKEN.test(name), { error: 'must be a name that git accepts for a branch' });
