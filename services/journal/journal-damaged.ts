/** The journal is not as it was written. The message says where, and never what stands there. */
export class JournalDamaged extends Error {}
