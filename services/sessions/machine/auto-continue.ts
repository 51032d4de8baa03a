/** A session that goes on by itself when the usage limit resets that has ended its turn. */
import { sayNotice } from './notices.js';
import { continuesAt } from './session-state.js';
import type { StepBuilder } from './step-builder.js';

/** A limit ended the turn. `resetsAt`: epoch milliseconds; undefined where it is not known, so that nothing follows. */
export function awaitReset(builder: StepBuilder, resetsAt: number | undefined): void {
  stopWaiting(builder);
  if (resetsAt !== undefined) builder.updateRecord({ limitedUntil: resetsAt });
  if (resetsAt === undefined || continuesAt(builder.state) === undefined) return;
  const at = new Date(resetsAt).toISOString();
  sayContinuing(
    builder,
    `The usage limit resets at ${at}: the daemon then continues by itself, once. A prompt, an interrupt or closing the session switches this off.`,
  );
}

/** For a person: what the daemon does by itself after a limit. */
export const sayContinuing = (builder: StepBuilder, message: string): void =>
  sayNotice(builder, { kind: 'auto_continue', level: 'info', message });

/** Nothing is left to continue. */
export function stopWaiting(builder: StepBuilder): void {
  if (builder.state.record.limitedUntil !== undefined) builder.clearRecord('limitedUntil');
}

/** A person took over the conversation that waited to be continued. */
export function yieldToPerson(builder: StepBuilder): void {
  if (continuesAt(builder.state) !== undefined) builder.updateRecord({ autoContinue: false });
  stopWaiting(builder);
}

/** A person stopped the session. */
export function switchOff(builder: StepBuilder): void {
  if (builder.state.record.autoContinue) builder.updateRecord({ autoContinue: false });
  stopWaiting(builder);
}
