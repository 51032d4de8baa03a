import type { Details } from '../store/session-details.js';

/** The listed model of this name, which can be an alias or what is behind one. */
export function modelIn(details: Details | undefined, model: string | undefined) {
  const models = details?.capabilities.kind === 'known' ? details.capabilities.value.models : [];
  return models.find(({ id }) => id === model) ?? models.find(({ resolvedId }) => resolvedId === model);
}
