import type { Row } from './table.js';

export interface BenchOptions {
  /** Few rounds, to see that it works: the figures mean little. */
  quick: boolean;
}

export interface Bench {
  name: string;
  run(options: BenchOptions): Promise<Row[]>;
}
