import type { Response } from 'express';
import * as z from 'zod';
import { attachmentsSchema, promptTextSchema, type SessionId } from '../../protocol/scalars.js';
import type { NamedDirectory } from '../../services/commands/command-context.js';
import { admitPrompt } from '../access/admit-prompt.js';
import { deviceOf, parseInput, requirePrincipal } from '../http/request-context.js';
import type { RouteServices } from '../route-services.js';
import { attachmentsOf, type ChatPrompt, type MessagesField, textOf } from './chat-prompt.js';

interface Admitted {
  response: Response;
  prompt: ChatPrompt;
  field: MessagesField;
  /** Absent: an empty folder. */
  sessionId: SessionId | null | undefined;
}

/**
 * Whether the sender of a request may ask this. Rejects with `INVALID_REQUEST` for what is too long, and as
 * `admitPrompt` does.
 */
export async function admitChat(services: RouteServices, admitted: Admitted): Promise<void> {
  const { response, prompt, field, sessionId } = admitted;
  requireBounded(prompt, field);
  const principal = requirePrincipal(response);
  const first = prompt.parts[0]?.type === 'text' ? prompt.parts[0].text : '';
  const prompted = { text: first, field, attachments: attachmentsOf(prompt.parts) };
  // An empty folder has no definitions of its own, so checking the first root is at worst too strict.
  const at = (): SessionId | NamedDirectory => sessionId ?? { path: '.', base: services.firstRoot, field };
  await admitPrompt(services, { principal, device: deviceOf(principal), prompted, isCounted: true, at });
}

function requireBounded({ parts, system = '' }: ChatPrompt, field: MessagesField): void {
  const checked = z.object({ [field]: promptTextSchema });
  parseInput(checked, { [field]: textOf(parts) }, field);
  parseInput(checked, { [field]: system }, field);
  parseInput(z.object({ [field]: attachmentsSchema }), { [field]: attachmentsOf(parts) }, field);
}
