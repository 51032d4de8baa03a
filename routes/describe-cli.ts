import { capabilitiesWith } from '../protocol/capabilities.js';
import type { RouteServices } from './route-services.js';

/** The version of the CLI, and what can be done with it. */
export async function describeCli({ claudeCodeVersion }: Pick<RouteServices, 'claudeCodeVersion'>) {
  const version = await claudeCodeVersion();
  return {
    ...(version !== undefined && { claudeCodeVersion: version }),
    capabilities: capabilitiesWith(version),
  };
}
