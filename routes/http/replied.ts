/**
 * Runs a use case and resolves with what it replies. The reply comes when all is recorded, before any client sees an
 * event of it; the answer is shaped after that.
 */
export const replied = <Result>(run: (reply: (result: Result) => void) => Promise<void>): Promise<Result> =>
  new Promise((resolve, reject) => {
    run(resolve).catch(reject);
  });
