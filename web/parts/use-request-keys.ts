import type { KeyboardEvent } from 'react';
import { useLocation } from 'wouter';
import type { PermissionRequest } from '../store/console-state.js';
import { canAllowAtOnce } from '../store/safe-answer.js';
import { singleKey } from './single-keys.js';

export interface RequestKeysOptions {
  request: PermissionRequest;
  isBusy: boolean;
  isInInbox: boolean;
  onAnswer: (response: 'allow' | 'deny') => void;
}

/** For the card of a request: it can be chosen, and answered by a key while it is. */
export function useRequestKeys({ request, isBusy, isInInbox, onAnswer }: RequestKeysOptions) {
  const [, navigate] = useLocation();
  const actions: Record<string, (card: HTMLElement, target: EventTarget) => void> = {
    d: () => onAnswer('deny'),
    a: (card) => {
      if (canAllowAtOnce(request)) onAnswer('allow');
      // What needs more than a key is given there.
      else card.querySelector<HTMLElement>('input, textarea, button')?.focus();
    },
    Enter: (card, target) => {
      if (isInInbox && target === card) navigate(`/s/${request.sessionId}`);
    },
  };
  const onKeyDown = (event: KeyboardEvent<HTMLElement>) => {
    const key = singleKey(event.nativeEvent);
    const act = isBusy || key === undefined ? undefined : actions[key];
    if (!act) return;
    act(event.currentTarget, event.target);
    if (key !== 'Enter') event.preventDefault();
  };
  return { tabIndex: -1, 'data-choice': '', onKeyDown };
}
