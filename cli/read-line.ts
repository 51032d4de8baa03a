import type { TerminalInput } from './terminal-io.js';

/** The first line of stdin, without its end; undefined without any input. */
export function readLine(stdin: TerminalInput): Promise<string | undefined> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    const text = () => Buffer.concat(chunks).toString('utf8');
    const finish = (line: string) => {
      stdin.off('data', onData);
      stdin.off('end', onEnd);
      stdin.pause();
      resolve(line === '' ? undefined : line);
    };
    const onData = (chunk: Buffer) => {
      chunks.push(Buffer.from(chunk));
      if (text().includes('\n')) finish(text().split(/\r?\n/)[0] ?? '');
    };
    const onEnd = () => finish(text());
    stdin.on('data', onData);
    stdin.on('end', onEnd);
    stdin.resume();
  });
}
