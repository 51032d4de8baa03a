/** Characters that HFS+ ignores when it compares names, and all other invisible ones. */
const IGNORED = /[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]|\p{Default_Ignorable_Code_Point}/gu;

/** Folds a name like file systems that ignore case, normalise, or drop what Windows drops at the end. */
export const foldedName = (name: string): string =>
  name
    .replaceAll(IGNORED, '')
    .normalize('NFKC')
    .toUpperCase()
    .toLowerCase()
    .replace(/[. ]+$/, '');
