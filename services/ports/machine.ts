/** What services need from the machine. */

/** Rejects with `CAPACITY`, naming the shortage, when no other Claude CLI can start. */
export type RequireRoom = () => Promise<void>;
