/** Changes of what somebody else can have changed meanwhile. */

export interface Guarded {
  /** Throws when what is changed is not as the client knows it; then nothing is changed. */
  guard?: (() => void) | undefined;
}

/** The same decision, behind the guard: nothing comes in between. */
export const guarded =
  <Arguments extends unknown[], Result>(guard: Guarded['guard'], decide: (...given: Arguments) => Result) =>
  (...given: Arguments): Result => {
    guard?.();
    return decide(...given);
  };
