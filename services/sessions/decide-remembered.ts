/** What becomes of that which people asked to have remembered. */
import { CompanionError } from '../../protocol/error-codes.js';
import type { RememberedGrant } from '../ports/records.js';
import { Draft, type Step } from './draft.js';
import { takeBack, withoutModes } from './remembered-grants.js';
import type { SessionState } from './session-state.js';

/** A person takes one of them back, or all. Throws `NOT_FOUND` where there is none with this id. */
export function takeBackRemembered(state: SessionState, id: string | undefined, now: number) {
  const isTaken = (grant: RememberedGrant) => id === undefined || grant.id === id;
  const taken = (state.record.remembered ?? []).filter(isTaken);
  if (id !== undefined && taken.length === 0) {
    throw new CompanionError('NOT_FOUND', 'Nothing with this id is remembered in this session.', { field: 'id' });
  }
  const draft = new Draft(state, now);
  if (taken.length > 0) {
    draft.updateRecord({ updatedAt: now });
    forgetRemembered(draft, isTaken);
  }
  return { step: draft.finish() satisfies Step, taken };
}

/**
 * What is taken back holds no more, for the child that lives now either: it is put into the mode, and made to ask for
 * the rest. That is on record until the child has ended, for the next daemon may have to tell it.
 */
export function forgetRemembered(draft: Draft, isTaken: (grant: RememberedGrant) => boolean): void {
  const { record, child } = draft.state;
  const taken = (record.remembered ?? []).filter(isTaken);
  if (taken.length === 0) return;
  const { kept, askRules, mode } = takeBack(record, isTaken);
  draft.updateRecord({ remembered: kept, ...(mode !== undefined && { permissionMode: mode }) });
  const rules = taken.flatMap((grant) => (grant.inFile ? grant.rules : []));
  if (rules.length > 0) draft.effect({ kind: 'forgetFileRules', rules });
  if (child.phase === 'none') return;
  const askBefore = record.takenBack?.askRules ?? [];
  const takenBack = { askRules: [...new Set([...askBefore, ...askRules])], ...(mode !== undefined && { mode }) };
  draft.updateRecord({ takenBack });
  tellTakenBack(draft);
}

/** Tells the child again: it may have been started with what is granted no more, or the last daemon did not come to it. */
export function tellTakenBack(draft: Draft): void {
  const { takenBack, permissionMode } = draft.state.record;
  if (!takenBack || draft.state.child.phase !== 'live') return;
  const { askRules, mode } = takenBack;
  draft.effect({ kind: 'adjustChild', askRules, ...(mode === permissionMode && mode !== undefined && { mode }) });
}

/** A person has chosen a mode, so none is remembered any more. */
export function chooseMode(draft: Draft): void {
  const { remembered, takenBack } = draft.state.record;
  if (remembered?.some(({ mode }) => mode !== undefined)) draft.updateRecord({ remembered: withoutModes(remembered) });
  if (takenBack?.mode !== undefined) draft.updateRecord({ takenBack: { askRules: takenBack.askRules } });
}
