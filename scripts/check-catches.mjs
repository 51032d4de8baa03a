/**
 * Every handler of an error that does not look at it says why any error may be passed over there: a `catch` clause,
 * a handler given to `.catch`, to `.then` in the second place, or to `.on('error', …)`. The reason is a comment inside
 * the handler, or in the lines directly above it or above its statement.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseSync } from '@swc/core';

const FOLDERS = ['cli', 'client', 'config', 'demo', 'disk', 'protocol', 'routes', 'server', 'services'];
const LITERALS = new Set(['StringLiteral', 'TemplateElement', 'RegExpLiteral', 'JSXText']);
const FUNCTIONS = new Set(['ArrowFunctionExpression', 'FunctionExpression', 'FunctionDeclaration']);
const LISTENING = new Set(['on', 'once', 'addListener', 'prependListener']);
/** Parsed with the source, so that the module starts where the file does. */
const PREFIX = ';';

check();

function check() {
  const files = FOLDERS.flatMap(sourcesIn).toSorted();
  const faults = files.flatMap(faultsOf);
  if (files.length === 0) faults.push('no sources found');
  for (const fault of faults) console.error(fault);
  if (faults.length > 0) process.exitCode = 1;
}

function sourcesIn(folder) {
  const names = readdirSync(folder, { recursive: true });
  return names.filter((name) => /\.[cm]?ts$/.test(name)).map((name) => join(folder, name));
}

function faultsOf(file) {
  const source = Buffer.from(PREFIX + readFileSync(file, 'utf8').replace(/^#!/, '//'));
  const module = parseSync(source.toString(), { syntax: 'typescript', target: 'esnext', decorators: true });
  const place = { source, base: module.span.start };
  const comments = commentsOf(module, place);
  const named = functionsOf(module);
  return [...bareHandlers(module, { named, statement: module })]
    .filter((bare) => !isExplained(bare, comments, place))
    .map(({ node }) => {
      const line = lineAt(place.source, node.span.start - place.base);
      return `${file}:${line} passes over any error without a comment that says why`;
    });
}

/** Handlers that do not use their error, each with the statement it stands in. */
function* bareHandlers(node, { named, statement }) {
  if (node === null || typeof node !== 'object') return;
  const around = isStatement(node) ? node : statement;
  if (node.type === 'CatchClause' && !uses(node.body, boundIn(node.param))) yield { node, statement: around };
  if (node.type === 'CallExpression') {
    for (const handler of handlersOf(node)) {
      if (ignores(handler, named)) yield { node: handler, statement: around };
    }
  }
  for (const child of Object.values(node)) yield* bareHandlers(child, { named, statement: around });
}

function isStatement({ type }) {
  return typeof type === 'string' && /Statement$|Declaration$|^ClassProperty$/.test(type) && type !== 'BlockStatement';
}

/** What a call hands an error to. */
function handlersOf({ callee, arguments: args }) {
  const name = nameOf(callee);
  const given = args.map(({ expression }) => expression);
  if (name === 'catch') return given.slice(0, 1);
  if (name === 'then') return given.slice(1, 2);
  if (LISTENING.has(name) && given[0]?.type === 'StringLiteral' && given[0].value === 'error') return given.slice(1, 2);
  return [];
}

/** The name of the method that is called, also behind `?.`. */
function nameOf(callee) {
  const member = callee.type === 'OptionalChainingExpression' ? callee.base : callee;
  return member.type === 'MemberExpression' && member.property.type === 'Identifier'
    ? member.property.value
    : undefined;
}

/** A function of another file is taken at its word. */
function ignores(handler, named) {
  const called = handler.type === 'Identifier' ? named.get(handler.value) : handler;
  if (called === undefined || !FUNCTIONS.has(called.type)) return false;
  const [first] = called.params;
  const param = first?.type === 'Parameter' ? first.pat : first;
  return !uses(called.body, boundIn(param));
}

/** The functions of a file by name. */
function functionsOf(node, found = new Map()) {
  if (node === null || typeof node !== 'object') return found;
  if (node.type === 'FunctionDeclaration') found.set(node.identifier.value, node);
  if (node.type === 'VariableDeclarator' && node.id.type === 'Identifier' && FUNCTIONS.has(node.init?.type)) {
    found.set(node.id.value, node.init);
  }
  for (const child of Object.values(node)) functionsOf(child, found);
  return found;
}

/** Names that a parameter binds. */
function boundIn(pattern) {
  return pattern === null || pattern === undefined ? [] : identifiersIn(pattern);
}

function uses(body, names) {
  if (names.length === 0) return false;
  const used = new Set(identifiersIn(body));
  return names.some((name) => used.has(name));
}

function identifiersIn(node) {
  if (node === null || typeof node !== 'object') return [];
  if (node.type === 'Identifier') return [node.value];
  const children =
    node.type === 'MemberExpression' && node.property.type === 'Identifier' ? [node.object] : Object.values(node);
  return children.flatMap(identifiersIn);
}

/** A comment inside the handler, or one that ends on the line above it or above its statement. */
function isExplained({ node, statement }, comments, { source, base }) {
  const start = node.span.start - base;
  const end = node.span.end - base;
  const firstLines = [start, statement.span.start - base].map((at) => lineAt(source, at));
  return comments.some(
    (comment) => (comment.start >= start && comment.end <= end) || firstLines.includes(lineAt(source, comment.end) + 1),
  );
}

/** Comments by position: the marks of comments that stand in no literal. */
function commentsOf(module, { source, base }) {
  const literals = literalsIn(module, base);
  const text = source.toString('latin1');
  const found = [];
  for (let at = 0; at < text.length; ) {
    const literal = literals.get(at);
    const end = literal ?? commentEnd(text, at);
    if (end !== undefined && literal === undefined) found.push({ start: at, end });
    at = end === undefined ? at + 1 : Math.max(end, at + 1);
  }
  return found.filter(({ start, end }) => !isForTools(text.slice(start, end)));
}

/** Literals by where they start, each with its end. */
function literalsIn(node, base, found = new Map()) {
  if (node === null || typeof node !== 'object') return found;
  if (LITERALS.has(node.type)) found.set(node.span.start - base, node.span.end - base);
  for (const child of Object.values(node)) literalsIn(child, base, found);
  return found;
}

function commentEnd(text, at) {
  const mark = text.slice(at, at + 2);
  const closing = { '//': '\n', '/*': '*/' }[mark];
  if (closing === undefined) return undefined;
  const closed = text.indexOf(closing, at + 2);
  if (closed < 0) return text.length;
  return mark === '//' ? closed : closed + 2;
}

function isForTools(comment) {
  return /^\/[/*]\s*(?:eslint|oxlint|biome|@ts-)/.test(comment);
}

function lineAt(source, offset) {
  let line = 1;
  for (let at = source.indexOf('\n'); at >= 0 && at < offset; at = source.indexOf('\n', at + 1)) line += 1;
  return line;
}
