/** A frame of the daemon breaks its schema. `frameType` is undefined when not even that could be read. */
export class MalformedFrameError extends Error {
  readonly frameType: string | undefined;

  constructor(frameType: string | undefined, problem: string) {
    super(`${frameType ?? 'A frame'} of the daemon is malformed: ${problem}`);
    this.name = 'MalformedFrameError';
    this.frameType = frameType;
  }
}
