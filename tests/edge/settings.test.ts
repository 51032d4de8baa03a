import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { LOG_LEVELS, settingsSchema } from '../../config/settings.js';
import { permissionModeSchema } from '../../protocol/scalars.js';
import { expectRefusal, refusalOf, served, withDaemon } from '../support/brief-daemon.js';
import { type DaemonFolders, TOKEN } from '../support/daemon.js';
import { freePort } from '../support/free-port.js';

const statusOf = async (url: string, token: string): Promise<number> =>
  (await fetch(`${url}/api/sessions`, { headers: { authorization: `Bearer ${token}` } })).status;

const ALLOWED: Record<string, { wrong: string[]; allowed: RegExp }> = {
  PORT: { wrong: ['70000', '-1', '1.5', 'http', '3001 '.repeat(2)], allowed: /whole number from 0 to 65535/ },
  HOST: { wrong: ['a b', 'http://localhost', '-x', '*'], allowed: /host name or an IP address/ },
  TLS_CERT_FILE: { wrong: ['cert.pem', './cert.pem', '/cert.pem\r', ' /cert.pem'], allowed: /absolute path/ },
  TLS_KEY_FILE: { wrong: ['key.pem'], allowed: /absolute path/ },
  PUBLIC_URL: {
    wrong: ['companion.example', 'ftp://companion.example', '/', 'https://me:word@a.example', 'https://a.example/?x=1'],
    allowed: /http or https URL/,
  },
  ALLOWED_HOSTS: { wrong: ['a b c:d', 'https://a.example', '*'], allowed: /host names or IP addresses/ },
  CLAUDE_ALLOWED_TOOLS: {
    wrong: ['--model', 'Bash(ls', 'Read,,-x', 'Bash(a\nb)'],
    allowed: /permission rules such as/,
  },
  CLAUDE_DISALLOWED_TOOLS: { wrong: ['Bash ls', '(ls)'], allowed: /permission rules such as/ },
  ALLOWED_ORIGINS: {
    wrong: ['companion.example', 'https://a.example/path', 'null'],
    allowed: /https:\/\/example\.org/,
  },
  TRUST_PROXY: { wrong: ['yes', '1', 'TRUE'], allowed: /true or false/ },
  ALLOW_BYPASS: { wrong: ['1'], allowed: /true or false/ },
  AGENT_PROGRESS_SUMMARIES: { wrong: ['true', 'Off'], allowed: /on or off/ },
  FILES_ALLOW_SENSITIVE: { wrong: ['yes', 'TRUE'], allowed: /true or false/ },
  PROJECT_ROOTS: {
    wrong: [':', ' : ', 'projects', '/a:b', '/pro\u0000jects'],
    allowed: /at least one folder|absolute paths/,
  },
  WS_QUERY_TOKEN: { wrong: ['no', 'Allow'], allowed: /allow or deny/ },
  WS_COMPRESSION: { wrong: ['on', 'Auto'], allowed: /auto or off/ },
  WS_COMPRESSION_CONNECTIONS: { wrong: ['-1', '1.5', 'many'], allowed: /at least 0/ },
  CLAUDE_PATH: {
    wrong: ['claude', './claude', '/usr/bin/claude\r', '/usr/bin/claude ', '/usr\n/claude'],
    allowed: /absolute path/,
  },
  CLAUDE_MODEL: { wrong: ['--help', 'a b'], allowed: /model name or alias/ },
  CLAUDE_PERMISSION_MODE: { wrong: ['yolo'], allowed: new RegExp(permissionModeSchema.options.join('.*')) },
  MAX_PROCESSES: { wrong: ['0', 'many', '-1', '2.5'], allowed: /whole number of at least 1/ },
  MIN_FREE_MEMORY_BYTES: { wrong: ['-1', '300MB'], allowed: /whole number of bytes/ },
  MIN_FREE_DISK_BYTES: { wrong: ['-1', '1e9'], allowed: /whole number of bytes/ },
  MAX_WAITING_BYTES: { wrong: ['0', '-1', '2GB'], allowed: /whole number of bytes, at least 1/ },
  IDLE_HIBERNATE_MS: { wrong: ['0', '15m'], allowed: /whole number of milliseconds, at least 1/ },
  CLONE_MAX_BYTES: { wrong: ['0', '4GB'], allowed: /whole number of bytes, at least 1/ },
  CLONE_TIMEOUT_MS: { wrong: ['0', '30m'], allowed: /whole number of milliseconds, at least 1/ },
  DEVICE_TTL_MS: { wrong: ['0', '90d'], allowed: /whole number of milliseconds, at least 1/ },
  SESSION_TTL_MS: { wrong: ['0', '30d'], allowed: /whole number of milliseconds, at least 1/ },
  ORPHAN_GRACE_MS: { wrong: ['0', '-1'], allowed: /whole number of milliseconds, at least 1/ },
  ORPHAN_WAIT_MS: { wrong: ['0', 'never'], allowed: /whole number of milliseconds, at least 1/ },
  CAFFEINATE: { wrong: ['false', 'ON'], allowed: /on or off/ },
  RETENTION_DAYS: { wrong: ['0', '1.5'], allowed: /whole number of at least 1/ },
  RETENTION_EVENTS: { wrong: ['0', 'all'], allowed: /whole number of at least 1/ },
  RETENTION_BYTES: { wrong: ['0', '64MB'], allowed: /whole number of at least 1/ },
  TRASH_DAYS: { wrong: ['0', '1.5'], allowed: /whole number of at least 1/ },
  TRASH_BYTES: { wrong: ['-1', '1GB'], allowed: /whole number of bytes, 0 for no trash/ },
  APNS_KEY_FILE: { wrong: ['AuthKey.p8'], allowed: /absolute path/ },
  APNS_KEY_ID: { wrong: ['ABC', 'abcdefghij', 'ABCDEFGHIJK'], allowed: /10 capital letters and digits/ },
  APNS_TEAM_ID: { wrong: ['ABC DEFGHI'], allowed: /10 capital letters and digits/ },
  APNS_TOPIC: { wrong: ['org example', 'org/example'], allowed: /bundle id such as org\.example\.app/ },
  APNS_CERT_FILE: { wrong: ['./cert.pem'], allowed: /absolute path/ },
  APNS_CERT_KEY_FILE: { wrong: ['key.pem'], allowed: /absolute path/ },
  APNS_ADDRESS: { wrong: ['https://api.example', 'a b'], allowed: /host name or an IP address/ },
  APNS_PORT: { wrong: ['0', '65536'], allowed: /whole number from 1 to 65535/ },
  APNS_CA_FILE: { wrong: ['ca.pem'], allowed: /absolute path/ },
  APNS_BODY: { wrong: ['none', 'Full'], allowed: /state or full/ },
  VAPID_PUBLIC_KEY: { wrong: ['abc', '+'.repeat(87)], allowed: /65 bytes in base64url/ },
  VAPID_SUBJECT: { wrong: ['me@example.org', 'http://example.org', 'mailto:me'], allowed: /mailto: or https: address/ },
  NTFY_URL: { wrong: ['ntfy.example', 'ftp://ntfy.example'], allowed: /http or https URL/ },
  PUSH_ALLOW_PRIVATE: { wrong: ['1', 'yes', 'TRUE'], allowed: /true or false/ },
  PUSH_ACTIONS: { wrong: ['all', 'CLEAR'], allowed: /encrypted or clear/ },
  LIMIT_FAILED: { wrong: ['0', '-1', 'ten'], allowed: /whole number of at least 1/ },
  LIMIT_PROMPTS: { wrong: ['0', '-1', 'ten'], allowed: /whole number of at least 1/ },
  LIMIT_FILES: { wrong: ['0', '-1', 'ten'], allowed: /whole number of at least 1/ },
  LIMIT_READS: { wrong: ['0', '-1', 'ten'], allowed: /whole number of at least 1/ },
  LIMIT_FRAMES: { wrong: ['0', '-1', 'ten'], allowed: /whole number of at least 1/ },
  LIMIT_CONNECTIONS: { wrong: ['0', '-1', 'ten'], allowed: /whole number of at least 1/ },
  LIMIT_SESSIONS: { wrong: ['0', '-1', 'ten'], allowed: /whole number of at least 1/ },
  LOG_LEVEL: { wrong: ['loud', 'INFO'], allowed: new RegExp(LOG_LEVELS.join('.*')) },
};

/** Anything is a value of these, or they have tests of their own, since they are secrets. */
const WITHOUT_RULE = ['AUTH_TOKEN', 'APNS_KEY', 'VAPID_PRIVATE_KEY', 'NTFY_TOKEN', 'OTEL_EXPORTER_OTLP_ENDPOINT'];

const WRONG = Object.entries(ALLOWED).flatMap(([name, { wrong, allowed }]) =>
  wrong.map((value) => ({ name, value, allowed })),
);

/** Of the wrong values one in so many is tried with a real start as well. */
const SAMPLE = 80;

const CONFLICTS: [Record<string, string>, RegExp][] = [
  [{ CLAUDE_PERMISSION_MODE: 'bypassPermissions' }, /CLAUDE_PERMISSION_MODE .* needs ALLOW_BYPASS=true/],
  [
    { COMPANION_HOME: '/somewhere/home', PROJECT_ROOTS: '/somewhere/home/run' },
    /PROJECT_ROOTS has "\/somewhere\/home\/run", which lies in COMPANION_HOME/,
  ],
  [
    { COMPANION_HOME: '/somewhere/home', PROJECT_ROOTS: '/projects:/somewhere/home' },
    /PROJECT_ROOTS has "\/somewhere\/home"/,
  ],
  [{ VAPID_PRIVATE_KEY: 'A'.repeat(43) }, /VAPID_PUBLIC_KEY is not set/],
  [{ NTFY_TOKEN: 'tk_test' }, /NTFY_URL is not set, but NTFY_TOKEN is/],
  [{ TLS_CERT_FILE: '/cert.pem' }, /TLS_KEY_FILE is not set/],
  [{ HOST: '0.0.0.0' }, /HOST is "0\.0\.0\.0", which other machines can reach/],
];

const quoted = (value: string) => JSON.stringify(value).replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');

describe('a wrong value', () => {
  test('is tried below for every setting that has a rule', () => {
    const names = Object.keys(settingsSchema.shape).filter((name) => !WITHOUT_RULE.includes(name));
    expect(Object.keys(ALLOWED).sort()).toEqual(names.sort());
  });

  test.each(WRONG)(
    'O1: $name=$value is refused with name, value and what is allowed',
    async ({ name, value, allowed }) => {
      const said = await refusalOf({ environment: { [name]: value } });
      expect(said).toMatch(new RegExp(`\\b${name} is ${quoted(value)}`));
      expect(said).toMatch(allowed);
    },
  );

  test.each(WRONG.filter(({ value }, index) => index % SAMPLE === 0 && !value.includes('\0')))(
    'O1: $name=$value stops the start and changes nothing: a home is not even made',
    async ({ name, value, allowed }) => {
      let home = '';
      const prepare = (folders: DaemonFolders) => {
        home = folders.home;
        return { [name]: value };
      };
      await withDaemon({ prepare }, async ({ exited, stderr, stdout }) => {
        expect(await exited).toBe(1);
        expect(stderr()).toMatch(new RegExp(`\\b${name} is ${quoted(value)}`));
        expect(stderr()).toMatch(allowed);
        expect(stderr()).not.toMatch(/^\s+at /m);
        expect(stdout).toEqual([]);
        expect(existsSync(home)).toBe(false);
      });
    },
  );

  test.each(CONFLICTS)('O1: %j can never work together', async (environment, said) => {
    expect(await refusalOf({ environment })).toMatch(said);
  });

  const token = 'x'.repeat(40);
  test.each([
    ['a carriage return', `${token}\r`],
    ['a line feed', `${token}\n`],
    ['blanks around it', ` ${token} `],
    ['a blank within', `${token} ${token}`],
    ['a tab', `${token}\t${token}`],
    ['letters that no header carries', `${token}\u00fc`],
    ['a control character', `${token}\u0007`],
  ])('O1: AUTH_TOKEN with %s, which no client could send, is refused', async (_what, value) => {
    const said = await refusalOf({ environment: { AUTH_TOKEN: value } });
    expect(said).toBe('AUTH_TOKEN must be printable ASCII without spaces');
  });

  test('S1: of AUTH_TOKEN is not repeated, wherever it stands', async () => {
    const secret = 'only-31-characters-are-too-few.';
    for (const setup of [
      { environment: { AUTH_TOKEN: secret } },
      { environment: { AUTH_TOKEN: undefined }, file: { AUTH_TOKEN: secret } },
      { environment: { AUTH_TOKEN: undefined }, file: `{"AUTH_TOKEN": "${secret}",}` },
      { environment: { AUTH_TOKEN: undefined }, file: { AUTH_TOKEN: [secret] } },
    ]) {
      expect(await refusalOf(setup)).not.toContain(secret);
    }
    const stderr = await expectRefusal({ environment: { AUTH_TOKEN: secret } }, 'AUTH_TOKEN', 'at least 32 characters');
    expect(stderr).not.toContain(secret);
  });

  test.each([
    ['VAPID_PRIVATE_KEY', 'far-too-short-for-a-private-key', '32 bytes in base64url'],
    ['NTFY_TOKEN', 'tk_with a space', 'printable ASCII without spaces'],
    ['OTEL_EXPORTER_OTLP_ENDPOINT', 'https://me:word@collector.example', 'http or https URL, without a user'],
    ['OTEL_EXPORTER_OTLP_ENDPOINT', 'collector.example:4317', 'http or https URL'],
    ['OTEL_EXPORTER_OTLP_ENDPOINT', 'https://collector.example/?key=word', 'without a user, a query and a fragment'],
  ])('S1: of %s is not repeated', async (name, secret, allowed) => {
    for (const setup of [{ environment: { [name]: secret } }, { file: { [name]: secret } }]) {
      const said = await refusalOf(setup);
      expect(said).toContain(name);
      expect(said).toContain(allowed);
      expect(said).not.toContain(secret);
    }
  });

  test('an empty value is none: the default holds', async () => {
    const empty = Object.fromEntries(Object.keys(ALLOWED).map((name) => [name, '']));
    const port = '0';
    await served({ environment: { ...empty, PORT: port } }, async (_daemon, url) => {
      expect(await statusOf(url, TOKEN)).toBe(200);
    });
  });
});

describe('COMPANION_HOME', () => {
  test.each(['companion', './companion', '../companion'])('O1: %s, a relative path, is refused', async (home) => {
    const said = await refusalOf({ environment: { COMPANION_HOME: home } });
    expect(said).toContain('COMPANION_HOME must be an absolute path');
  });

  test('O1: below a file is refused, naming the path', async () => {
    const prepare = ({ base }: DaemonFolders) => {
      writeFileSync(join(base, 'file'), '');
      return { COMPANION_HOME: join(base, 'file/home') };
    };
    expect(await refusalOf({ prepare })).toMatch(/file\/home/);
  });

  /** Root writes into any folder of a disk, but makes none among the processes. */
  const unwritable = (base: string): string => {
    if (process.getuid?.() === 0) return '/proc';
    const locked = join(base, 'locked');
    mkdirSync(locked, { mode: 0o555 });
    return locked;
  };

  test('O1: that cannot be written ends the daemon with 1, naming the path', async () => {
    let home = '';
    const prepare = ({ base }: DaemonFolders) => {
      home = join(unwritable(base), 'locked-home');
      return { COMPANION_HOME: home };
    };
    await withDaemon({ prepare }, async (daemon) => {
      expect(await daemon.exited).toBe(1);
      expect(daemon.stderr()).toContain(home);
      expect(daemon.stdout).toEqual([]);
    });
  });
});

describe('config.json', () => {
  const FILE_TOKEN = 'a-token-from-the-file-0123456789-0123456789';

  test('sets what the environment leaves out, as texts, numbers and booleans', async () => {
    const port = await freePort();
    const file = { PORT: port, AUTH_TOKEN: FILE_TOKEN, TRUST_PROXY: false, WS_QUERY_TOKEN: 'deny', MAX_PROCESSES: 3 };
    await served({ environment: { PORT: undefined, AUTH_TOKEN: undefined }, file }, async (_daemon, url) => {
      expect(new URL(url).port).toBe(String(port));
      expect(await statusOf(url, FILE_TOKEN)).toBe(200);
      expect(await statusOf(url, TOKEN)).toBe(401);
    });
  });

  test('gives way to the environment, and its own value is then not even looked at; a start prints one line, with URL and pid', async () => {
    const file = { PORT: 70_000, AUTH_TOKEN: FILE_TOKEN };
    await served({ file }, async ({ stdout, folders }, url) => {
      expect(await statusOf(url, TOKEN)).toBe(200);
      expect(await statusOf(url, FILE_TOKEN)).toBe(401);
      expect(stdout).toHaveLength(1);
      expect(JSON.parse(stdout[0] ?? '')).toEqual({ event: 'ready', url, pid: expect.any(Number) });
      expect(readFileSync(join(folders.home, 'daemon.pid'), 'utf8')).toBe(
        String((JSON.parse(stdout[0] ?? '') as { pid: number }).pid),
      );
      expect(url).toMatch(/^http:\/\/127\.0\.0\.1:[1-9]\d+$/);
    });
  });

  const BROKEN: [string, unknown, RegExp][] = [
    ['a wrong value', { LOG_LEVEL: 'loud' }, /LOG_LEVEL is "loud".*error/],
    ['a wrong number', { MAX_PROCESSES: 0 }, /MAX_PROCESSES is "0".*at least 1/],
    ['a misspelt name', { LOG_LEVLE: 'debug' }, /config\.json: LOG_LEVLE is not the name of a setting/],
    ['a name in small letters', { log_level: 'debug' }, /log_level is not the name/],
    ['the home itself', { COMPANION_HOME: '/tmp' }, /COMPANION_HOME is not the name/],
    ['what every object has', '{"__proto__": "x", "toString": "x"}', /config\.json/],
    ['null', { LOG_LEVEL: null }, /config\.json/],
    ['an object', { PORT: { number: 1 } }, /config\.json/],
    ['a list of roots', { PROJECT_ROOTS: ['/'] }, /config\.json/],
    ['a list', [], /config\.json/],
    ['half of an object', '{"PORT":', /config\.json is not valid JSON: it ends at line 1, column 9, where a value/],
    ['a comma too many', '{\n  "PORT": 3001,\n}', /a name in double quotes must stand at line 3, column 1/],
    ['a comma too few', '{\n  "PORT": 3001\n  "HOST": "::1"}', /a comma or } must stand at line 3, column 3/],
    ['a bare name', '{ PORT: 3001 }', /a name in double quotes must stand at line 1, column 3/],
    ['single quotes', "{ 'PORT': 3001 }", /line 1, column 3/],
    ['a comment', '{} // none', /the end of the file must stand at line 1, column 4/],
    ['a line break in a text', '{"LOG_LEVEL": "in\nfo"}', /a value must stand at line 1, column 15/],
    ['nothing', '', /config\.json is not valid JSON: it ends at line 1, column 1, where a value must stand/],
  ];
  test.each(BROKEN)('O1: with %s is refused, and it is said why', async (_what, file, said) => {
    expect(await refusalOf({ file })).toMatch(said);
  });

  test.each(BROKEN.filter(([what]) => ['a misspelt name', 'a comma too many'].includes(what)))(
    'O1: with %s stops the start and says so',
    async (_what, file, said) => {
      await expectRefusal({ file }, said);
    },
  );

  test('O1: that is a folder is refused, and it is said why', async () => {
    const prepare = ({ home }: DaemonFolders) => {
      mkdirSync(join(home, 'config.json'), { recursive: true });
      return {};
    };
    expect(await refusalOf({ prepare })).toMatch(/config\.json cannot be read/);
  });
});
