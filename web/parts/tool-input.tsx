import { plainLine, visibleText } from '../../protocol/plain-text.js';
import { Code } from './code.js';
import { Diff } from './diff.js';

/** What a tool is given, in the form in which a person reads it. Nothing in it is hidden. */
export function ToolInput({ name, input }: { name: string; input: unknown }) {
  const fields = isObject(input) ? input : {};
  const text = (field: string): string | undefined => {
    const value = fields[field];
    return typeof value === 'string' ? visibleText(value) : undefined;
  };
  const command = text('command');
  if (command !== undefined)
    return (
      <pre className="command" tabIndex={0}>
        <Code text={command} language="bash" />
      </pre>
    );
  const plan = text('plan');
  if (plan !== undefined)
    return (
      <pre className="plan" tabIndex={0}>
        {plan}
      </pre>
    );
  const path = text('file_path');
  const before = text('old_string');
  const after = text('new_string') ?? text('content');
  if (path !== undefined && after !== undefined) {
    return (
      <figure>
        <figcaption dir="ltr">{path}</figcaption>
        <Diff patch={patchOf(before, after)} path={path} />
      </figure>
    );
  }
  return (
    <pre tabIndex={0}>
      {name} <Code text={visibleText(JSON.stringify(input, undefined, 2) ?? '')} language="json" />
    </pre>
  );
}

/** A line has no more room. */
const MAX_SUMMARY = 300;

/** A short line of what the tool works on. */
export function summaryOf(input: unknown): string {
  const fields = isObject(input) ? input : {};
  for (const field of ['command', 'file_path', 'path', 'pattern', 'query', 'url', 'description', 'prompt']) {
    const value = fields[field];
    if (typeof value === 'string') return plainLine(value.split('\n')[0] ?? '', MAX_SUMMARY);
  }
  return '';
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;

const prefixed = (sign: string, text: string) => text.split('\n').map((line) => `${sign}${line}`);

const patchOf = (before: string | undefined, after: string): string =>
  [...(before === undefined ? [] : prefixed('-', before)), ...prefixed('+', after)].join('\n');
