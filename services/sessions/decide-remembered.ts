/** Revoking remembered grants. */
import { CompanionError } from '../../protocol/error-codes.js';
import type { RememberedGrant } from '../ports/records.js';
import { takeBack, withoutModes } from './remembered-grants.js';
import type { SessionState } from './session-state.js';
import { type Step, StepBuilder } from './step-builder.js';

/** A person revokes one grant, or all. Throws `NOT_FOUND` for an unknown id. */
export function takeBackRemembered(state: SessionState, id: string | undefined, now: number) {
  const isTaken = (grant: RememberedGrant) => id === undefined || grant.id === id;
  const taken = (state.record.remembered ?? []).filter(isTaken);
  if (id !== undefined && taken.length === 0) {
    throw new CompanionError('NOT_FOUND', 'Nothing with this id is remembered in this session.', { field: 'id' });
  }
  const builder = new StepBuilder(state, now);
  if (taken.length > 0) {
    builder.updateRecord({ updatedAt: now });
    forgetRemembered(builder, isTaken);
  }
  return { step: builder.finish() satisfies Step, taken };
}

/**
 * A revoked grant ends for the running child as well: it is switched to the right mode, and made to ask for the rest.
 * The revocation is recorded until the child has ended, since the next daemon can have to tell it.
 */
export function forgetRemembered(builder: StepBuilder, isTaken: (grant: RememberedGrant) => boolean): void {
  const { record, child } = builder.state;
  const taken = (record.remembered ?? []).filter(isTaken);
  if (taken.length === 0) return;
  const { kept, askRules, mode } = takeBack(record, isTaken);
  builder.updateRecord({ remembered: kept, ...(mode !== undefined && { permissionMode: mode }) });
  const rules = taken.flatMap((grant) => (grant.inFile ? grant.rules : []));
  if (rules.length > 0) builder.effect({ kind: 'forgetFileRules', rules });
  if (child.phase === 'none') return;
  const askBefore = record.takenBack?.askRules ?? [];
  const takenBack = { askRules: [...new Set([...askBefore, ...askRules])], ...(mode !== undefined && { mode }) };
  builder.updateRecord({ takenBack });
  tellTakenBack(builder);
}

/** Tells the child again: it can have started with the revoked grant, or was not told by the last daemon. */
export function tellTakenBack(builder: StepBuilder): void {
  const { takenBack, permissionMode } = builder.state.record;
  if (!takenBack || builder.state.child.phase !== 'live') return;
  const { askRules, mode } = takenBack;
  builder.effect({ kind: 'adjustChild', askRules, ...(mode === permissionMode && mode !== undefined && { mode }) });
}

/** A person has chosen a mode, so remembered modes end. */
export function chooseMode(builder: StepBuilder): void {
  const { remembered, takenBack } = builder.state.record;
  if (remembered?.some(({ mode }) => mode !== undefined))
    builder.updateRecord({ remembered: withoutModes(remembered) });
  if (takenBack?.mode !== undefined) builder.updateRecord({ takenBack: { askRules: takenBack.askRules } });
}
