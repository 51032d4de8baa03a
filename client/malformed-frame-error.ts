/** A frame of the daemon violates its schema. `frameType` is undefined when even the type could not be read. */
export class MalformedFrameError extends Error {
  readonly frameType: string | undefined;

  constructor(frameType: string | undefined, problem: string) {
    super(`${frameType ?? 'A frame'} of the daemon is malformed: ${problem}`);
    this.name = 'MalformedFrameError';
    this.frameType = frameType;
  }
}
