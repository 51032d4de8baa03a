/** Asks the program to leave: Ctrl-C, the end of the machine or of a supervisor, and a terminal that was closed. */
export type LeaveSignal = 'SIGINT' | 'SIGTERM' | 'SIGHUP';

/** The terminal, or what stands in its place. */
export interface TerminalIo {
  stdin: TerminalInput;
  stdout: TerminalOutput;
  stderr: TerminalOutput;
  /** Calls the listener for each of these signals, instead of ending the process, until the returned function is called. */
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
