/**
 * Renders the documents of the protocol as pages that need nothing else: no script, no other address, one style. They
 * and the machine-readable documents are what the daemon serves below `/docs`.
 */
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { Marked } from 'marked';

/** By the name of the page. */
const PAGES = {
  index: { path: 'PROTOCOL.md', title: 'Protocol' },
  frames: { path: 'docs/protocol/frames.md', title: 'Frames of a client' },
  events: { path: 'docs/protocol/events.md', title: 'Frames of the daemon' },
  rest: { path: 'docs/protocol/rest.md', title: 'REST' },
};
const DOCUMENTS = ['openapi.json', 'asyncapi.json'];

const STYLE = `
:root { color-scheme: light dark }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; padding: 0 1rem 4rem; color: #222; background: #fff }
nav { display: flex; flex-wrap: wrap; gap: 0.5rem 1.25rem; padding: 1rem 0; border-bottom: 1px solid #ddd }
nav a[aria-current] { font-weight: 600; color: inherit; text-decoration: none }
h2, h3, h4 { margin-top: 2rem; scroll-margin-top: 1rem }
a { color: #0b5cad }
code { background: #f0f0f0; padding: 0.1rem 0.3rem; border-radius: 0.2rem; font-size: 0.9em; overflow-wrap: anywhere }
pre { background: #f0f0f0; padding: 0.75rem 1rem; border-radius: 0.3rem; overflow-x: auto }
pre code { padding: 0; overflow-wrap: normal }
.table { overflow-x: auto }
table { border-collapse: collapse; width: 100% }
td code { overflow-wrap: normal }
th, td { text-align: left; vertical-align: top; padding: 0.4rem 0.6rem; border-bottom: 1px solid #ddd; min-width: 5rem }
@media (prefers-color-scheme: dark) {
  body { color: #ddd; background: #161616 }
  code, pre { background: #2a2a2a }
  nav, th, td { border-color: #3a3a3a }
  a { color: #7ab7f5 }
}
`;

/** Writes the pages into this folder. */
export function buildDocs(folder) {
  mkdirSync(folder, { recursive: true });
  for (const [name, page] of Object.entries(PAGES)) writeFileSync(join(folder, `${name}.html`), render(name, page));
  writeFileSync(join(folder, 'style.css'), STYLE.trimStart());
  for (const name of DOCUMENTS) copyFileSync(join('docs/protocol', name), join(folder, name));
}

function render(name, { path, title }) {
  const seen = new Map();
  const marked = new Marked({
    renderer: {
      heading({ tokens, depth }) {
        const text = this.parser.parseInline(tokens);
        return `<h${depth} id="${slugOf(text, seen)}">${text}</h${depth}>\n`;
      },
      link({ href, tokens }) {
        const text = this.parser.parseInline(tokens);
        const target = addressOf(href, path);
        return target === undefined ? text : `<a href="${target}">${text}</a>`;
      },
      html: () => '',
    },
  });
  const body = marked
    .parse(readFileSync(path, 'utf8'))
    .replaceAll('<table>', '<div class="table"><table>')
    .replaceAll('</table>', '</table></div>');
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title} · Claude Companion</title>
<link rel="stylesheet" href="/docs/style.css">
</head>
<body>
<nav aria-label="Documents">
${links(name)}
</nav>
<main>
${body}</main>
</body>
</html>
`;
}

const links = (current) =>
  [
    ...Object.entries(PAGES).map(([name, { title }]) => [addressOfPage(name), title, name === current]),
    ...DOCUMENTS.map((name) => [`/${name}`, name, false]),
  ]
    .map(([href, title, isHere]) => `<a href="${href}"${isHere ? ' aria-current="page"' : ''}>${title}</a>`)
    .join('\n');

const addressOfPage = (name) => (name === 'index' ? '/docs' : `/docs/${name}`);

/** The address of a link's target; undefined for what is only in the repository. */
function addressOf(href, from) {
  if (href.startsWith('#')) return href;
  const [file, fragment] = href.split('#');
  const target = normalize(join(dirname(from), file));
  const found = Object.entries(PAGES).find(([, { path }]) => path === target);
  if (found) return `${addressOfPage(found[0])}${fragment === undefined ? '' : `#${fragment}`}`;
  const document = DOCUMENTS.find((name) => target === `docs/protocol/${name}`);
  return document && `/${document}`;
}

/** As GitHub names headings. */
function slugOf(html, seen) {
  const text = html.replace(/<[^>]*>/g, '').replace(/&\w+;/g, '');
  const slug = text
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .trim()
    .replace(/\s/g, '-');
  const count = seen.get(slug) ?? 0;
  seen.set(slug, count + 1);
  return count === 0 ? slug : `${slug}-${count}`;
}
