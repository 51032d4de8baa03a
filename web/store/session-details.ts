/** What a session's own view shows beside its conversation. Pure. */
import type { AnswerData, EventData } from '../../client/browser.js';
import type { UsageLimits } from '../../protocol/usage.js';

/** Something that was asked for: not known yet, refused, or known. */
export type Loadable<Value> =
  | { kind: 'loading' }
  | { kind: 'failed'; because: string }
  | { kind: 'known'; value: Value };

export interface Details {
  capabilities: Loadable<AnswerData<'sessionCapabilities'>>;
  context: Loadable<AnswerData<'contextUsage'>>;
  /** Of the background tasks that were looked into. */
  outputs: ReadonlyMap<string, Loadable<AnswerData<'getTaskOutput'>>>;
}

export const UNKNOWN: Details = {
  capabilities: { kind: 'loading' },
  context: { kind: 'loading' },
  outputs: new Map(),
};

/** What was chosen for the session, and holds now. */
export interface Settings {
  model: string | undefined;
  permissionMode: string | undefined;
  effort: string | undefined;
  autoContinue: boolean;
  continuesAt: string | undefined;
  cost: number | undefined;
}

type Chosen = Pick<EventData<'sessionStatus'>, 'model' | 'permissionMode' | 'effort' | 'autoContinue' | 'continuesAt'>;

/** Of a status event, or of a view of the session. */
export const settingsIn = (chosen: Chosen & { totalCost?: number | undefined }): Settings => ({
  model: chosen.model,
  permissionMode: chosen.permissionMode,
  effort: chosen.effort,
  autoContinue: chosen.autoContinue ?? false,
  continuesAt: chosen.continuesAt,
  cost: chosen.totalCost,
});

/** How near the account is to its limit. */
export type Limit = Pick<UsageLimits, 'status' | 'window' | 'utilization' | 'resetsAt'> & {
  /** Of the last change. */
  at: string;
};

/** The newer one: events of the past come after answers about the present. */
export const newerLimit = (known: Limit | undefined, other: Limit): Limit =>
  known && known.at > other.at ? known : other;
