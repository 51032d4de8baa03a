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
  await Promise.all([language, ...(WITHIN[language] ?? [])].map(learn));
  return inOrder(lowlight.highlight(language, code).children);
}

async function learn(language: CodeLanguage): Promise<void> {
  if (lowlight.registered(language)) return;
  const { default: grammar } = await GRAMMARS[language]();
  lowlight.register(language, grammar);
}

const inOrder = (nodes: readonly Node[]): ReactNode => createElement(Fragment, null, ...nodes.map(pieceOf));

function pieceOf(node: Node): ReactNode {
  if (node.type === 'text') return node.value;
  if (node.type !== 'element') return undefined;
  const { className } = node.properties;
  const classes = Array.isArray(className) ? className.join(' ') : '';
  return createElement('span', { className: classes }, inOrder(node.children as Node[]));
}
