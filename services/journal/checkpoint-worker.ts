/** The thread that moves the write-ahead log into the database: it waits for the disk, and the event loop does not. */
import { parentPort, workerData } from 'node:worker_threads';
import { connect } from './sqlite-database.js';

const database = connect((workerData as { path: string }).path);

parentPort?.on('message', () => {
  // `PASSIVE` keeps nobody from reading or writing; what it cannot move now is moved the next time.
  database.pragma('wal_checkpoint(PASSIVE)');
  parentPort?.postMessage('done');
});
