/** The commands of frames: their input is in `CLIENT_FRAMES`. */
import type { ClientData, ClientFrameType } from '../client-frames.js';
import type { FrameRule } from './rules.js';

type FrameRules = { readonly [T in ClientFrameType]: FrameRule<ClientData<T>> };

const PROMPT = { needs: 'prompt', counts: 'prompts', audit: 'prompt' } as const;

export const FRAME_COMMANDS: FrameRules = {
  subscribe: { needs: 'read', audit: 'read', ordered: true },
  unsubscribe: { needs: 'read', ordered: true },
  ack: { needs: 'read', ordered: true },
  streamStart: {
    ...PROMPT,
    prompt: ({ prompt: text, attachments }) => ({ text, field: 'prompt', attachments }),
    liberties: ({ options = {} }) => options,
    ordered: true,
  },
  streamSend: {
    ...PROMPT,
    prompt: ({ prompt: text, attachments }) => ({ text, field: 'prompt', attachments }),
    ordered: true,
  },
  cancelPrompt: { needs: 'prompt', audit: 'interrupt' },
  editPrompt: { ...PROMPT, prompt: ({ prompt: text }) => ({ text, field: 'prompt' }), ordered: true },
  movePrompt: { needs: 'prompt', audit: 'settings', ordered: true },
  clearQueue: { needs: 'prompt', audit: 'interrupt' },
  continueQueue: { needs: 'prompt', audit: 'prompt' },
  interrupt: { needs: 'prompt', audit: 'interrupt' },
  rewind: { needs: 'approve', audit: 'write', ordered: true },
  streamClose: { needs: 'prompt', audit: 'close' },
  permission: { needs: 'approve', audit: 'approve', said: ({ response }) => response },
  setModel: { needs: 'prompt', audit: 'settings' },
  setPermissionMode: { needs: 'prompt', audit: 'settings', liberties: ({ mode }) => ({ permissionMode: mode }) },
  setEffort: { needs: 'prompt', audit: 'settings' },
  setThinking: { needs: 'prompt', audit: 'settings' },
  addDirectory: { needs: 'approve', audit: 'settings' },
  getTaskOutput: { needs: 'read', audit: 'read' },
  stopTask: { needs: 'prompt', audit: 'interrupt' },
  backgroundTask: { needs: 'prompt', audit: 'interrupt' },
  setWorkingDirectory: { needs: 'prompt', ordered: true },
  claudeCommand: { ...PROMPT, prompt: ({ command: text }) => ({ text, field: 'command' }), ordered: true },
  ask: { ...PROMPT, prompt: ({ prompt: text }) => ({ text, field: 'prompt' }) },
  getMessageHistory: { needs: 'read', audit: 'read' },
  sessionCapabilities: { needs: 'read' },
  suggestFiles: { needs: 'prompt' },
  contextUsage: { needs: 'read' },
  sideQuestion: { ...PROMPT, prompt: ({ question: text }) => ({ text, field: 'question' }) },
  registerDevice: { needs: 'read', audit: 'settings' },
  clientBackgrounding: { needs: 'read' },
  clientForegrounding: { needs: 'read' },
  reauthenticate: { needs: 'credential', audit: 'refresh' },
  ping: { needs: 'credential' },
};
