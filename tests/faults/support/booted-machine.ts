/** A machine that can be booted again: for the daemon the system's mark of its boot is a file of ours, in a mount namespace. */
import { spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const BOOT_ID = '/proc/sys/kernel/random/boot_id';
/** Root may look at the processes of earlier namespaces only without one of users. */
const NAMESPACE = ['unshare', ...(process.getuid?.() === 0 ? [] : ['--user', '--map-root-user']), '--mount'];
const BIND = `mount --bind "$0" ${BOOT_ID} && exec "$@"`;

export interface BootedMachine {
  /** What the daemon has to be started by. */
  readonly command: readonly string[];
  /** The next start of the daemon finds a rebooted machine; the caller ends the processes of the former boot. */
  boot(): void;
  close(): void;
}

/** Whether this system lets one mount over the mark; containers and macOS may not. */
export function canBoot(): boolean {
  const machine = createMachine();
  const [command, ...args] = [...machine.command, 'cat', BOOT_ID];
  const { status } = spawnSync(command, args, { stdio: 'ignore' });
  machine.close();
  return status === 0;
}

export function createMachine(): BootedMachine {
  const folder = mkdtempSync(join(tmpdir(), 'companion-boot-'));
  const file = join(folder, 'boot_id');
  const boot = () => writeFileSync(file, `${randomUUID()}\n`);
  boot();
  return {
    command: [...NAMESPACE, 'sh', '-c', BIND, file],
    boot,
    close: () => rmSync(folder, { recursive: true }),
  };
}
