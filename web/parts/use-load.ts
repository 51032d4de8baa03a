import { useEffect, useEffectEvent, useRef, useState } from 'react';
import type { RestClient } from '../../client/rest/index.js';
import { wordsOf } from '../link/link.js';
import { useConsole } from '../views/use-console.js';

/** What a view asks the daemon for. A failure is not an empty answer. */
export type Load<Value> = { kind: 'loading' } | { kind: 'failed'; because: string } | { kind: 'loaded'; value: Value };

export interface Loading<Value> {
  state: Load<Value>;
  /** Asks again. What is shown stays until the answer is there. */
  again: () => Promise<void>;
}

/** Asks at once, and again for another `key`. The answer to an earlier question is not shown after that to a later one. */
export function useLoad<Value>(ask: (rest: RestClient) => Promise<Value>, key = ''): Loading<Value> {
  const { link } = useConsole();
  const [state, setState] = useState<Load<Value>>({ kind: 'loading' });
  const newest = useRef(0);
  const again = async () => {
    newest.current += 1;
    const question = newest.current;
    const answer = await outcomeOf(ask(link.rest));
    if (question === newest.current) setState(answer);
  };
  const begin = useEffectEvent((of: string) => {
    if (of === key) setState({ kind: 'loading' });
    void again();
  });
  useEffect(() => begin(key), [key]);
  return { state, again };
}

const outcomeOf = <Value>(asked: Promise<Value>): Promise<Load<Value>> =>
  asked.then(
    (value) => ({ kind: 'loaded', value }),
    (error: unknown) => ({ kind: 'failed', because: wordsOf(error) }),
  );
