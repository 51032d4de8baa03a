/**
 * The daemon under pm2: `pm2 start ecosystem.config.cjs`, after a build. Settings come from the environment of that
 * command, which pm2 keeps in its memory and, after `pm2 save`, in a file; secrets are better off in
 * `COMPANION_HOME/config.json`.
 *
 * The Claude children outlive the daemon, and must outlive pm2's restarts of it. Where systemd runs pm2
 * (`pm2 startup`), its unit needs `KillMode=process` as well: systemd ends everything in the unit's group otherwise.
 */
module.exports = {
  apps: [
    {
      name: 'claude-companion',
      cwd: __dirname,
      // Node itself, not `npm start`: signals and the ready message go to the daemon, and no shell is in between.
      script: 'dist/server/main.js',
      interpreter: 'node',
      // One daemon for each home, so never two at once: in fork mode also `pm2 reload` stops before it starts.
      exec_mode: 'fork',
      instances: 1,
      // pm2's own instrumentation is not loaded into the daemon.
      pmx: false,

      // `pm2 start` and `pm2 restart` come back once the daemon says that it serves, or after this many milliseconds;
      // nothing is killed then.
      wait_ready: true,
      listen_timeout: 15_000,

      // pm2's default walks the tree of processes and signals every one: the Claude children too. This way SIGINT goes
      // to the daemon alone, and so does the SIGKILL after `kill_timeout` ms. The daemon takes less than 1,500.
      treekill: false,
      kill_timeout: 5_000,

      // After 100 ms, then half as long again each time, up to 15 s; after 30 s of service from 100 ms again. At this
      // pace too few deaths fall into the 16 s in which pm2 counts up to `max_restarts` and would give up.
      // No `stop_exit_codes: [0]`: pm2 reads a death by signal, and so a crash, as exit code 0.
      autorestart: true,
      exp_backoff_restart_delay: 100,

      // The daemon alone, without its children. Looked at every 30 s; several times what it needs.
      max_memory_restart: '512M',

      // Times before the lines in pm2's logs.
      time: true,
    },
  ],
};
