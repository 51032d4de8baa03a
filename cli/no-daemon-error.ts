/** Nobody answers at the local socket. */
export class NoDaemonError extends Error {
  constructor(socketPath: string) {
    super(`No daemon answers at ${socketPath}. Start it with: npm start`);
    this.name = 'NoDaemonError';
  }
}
