import type { ChildQuestions } from '../../ports/claude.js';
import { type CliDefaults, chatArguments } from '../cli/cli-arguments.js';
import { CliQuestions } from '../stream/cli-questions.js';
import { abortOf, type Errand, type ErrandOrder } from './errand.js';
import { Talk } from './talk.js';

export interface Consultation<Result> extends ErrandOrder {
  directory?: string | undefined;
  ask: (questions: ChildQuestions) => Promise<Result>;
}

/** A CLI that is asked about itself and its directory, and not for an answer of Claude. */
export const consultationErrand = <Result>(
  { ask, ...order }: Consultation<Result>,
  defaults: CliDefaults,
): Errand<Result> => ({
  ...order,
  bytes: 0,
  arguments: (conversation) => chatArguments(conversation, {}, defaults),
  talk: async (child, { conversation, signal }) => {
    const talk = new Talk({ child, conversation, onFact: () => {} });
    const initialized = talk.control.ask({ subtype: 'initialize' }).then((answer = {}) => answer);
    return Promise.race([ask(new CliQuestions(talk.control, initialized)), talk.ended, abortOf(signal)]);
  },
});
