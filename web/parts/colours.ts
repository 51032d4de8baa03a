/** Code as pieces with classes. Loaded with the first code that is seen; each language is a script of its own. */
import type { LanguageFn } from 'highlight.js';
import { createLowlight } from 'lowlight';
import { createElement, Fragment, type ReactNode } from 'react';
import type { CodeLanguage } from '../store/code-language.js';
import './colours.css';

const GRAMMARS: Record<CodeLanguage, () => Promise<{ default: LanguageFn }>> = {
  bash: () => import('highlight.js/lib/languages/bash'),
  c: () => import('highlight.js/lib/languages/c'),
  cpp: () => import('highlight.js/lib/languages/cpp'),
  css: () => import('highlight.js/lib/languages/css'),
  diff: () => import('highlight.js/lib/languages/diff'),
  go: () => import('highlight.js/lib/languages/go'),
  java: () => import('highlight.js/lib/languages/java'),
  javascript: () => import('highlight.js/lib/languages/javascript'),
  json: () => import('highlight.js/lib/languages/json'),
  markdown: () => import('highlight.js/lib/languages/markdown'),
  python: () => import('highlight.js/lib/languages/python'),
  rust: () => import('highlight.js/lib/languages/rust'),
  sql: () => import('highlight.js/lib/languages/sql'),
  typescript: () => import('highlight.js/lib/languages/typescript'),
  xml: () => import('highlight.js/lib/languages/xml'),
  yaml: () => import('highlight.js/lib/languages/yaml'),
};

/** Languages in which others are written. */
const WITHIN: Partial<Record<CodeLanguage, readonly CodeLanguage[]>> = {
  javascript: ['xml'],
  typescript: ['xml'],
  xml: ['css', 'javascript'],
};

const lowlight = createLowlight();

type Root = ReturnType<typeof lowlight.highlight>;
type Node = Root['children'][number];

/** The same characters as `code`. Rejects where the script of the language cannot be loaded. */
export async function coloured(code: string, language: CodeLanguage): Promise<ReactNode> {
  await learnAll(language);
  return inOrder(lowlight.highlight(language, code).children);
}

/** Each line of `code` in its colours, of all that it is in: a comment may begin lines before. */
export async function colouredLines(code: string, language: CodeLanguage): Promise<readonly ReactNode[]> {
  await learnAll(language);
  const lines: ReactNode[][] = [[]];
  for (const { text, classes } of textsIn(lowlight.highlight(language, code).children, '')) {
    for (const [index, part] of text.split('\n').entries()) {
      if (index > 0) lines.push([]);
      lines.at(-1)?.push(classes === '' ? part : createElement('span', { className: classes }, part));
    }
  }
  return lines.map((pieces) => createElement(Fragment, null, ...pieces));
}

/** In their order, each with the classes of all that it is in. */
function* textsIn(nodes: readonly Node[], classes: string): Generator<{ text: string; classes: string }> {
  for (const node of nodes) {
    if (node.type === 'text') yield { text: node.value, classes };
    if (node.type === 'element') yield* textsIn(node.children as Node[], `${classes} ${classesOf(node)}`.trim());
  }
}

const learnAll = (language: CodeLanguage) => Promise.all([language, ...(WITHIN[language] ?? [])].map(learn));

async function learn(language: CodeLanguage): Promise<void> {
  if (lowlight.registered(language)) return;
  const { default: grammar } = await GRAMMARS[language]();
  lowlight.register(language, grammar);
}

const inOrder = (nodes: readonly Node[]): ReactNode => createElement(Fragment, null, ...nodes.map(pieceOf));

function pieceOf(node: Node): ReactNode {
  if (node.type === 'text') return node.value;
  if (node.type !== 'element') return undefined;
  return createElement('span', { className: classesOf(node) }, inOrder(node.children as Node[]));
}

const classesOf = ({ properties: { className } }: Extract<Node, { type: 'element' }>): string =>
  Array.isArray(className) ? className.join(' ') : '';
