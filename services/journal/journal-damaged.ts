/** The journal's content is not what was written. The message says where and never quotes the content. */
export class JournalDamaged extends Error {}
