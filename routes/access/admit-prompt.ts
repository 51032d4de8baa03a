import type { Prompted } from '../../protocol/commands/rules.js';
import type { SessionId } from '../../protocol/scalars.js';
import type { CommandServices, NamedDirectory } from '../../services/commands/command-context.js';
import { isShadowed } from '../../services/commands/prompt.js';
import type { Principal } from '../../services/identity/principal.js';
import type { DeviceRef } from '../../services/ports/records.js';
import { type Admission, refuseCommand, requireCommand } from './admission.js';

interface OfferedText {
  principal: Principal;
  device: DeviceRef;
  prompted: Prompted;
  /** Whether it counts towards the limit of prompts. */
  isCounted: boolean;
  /** Where it would run. */
  at: () => SessionId | NamedDirectory;
}

/**
 * Whether its sender may pass a text to Claude. A harmless command of the CLI is not harmless where a definition of the
 * person or the project replaces it. Rejects with `PERMISSION_DENIED` and `RATE_LIMITED`.
 */
export async function admitPrompt(
  services: CommandServices & { admission: Admission },
  { principal, device, prompted, isCounted, at }: OfferedText,
): Promise<void> {
  const { text, field } = prompted;
  const command = requireCommand(principal, text, field);
  if (command !== undefined && !principal.scopes.has('approve')) {
    if (await isShadowed(services, { caller: { device }, command, at: at() })) {
      throw refuseCommand({ name: command, scope: 'approve' }, field);
    }
  }
  if (isCounted && isPrompt(prompted) && principal.credential !== 'local') {
    await services.admission.limits.takeOf('prompts', principal);
  }
}

const isPrompt = ({ text, attachments = [] }: Prompted): boolean => text.trim() !== '' || attachments.length > 0;
