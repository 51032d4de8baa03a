/** Asks the program to end: Ctrl-C, a shutdown by the machine or a supervisor, or a closed terminal. */
export type LeaveSignal = 'SIGINT' | 'SIGTERM' | 'SIGHUP';

/** The terminal, or a replacement. */
export interface TerminalIo {
  stdin: TerminalInput;
  stdout: TerminalOutput;
  stderr: TerminalOutput;
  /**
   * Calls the listener for each of these signals, instead of ending the process, until the returned function is called.
   */
  onSignal(listener: (signal: LeaveSignal) => void): () => void;
}

export type TerminalInput = NodeJS.ReadableStream & {
  readonly isTTY?: boolean;
  setRawMode?(raw: boolean): unknown;
};

export interface TerminalOutput {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

const SIGNALS: readonly LeaveSignal[] = ['SIGINT', 'SIGTERM', 'SIGHUP'];

/** The terminal of this process. */
export function processIo(): TerminalIo {
  const { stdin, stdout, stderr } = process;
  return {
    stdin,
    stdout,
    stderr,
    onSignal: (listener) => {
      for (const signal of SIGNALS) process.on(signal, listener);
      return () => {
        for (const signal of SIGNALS) process.off(signal, listener);
      };
    },
  };
}
