/** Characters that HFS+ passes over when it compares names, and all others that are not seen. */
const IGNORED = /[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]|\p{Default_Ignorable_Code_Point}/gu;

/** As file systems compare names that fold case, normalise, or drop what Windows drops at the end. */
export const foldedName = (name: string): string =>
  name
    .replaceAll(IGNORED, '')
    .normalize('NFKC')
    .toUpperCase()
    .toLowerCase()
    .replace(/[. ]+$/, '');
