/** Which frame types a device wants: all, or those named. */
export interface EventFilter {
  wants(type: string): boolean;
  /** Whether the type was asked for by its name. */
  names(type: string): boolean;
}

export function createEventFilter(events: readonly string[]): EventFilter {
  const named = new Set(events);
  const all = named.has('*');
  return { wants: (type) => all || named.has(type), names: (type) => named.has(type) };
}
