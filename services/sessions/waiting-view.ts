import { cutText } from '../../protocol/cut-text.js';
import type { WaitingPrompt, WaitingSession } from '../../protocol/waiting.js';
import type { DeviceRef, PromptRecord } from '../ports/records.js';
import { permissionRequestOf } from './permission-requests.js';
import type { Session } from './session.js';
import { givenPrompts, openPermissions, queuedPrompts, statusOf } from './session-state.js';

const MAX_PROMPTS = 100;
const MAX_TEXT = 200;

/** What waits in a session. Permission requests are whole: the caller must cut them. */
export function waitingView({ state }: Session, isConnected: (device: DeviceRef) => boolean): WaitingSession {
  const { sessionId, directory, name } = state.record;
  const running = givenPrompts(state).map((prompt) => promptView(prompt, { state: 'running', isConnected }));
  const queued = queuedPrompts(state).map((prompt) => promptView(prompt, { state: 'queued', isConnected }));
  return {
    sessionId,
    workingDirectory: directory,
    ...(name !== undefined && { sessionName: name }),
    status: statusOf(state),
    permissions: openPermissions(state).map((permission) => ({
      ...permissionRequestOf(permission),
      askedAt: new Date(permission.createdAt).toISOString(),
    })),
    prompts: [...running, ...queued].slice(0, MAX_PROMPTS),
    promptCount: running.length + queued.length,
  };
}

interface PromptViewOptions extends Pick<WaitingPrompt, 'state'> {
  isConnected: (device: DeviceRef) => boolean;
}

function promptView(prompt: PromptRecord, { state, isConnected }: PromptViewOptions): WaitingPrompt {
  const { promptId, text, createdAt, device } = prompt;
  const shown = cutText(text, MAX_TEXT);
  return {
    promptId,
    state,
    text: shown,
    ...(shown.length < text.length && { truncated: true }),
    sentAt: new Date(createdAt).toISOString(),
    deviceId: device.deviceId,
    deviceConnected: isConnected(device),
  };
}
