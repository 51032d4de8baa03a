/** What a fake CLI is asked for in a prompt; see fake-load.mjs. */
export interface Load {
  kind: 'events' | 'deltas';
  count: number;
  /** Of each text. */
  bytes: number;
  perBlock?: number;
  batch?: number;
  perSecond?: number;
  /** A FIFO. */
  credits?: string;
}

export const promptOf = (load: Load): string => JSON.stringify({ load });
