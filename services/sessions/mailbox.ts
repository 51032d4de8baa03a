/** Runs tasks one after the other, in the order of submission. A failed task does not stop the next. */
export class Mailbox {
  #last: Promise<unknown> = Promise.resolve();

  run<Result>(task: () => Promise<Result>): Promise<Result> {
    const result = this.#last.then(task);
    // The submitter gets the failure.
    this.#last = result.catch(() => {});
    return result;
  }
}
