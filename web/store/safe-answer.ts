import type { PermissionRequest } from './console-state.js';

/** Whether one key or one swipe may allow it: nothing that has to be read, filled in, or confirmed by a word. */
export const canAllowAtOnce = ({ kind, oneTap, defaultToNo }: PermissionRequest): boolean =>
  kind === 'tool' && oneTap !== false && defaultToNo !== true;
