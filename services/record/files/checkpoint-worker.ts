/** The thread that moves the write-ahead log into the database, so that the event loop does not wait for the disk. */
import { parentPort, workerData } from 'node:worker_threads';
import { connect } from '../sqlite/sqlite-database.js';

const database = connect((workerData as { path: string }).path);

parentPort?.on('message', () => {
  // `PASSIVE` blocks no reader or writer; pages it cannot move now are moved by the next checkpoint.
  database.pragma('wal_checkpoint(PASSIVE)');
  parentPort?.postMessage('done');
});
