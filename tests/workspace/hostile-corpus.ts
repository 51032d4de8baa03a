/** Paths that must be refused, by families. They are decoded: what a name is after the address was decoded once. */
import { type Ground, linksOf } from './file-ground.js';

const times = <Item>(count: number, make: (index: number) => Item): Item[] =>
  Array.from({ length: count }, (_, i) => make(i));

/** Two dots, and what some system makes two dots of. */
const UPS = ['..', '\uff0e\uff0e', '.\uff0e', '\uff0e.', '\u2025', '\u2024\u2024', '.\u2024', '\ufe30', '\ufe52\ufe52'];
const SEPARATORS = ['/', '//', '/./', '\\', '/\\', '\\/', '\uff0f', '\uff3c', '\ufe68'];
const TARGETS = ['etc/passwd', 'outside/secret.txt', 'outside/new.txt', 'roots/sibling.txt'];

const dots = (): string[] =>
  UPS.flatMap((up) =>
    SEPARATORS.flatMap((separator) =>
      [1, 2, 3, 7].flatMap((depth) => TARGETS.map((target) => `${`${up}${separator}`.repeat(depth)}${target}`)),
    ),
  );

const dotsFromWithin = (): string[] => [
  'sub/..',
  'sub/../..',
  'missing/..',
  'missing/../..',
  'ok.txt/..',
  'sub/./../..',
  'sub//..//..',
  '..',
  '../',
  './..',
  '.../..',
  '..../../x',
  'sub/../../project/ok.txt',
  'sub/../ok.txt',
  '../project/ok.txt',
  '../project-evil/secret.txt',
  ...times(60, (depth) => `${'sub/'.repeat(depth % 7)}${'../'.repeat(depth + 1)}outside/secret.txt`),
];

const DRIVES = ['C:', 'c:', 'Z:', 'd:'];
const windows = (): string[] => [
  ...DRIVES.flatMap((drive) =>
    ['', '/', '\\', '/Windows/win.ini', '\\Windows\\win.ini', 'win.ini', '../x', '..\\x', '/../x'].map(
      (rest) => drive + rest,
    ),
  ),
  '\\\\server\\share\\x',
  '//server/share/x',
  '\\\\?\\C:\\x',
  '//?/C:/x',
  '\\\\.\\pipe\\x',
  '//./pipe/x',
  '\\??\\C:\\x',
  '\\',
  '\\\\',
  '\\etc\\passwd',
  'sub\\inner.txt',
  'sub\\..\\..\\outside',
  '..\\',
  '.\\x',
  'x\\',
  '\\\\localhost\\c$\\x',
  '\\\\127.0.0.1\\x',
  '/\\server\\share',
  '\\/server/share',
  '\\Device\\Null',
  '%SystemRoot%\\x',
];

const CONTROLS = [...times(32, (code) => code), ...times(33, (index) => 127 + index)].map((code) =>
  String.fromCharCode(code),
);
const controls = (): string[] => [
  ...CONTROLS.flatMap((control) => [`${control}x`, `ok${control}.txt`, `new.txt${control}`, `sub/${control}/x`]),
  'ok.txt\0.png',
  'ok.txt\0/../../outside',
  '..\0',
  '\0/etc/passwd',
  'ok.txt\r\nX-Injected: 1',
  '\u001b[2Jx',
];

const halves = (): string[] => ['\ud800', '\udfff', 'x\ud83d', '\ude00x', 'sub/\udbff/x', '\udc00\ud800'];

const absolute = ({ base, project, outside, person, home }: Ground): string[] => [
  '/',
  '//',
  '/etc/passwd',
  '//etc/passwd',
  '///etc/passwd',
  '/etc/../etc/passwd',
  '/./etc/passwd',
  '/new.txt',
  base,
  project,
  outside,
  person,
  home,
  `${project}/ok.txt`,
  `${project}/new.txt`,
  `${project}/../../outside/secret.txt`,
  `${project}-evil/secret.txt`,
  `${outside}/secret.txt`,
  `${outside}/new.txt`,
  `${person}/.ssh/id_rsa`,
  `${home}/registry.json`,
  `${home}/new`,
  ...['environ', 'cwd/x', 'root/etc/passwd', 'fd/0', 'fd/3', 'maps', 'mem', 'task', 'exe'].map(
    (name) => `/proc/self/${name}`,
  ),
  `/proc/self/root${project}/ok.txt`,
  `/proc/self/root${outside}/secret.txt`,
  '/proc/1/environ',
  '/proc/sys/kernel',
  '/dev/null',
  '/dev/zero',
  '/dev/stdin',
  '/dev/fd/0',
  '/dev/tty',
  '/sys/kernel',
  '/run',
  '/tmp',
  '/var/log',
];

const BELOW = [
  '',
  '/',
  '/secret.txt',
  '/new.txt',
  '/dir',
  '/dir/inner.txt',
  '/missing/new.txt',
  '/./dir/new.txt',
  '/id_rsa',
];
const links = (ground: Ground): string[] => [
  ...Object.keys(linksOf(ground)).flatMap((link) => BELOW.map((rest) => link + rest)),
  'proc-fd/0',
  'proc/root/etc/passwd',
  'proc/cwd',
  'proc/environ',
  'proc/fd/0',
  'dev/stdin',
  'dev/fd/0',
  'dev/tty',
  `slash${ground.outside}/secret.txt`,
  `slash${ground.outside}/new.txt`,
  `slash${ground.home}/registry.json`,
  'up/sibling.txt',
  'up/new.txt',
  'up-up/outside/secret.txt',
  'sub/up/sibling.txt',
  'up/project-evil/secret.txt',
  'etc/hostname',
  'out/../ok.txt',
  'chain-1/../ok.txt',
  'fifo',
  'fifo/x',
  'sub/out/secret.txt',
  'sub/out/new.txt',
];

const SENSITIVE = [
  '.env',
  '.env.local',
  '.env.production',
  '.env.example',
  '.envrc',
  '.env~',
  '.env.',
  '.env ',
  '.env::$DATA',
  '.env.bak',
  '.ssh',
  '.ssh/id_rsa',
  '.ssh/new',
  '.ssh.',
  '.ssh ',
  '.claude.json',
  '.claude.json.backup',
  '.credentials.json',
  '.claude/.credentials.json',
  '.e‌nv',
  '.‍env',
  '.﻿ssh',
  '.ｅｎｖ',
  '.ſsh',
  '.ſſh',
];
const CASES: ((text: string) => string)[] = [
  (text) => text,
  (text) => text.toUpperCase(),
  (text) => text.replace(/[a-z]/, (letter) => letter.toUpperCase()),
  (text) => text.replaceAll(/[a-z]/g, (letter, at: number) => (at % 2 ? letter.toUpperCase() : letter)),
];
const WHERE = ['', 'sub/', 'new-folder/', './', 'sub/./'];
const sensitive = (): string[] =>
  SENSITIVE.flatMap((name) => CASES.flatMap((fold) => WHERE.map((folder) => `${folder}${fold(name)}`)));

const lengths = (): string[] => [
  'x'.repeat(256),
  'x'.repeat(2e3),
  'ä'.repeat(128),
  '😀'.repeat(64),
  `${'x'.repeat(252)}.txt`,
  `sub/${'x'.repeat(256)}`,
  `${'x'.repeat(256)}/new.txt`,
  'x/'.repeat(65),
  `${'x/'.repeat(64)}new.txt`,
  'x/'.repeat(1e3),
  `${'y'.repeat(200)}/`.repeat(11),
  '漢'.repeat(86),
  `${'x'.repeat(255)}/${'y'.repeat(256)}`,
];

/** Each family once; none of them stands in two. */
export function hostilePaths(ground: Ground): Record<string, string[]> {
  const families = {
    dots: dots(),
    'dots from within': dotsFromWithin(),
    'of Windows': windows(),
    'control characters': controls(),
    'halves of characters': halves(),
    absolute: absolute(ground),
    links: links(ground),
    sensitive: sensitive(),
    lengths: lengths(),
  };
  const seen = new Set<string>();
  const once = (path: string) => !seen.has(path) && seen.add(path);
  return Object.fromEntries(Object.entries(families).map(([family, paths]) => [family, paths.filter(once)]));
}

const ENCODED_UPS = [
  '%2e%2e',
  '%2E%2E',
  '.%2e',
  '%2e.',
  '%2E.',
  '..%00',
  '%00..',
  '..%0a',
  '%ff%ff',
  '%c0%ae%c0%ae',
  '%e0%80%ae%e0%80%ae',
  '%f0%80%80%ae%f0%80%80%ae',
  '%f8%80%80%80%ae',
  '%c0%2e%c0%2e',
  '.%c0%ae',
  '%uff0e%uff0e',
  '%u002e%u002e',
  '%ef%bc%8e%ef%bc%8e',
  '%e2%80%a5',
  '%',
  '%%',
  '%2',
  '%zz',
  '%e0%a4%a',
];
const ENCODED_SEPARATORS = ['/', '%2f', '%2F', '%5c', '%5C', '%c0%af', '%e0%80%af', '%c1%9c', '%ef%bc%8f', '//'];

/** As they come on the wire, undecoded: for addresses alone. */
export const hostileSpellings = (): string[] =>
  ENCODED_UPS.flatMap((up) =>
    ENCODED_SEPARATORS.flatMap((separator) =>
      [1, 2, 3].map((depth) => `${`${up}${separator}`.repeat(depth)}outside${separator}secret.txt`),
    ),
  );
