import { useRef, useState } from 'react';
import type { ErrorCode } from '../../protocol/error-codes.js';
import { codeOf, wordsOf } from '../link/link.js';

export interface Action {
  isBusy: boolean;
  /** Why the last one failed. */
  refusal: string | undefined;
  /** Undefined as well where the daemon has said nothing. */
  code: ErrorCode | undefined;
  /** One after the other: what is chosen while one runs is done next. Resolves with whether it has succeeded. */
  run: (action: () => Promise<unknown>) => Promise<boolean>;
}

/** What a person asks for, and why it could not be done. */
export function useAction(): Action {
  const [running, setRunning] = useState(0);
  const [refusal, setRefusal] = useState<string>();
  const [code, setCode] = useState<ErrorCode>();
  const last = useRef<Promise<unknown>>(Promise.resolve());
  const perform = async (action: () => Promise<unknown>) => {
    setRefusal(undefined);
    try {
      await action();
      return true;
    } catch (error) {
      setRefusal(wordsOf(error));
      setCode(codeOf(error));
      return false;
    } finally {
      setRunning((count) => count - 1);
    }
  };
  const run = (action: () => Promise<unknown>) => {
    setRunning((count) => count + 1);
    const ended = last.current.then(() => perform(action));
    last.current = ended;
    return ended;
  };
  return { isBusy: running > 0, refusal, code, run };
}
