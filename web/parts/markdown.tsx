/** Markdown as elements: HTML in it is text, nothing is fetched, and a block that is finished is not rendered again. */
import type { Token, Tokens } from 'marked';
import {
  type ComponentType,
  createContext,
  createElement,
  Fragment,
  memo,
  type ReactNode,
  useContext,
  useState,
} from 'react';
import { type Block as BlockToken, GrowingMarkdown } from '../store/growing-markdown.js';
import { t } from '../strings/t.js';
import { Code } from './code.js';
import { PlainText } from './plain-text.js';

/** Above this many UTF-16 units a text is shown as it is: to parse it would take longer than a frame. */
const MAX_PARSED = 100_000;

export interface MarkdownProps {
  text: string;
  /** False while it is being written. */
  isComplete?: boolean;
}

export interface PartProps {
  /** As it was written. */
  raw: string;
  children: ReactNode;
}

/** What is put around each paragraph, item of a list and other block. */
export const PartFrame = createContext<ComponentType<PartProps> | undefined>(undefined);

export const Markdown = memo(({ text, isComplete = true }: MarkdownProps) => {
  const [growing] = useState(() => new GrowingMarkdown());
  if (text.length > MAX_PARSED) return <PlainText text={text} />;
  const all = growing.blocksOf(text, isComplete);
  const written = isComplete ? undefined : all.at(-1);
  return (
    <div className="markdown" dir="auto">
      {inOrder(all, (token) => (
        <IsWritten value={token === written}>
          <Block raw={token.raw} token={token} />
        </IsWritten>
      ))}
    </div>
  );
});

/** Whether the block around is still being written. */
const IsWritten = createContext(false);

/** Children that are known by their order alone: more of them come at the end. */
const inOrder = <Value,>(values: readonly Value[], render: (value: Value) => ReactNode): ReactNode =>
  createElement(Fragment, null, ...values.map(render));

const Block = memo(
  ({ token }: { raw: string; token: BlockToken }) =>
    UNFRAMED.has(token.type) ? blockOf(token) : <Part raw={token.raw}>{blockOf(token)}</Part>,
  (before, after) => before.raw === after.raw,
);

/** The items of a list are parts, the list is none. */
const UNFRAMED = new Set(['space', 'hr', 'list', 'def']);

function Part({ raw, children }: PartProps) {
  const Frame = useContext(PartFrame);
  return Frame ? <Frame raw={raw}>{children}</Frame> : children;
}

/** An item without the lists in it, and what comes from the first of these on. */
function Entry({ item: { tokens } }: { item: Tokens.ListItem }) {
  const first = tokens.findIndex(({ type }) => type === 'list');
  const own = first < 0 ? tokens : tokens.slice(0, first);
  return (
    <li>
      <Part raw={own.map(({ raw }) => raw).join('')}>{blocks(own)}</Part>
      {blocks(tokens.slice(own.length))}
    </li>
  );
}

const BLOCKS: Record<string, (token: never) => ReactNode> = {
  space: () => undefined,
  hr: () => <hr />,
  heading: ({ depth, tokens }: Tokens.Heading) => {
    // Below the title of the page.
    const Tag = `h${Math.min(6, depth + 1)}` as 'h2';
    return <Tag>{inlines(tokens)}</Tag>;
  },
  paragraph: ({ tokens }: Tokens.Paragraph) => <p>{inlines(tokens)}</p>,
  text: ({ tokens, text }: Tokens.Text) => (tokens ? inlines(tokens) : text),
  code: (token: Tokens.Code) => <CodeBlock code={token} />,
  blockquote: ({ tokens }: Tokens.Blockquote) => <blockquote>{blocks(tokens)}</blockquote>,
  list: ({ ordered, start, items }: Tokens.List) => {
    const content = inOrder(items, (item) => <Entry item={item} />);
    return ordered ? <ol start={Number(start) || 1}>{content}</ol> : <ul>{content}</ul>;
  },
  checkbox: ({ checked }: { checked: boolean }) => (
    <input
      type="checkbox"
      checked={checked}
      aria-label={t(checked ? 'todo.completed' : 'todo.pending')}
      disabled
      readOnly
    />
  ),
  table: (token: Tokens.Table) => <Table table={token} />,
  plain: ({ raw }: { raw: string }) => <PlainText text={raw} />,
};

const blocks = (tokens: readonly Token[]): ReactNode => inOrder(tokens, blockOf);

function blockOf(token: BlockToken): ReactNode {
  const render = BLOCKS[token.type] as ((token: Token) => ReactNode) | undefined;
  return render ? render(token as Token) : inlineOf(token as Token);
}

function CodeBlock({ code: { text, lang } }: { code: Tokens.Code }) {
  const isWritten = useContext(IsWritten);
  return (
    <pre dir="ltr" data-language={lang} tabIndex={0}>
      <code>
        <Code text={text} language={isWritten ? undefined : lang} />
      </code>
    </pre>
  );
}

function Table({ table: { header, rows } }: { table: Tokens.Table }) {
  return (
    <div className="scrolls" tabIndex={0}>
      <table>
        <thead>
          <tr>
            {inOrder(header, ({ tokens }) => (
              <th>{inlines(tokens)}</th>
            ))}
          </tr>
        </thead>
        <tbody>
          {inOrder(rows, (row) => (
            <tr>
              {inOrder(row, ({ tokens }) => (
                <td>{inlines(tokens)}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

const INLINES: Record<string, (token: never) => ReactNode> = {
  strong: ({ tokens }: Tokens.Strong) => <strong>{inlines(tokens)}</strong>,
  em: ({ tokens }: Tokens.Em) => <em>{inlines(tokens)}</em>,
  del: ({ tokens }: Tokens.Del) => <del>{inlines(tokens)}</del>,
  codespan: ({ text }: Tokens.Codespan) => <code dir="ltr">{text}</code>,
  br: () => <br />,
  escape: ({ text }: Tokens.Escape) => text,
  text: ({ text, tokens }: Tokens.Text) => (tokens ? inlines(tokens) : text),
  link: ({ href, tokens }: Tokens.Link) =>
    isSafe(href) ? (
      <a href={href} target="_blank" rel="noreferrer noopener">
        {inlines(tokens)}
      </a>
    ) : (
      <span>{inlines(tokens)}</span>
    ),
  // A picture would be fetched from elsewhere.
  image: ({ text, href }: Tokens.Image) => `${text} (${href})`,
};

const isSafe = (href: string): boolean => /^(https?:|mailto:)/i.test(href);

const inlines = (tokens: readonly Token[]): ReactNode => inOrder(tokens, inlineOf);

function inlineOf(token: Token): ReactNode {
  const render = INLINES[token.type] as ((token: Token) => ReactNode) | undefined;
  return render ? render(token) : token.raw;
}
