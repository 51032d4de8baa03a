/** Milliseconds of the monotonic clock, the same for every process of a machine. */
export const now = () => Number(process.hrtime.bigint()) / 1e6;

/** Stands before every time in a text, so that a reader finds it wherever a server puts the text. */
export const STAMP_MARK = '@@';
/** Of a mark and the time, filled up with blanks. */
export const STAMP_CHARACTERS = 24;

export const stamp = () => (STAMP_MARK + now().toFixed(3)).padEnd(STAMP_CHARACTERS);
