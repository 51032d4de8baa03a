/** The requests of the CLI to a person: asked, withdrawn, answered, and compared when a child is adopted. */
import { createHash } from 'node:crypto';
import type { PermissionId } from '../../../protocol/scalars.js';
import type { BackgroundChange, CliFact, PendingAsks } from '../../ports/claude.js';
import type { PermissionAsk, PermissionRecord } from '../../ports/records.js';
import { findRunning } from './decide-blocks.js';
import { sayNotice } from './notices.js';
import { cutAsk, permissionRequestOf, resolvePermission, withdrawElicitation } from './permission-requests.js';
import { openPermissions } from './session-state.js';
import type { StepBuilder } from './step-builder.js';

type Fact<Kind extends CliFact['kind']> = Extract<CliFact, { kind: Kind }>;

export function onPermissionAsked(builder: StepBuilder, { ask }: Pick<Fact<'permissionAsked'>, 'ask'>): void {
  const { record, permissions, plan } = builder.state;
  const { sessionId, child } = record;
  if (permissions.some((known) => known.ask.requestId === ask.requestId)) return;
  const isOfPlan = ask.toolName === 'ExitPlanMode' && plan?.toolId === ask.toolUseId && !('plan' in ask.input);
  const permission: PermissionRecord = {
    permissionId: permissionIdOf(ask, builder.line),
    sessionId,
    childId: child?.childId ?? '',
    ask: { ...ask, toolUseId: findRunning(builder.state, ask.toolUseId), ...(isOfPlan && { plan: plan.text }) },
    createdAt: builder.now,
  };
  const { seq, isCut } = builder.event('permissionRequest', permissionRequestOf(permission));
  builder.putPermission(isCut ? { ...permission, ask: cutAsk(permission.ask, seq) } : permission);
}

export function onPermissionWithdrawn(builder: StepBuilder, { requestId }: Fact<'permissionWithdrawn'>): void {
  const permission = builder.state.permissions.find(({ ask }) => ask.requestId === requestId);
  if (permission && permission.decision === undefined)
    resolvePermission(builder, permission, { decision: 'cancelled' });
}

/** A decision is in the record before it is given: an answer without one is not from here, or the record lost it. */
export function onPermissionRead(builder: StepBuilder, { requestId }: Fact<'permissionRead'>): void {
  const permission = builder.state.permissions.find(({ ask }) => ask.requestId === requestId);
  if (!permission) return;
  if (permission.decision === undefined) {
    withdrawUnheard(builder, permission, 'has got an answer that is not in the record to a request');
    return;
  }
  const { answer: _, ...read } = permission;
  builder.putPermission(read);
}

/** The server has reported that the person did what it asked for; accepting reports the same. */
export function onElicitationCompleted(builder: StepBuilder, completed: Fact<'elicitationCompleted'>): void {
  const { elicitationId, mcpServer } = completed;
  for (const permission of openPermissions(builder.state)) {
    const { ask } = permission;
    if (ask.elicitationId === elicitationId && ask.mcpServer === mcpServer)
      withdrawElicitation(builder, permission, 'accept');
  }
}

/** An interrupt withdraws what MCP servers ask. 2.1.197 does not say so, and its servers would wait on. */
export function cancelElicitations(builder: StepBuilder): void {
  for (const permission of openPermissions(builder.state))
    if (permission.ask.kind === 'elicitation') withdrawElicitation(builder, permission, 'cancel');
}

/**
 * The CLI's answer to our `initialize`. An adopted child was given our answers before it, so one that it has not read by
 * now was lost with the earlier daemon. Where it lists the requests for which it waits, they are those of the record.
 */
export function onInitialized(builder: StepBuilder, { pending }: Fact<'initialized'>): void {
  const { child } = builder.state;
  if (child.phase !== 'live') return;
  const { owed, ...others } = child;
  builder.update({ child: { ...others, ready: true, ...(owed && { comparesTasks: true }) } });
  if (owed) compareRequests(builder, pending, owed);
}

function compareRequests(builder: StepBuilder, pending: PendingAsks, owed: readonly string[]): void {
  for (const permission of builder.state.permissions) {
    const { ask, answer, decision } = permission;
    const isListed = pending[ask.kind ?? 'tool']?.some(({ requestId }) => requestId === ask.requestId);
    if (decision === undefined && isListed === false)
      withdrawUnheard(builder, permission, 'no longer waits for an answer to a request');
    // Elicitations are not listed (2.1.197 to 2.1.332), nor dialogs by every version; an answer too many is ignored.
    if (answer && owed.includes(ask.requestId) && (isListed ?? ask.kind !== undefined))
      builder.effect({ kind: 'answerPermission', requestId: ask.requestId, answer });
  }
  for (const ask of Object.values(pending).flat()) askUnheard(builder, ask);
}

/** The CLI does not wait for an answer any more, and the record does not say why. */
function withdrawUnheard(builder: StepBuilder, permission: PermissionRecord, why: string): void {
  resolvePermission(builder, permission, { decision: 'cancelled' });
  tellDifference(builder, `${why}: ${permissionRequestOf(permission).prompt}`);
}

/** The CLI waits for an answer to a request that is missing in what could be read of its output. */
function askUnheard(builder: StepBuilder, ask: PermissionAsk): void {
  if (builder.state.permissions.some((known) => known.ask.requestId === ask.requestId)) return;
  onPermissionAsked(builder, { ask });
  tellDifference(builder, `waits for an answer to a request that was not recorded: ${ask.toolName}`);
}

/**
 * A list of tasks is about to replace the recorded one. The first after the adoption follows the answer to `initialize`
 * at once (2.1.332): the record differs from it only where a change could not be read.
 */
export function compareTasks(builder: StepBuilder, change: BackgroundChange): void {
  const { child, background } = builder.state;
  if (child.phase !== 'live' || !child.comparesTasks) return;
  const { comparesTasks: _, ...compared } = child;
  builder.update({ child: compared });
  if (change.kind !== 'all') return;
  const running = new Set(change.tasks.map(({ taskId }) => taskId));
  const recorded = background.filter(({ kind }) => kind !== 'cron');
  const missing = [...running].filter((id) => !recorded.some(({ taskId }) => taskId === id)).length;
  const ended = recorded.filter(({ taskId }) => !running.has(taskId)).length;
  if (missing > 0) tellDifference(builder, `runs tasks that were not recorded: ${missing}`);
  if (ended > 0) tellDifference(builder, `no longer runs tasks that were recorded: ${ended}`);
}

function tellDifference(builder: StepBuilder, what: string): void {
  const message = `The Claude CLI that outlived the daemon ${what}`;
  builder.effect({ kind: 'logDifference', message });
  sayNotice(builder, { kind: 'adoption', level: 'warning', message });
}

/** Bytes of the digest used for an id: as many as in a UUID. */
const BYTES = 16;

/**
 * The id of a permission request. The tool call's own id is unsuitable: some gateways restart their numbering with each
 * response, and an answer to one request would decide another. A request is one line of one child, so rereading that
 * line, in any daemon, gives the same id, and no other line has it.
 */
function permissionIdOf(
  { requestId }: Pick<PermissionAsk, 'requestId'>,
  line: { childId: string; offset: number } | undefined,
): PermissionId {
  const place = JSON.stringify([line?.childId, line?.offset, requestId]);
  const digest = createHash('sha256').update(place).digest().subarray(0, BYTES);
  return `perm_${digest.toString('base64url')}` as PermissionId;
}
