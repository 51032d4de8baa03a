import { CompanionError } from '../../protocol/error-codes.js';
import type { CliCapabilities } from '../ports/claude.js';
import type { Caller, CommandServices } from './command-context.js';

type Asked = Pick<CommandServices, 'registry' | 'askRunner'>;
type CliModel = CliCapabilities['models'][number];

/**
 * The models of the person's CLI, as one of their running CLIs lists them; without one a CLI is started for it, which
 * takes a second. Rejects as `ClaudeOutside.capabilities` does.
 */
export async function listModels(
  { registry, askRunner }: Asked,
  { device: { userId } }: Pick<Caller, 'device'>,
): Promise<readonly CliModel[]> {
  for (const session of registry.owned(userId).filter(({ canAsk }) => canAsk)) {
    const child = await session.runningChild();
    // One that is busy or about to end: another one knows as well.
    const told = await child.questions.capabilities().catch(() => undefined);
    if (told && told.models.length > 0) return told.models;
  }
  return (await askRunner.capabilities(userId)).models;
}

/** One of them, by its id or by the model that it stands for. Rejects with `NOT_FOUND` as well. */
export async function findModel(
  services: Asked,
  { caller, model }: { caller: Pick<Caller, 'device'>; model: string },
): Promise<CliModel> {
  const models = await listModels(services, caller);
  const found = models.find(({ id }) => id === model) ?? models.find(({ resolvedId }) => resolvedId === model);
  if (found) return found;
  throw new CompanionError('NOT_FOUND', 'The Claude CLI lists no such model.', { field: 'id' });
}
