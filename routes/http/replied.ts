/**
 * Runs a use case and resolves with its reply. The reply follows the commit and precedes all events for clients; the
 * answer is built after that.
 */
export const replied = <Result>(run: (reply: (result: Result) => void) => Promise<void>): Promise<Result> =>
  new Promise((resolve, reject) => {
    run(resolve).catch(reject);
  });
