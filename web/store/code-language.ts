/** Which code is shown in colours. */

/** UTF-16 units: what is longer takes longer than a person waits for a page. */
const MAX_LENGTH = 20_000;
const MAX_LINE = 2000;

const NAMES = {
  bash: ['sh', 'shell', 'zsh', 'console'],
  c: ['h'],
  cpp: ['c++', 'cc', 'hpp'],
  css: ['scss'],
  diff: ['patch'],
  go: ['golang'],
  java: [],
  javascript: ['js', 'jsx', 'mjs', 'cjs'],
  json: ['jsonc', 'json5', 'jsonl'],
  markdown: ['md'],
  python: ['py'],
  rust: ['rs'],
  sql: [],
  typescript: ['ts', 'tsx', 'mts', 'cts'],
  xml: ['html', 'svg', 'vue'],
  yaml: ['yml'],
} satisfies Record<string, string[]>;

export type CodeLanguage = keyof typeof NAMES;

const LANGUAGES = new Map(
  (Object.keys(NAMES) as CodeLanguage[]).flatMap((language) =>
    [language, ...NAMES[language]].map((name) => [name, language] as const),
  ),
);

/** The language in which `code` is coloured; undefined where it stays plain. `info` is what follows the fence. */
export function languageOf(info: string | undefined, code: string): CodeLanguage | undefined {
  if (info === undefined || code.length > MAX_LENGTH) return undefined;
  const [name = ''] = info
    .trim()
    .toLowerCase()
    .split(/[\s,{:]/, 1);
  const language = LANGUAGES.get(name);
  return language === undefined || code.split('\n').some((line) => line.length > MAX_LINE) ? undefined : language;
}

/** That of a file, by the end of its name. */
export const languageOfFile = (path: string, code: string): CodeLanguage | undefined =>
  languageOf(/\.([^./]+)$/.exec(path)?.[1], code);
