/** Takes a piece of text and when it arrived. A piece may hold several deltas. */
export type OnDelta = (text: string, at: number) => void;

/** Times on the clock of `now`. */
export interface Turn {
  sentAt: number;
  firstDeltaAt: number;
}

/** One side of a comparison: a session that is given one prompt after the other. */
export interface Conversation {
  /** Resolves when the turn is over. */
  turn(prompt: string, onDelta?: OnDelta): Promise<Turn>;
  close(): Promise<void>;
}

/** Longer than any turn of a benchmark. */
export const TURN_MS = 120_000;

export const firstDeltaMs = ({ sentAt, firstDeltaAt }: Turn): number => firstDeltaAt - sentAt;
