/** Runs tasks one after the other, in the order in which they were given. A task that fails does not stop the next. */
export class Mailbox {
  #last: Promise<unknown> = Promise.resolve();

  run<Result>(task: () => Promise<Result>): Promise<Result> {
    const result = this.#last.then(task);
    // Who gave the task gets its failure.
    this.#last = result.catch(() => {});
    return result;
  }
}
