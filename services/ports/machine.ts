/** What services need of the machine. */

/** Rejects with `CAPACITY`, saying what is short, where no other Claude CLI is to be started. */
export type RequireRoom = () => Promise<void>;
