/** A daemon with sessions in which something is to be seen. Claude answers by the words of a prompt, as in a film. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll } from '@jest/globals';
import {
  type ApiMessage,
  type ApiRequest,
  type MessagesApi,
  type Reply,
  type ReplyBlock,
  startMessagesApi,
} from '../../../demo/messages-api.js';
import { type Daemon, startDaemon } from '../../support/daemon.js';

const PLAN = ['# Beds', '', ...Array.from({ length: 40 }, (_, bed) => `${bed + 1}. Peas along the fence`)].join('\n');

const SAID = `# What is done

The beds are planned, and \`plan.md\` says where everything goes.

| bed | what | from |
| --- | --- | --- |
| 1 | **Peas** | March |
| 2 | Beans | May |

\`\`\`sh
cat plan.md
\`\`\`

- [x] measure the beds
- [ ] buy seeds, see [the list](https://example.org/seeds)

> Rhubarb wants shade.`;

const said = (text: string): ReplyBlock => ({ kind: 'text', text });
const tool = (name: string, input: object): ReplyBlock => ({ kind: 'tool', name, input });

/** What Claude does for the prompt that has the word, one call of the API after the other. */
const FILMS: readonly { word: string; steps: (root: string) => readonly ReplyBlock[][] }[] = [
  {
    word: 'beds',
    steps: (root) => [
      [
        { kind: 'thinking', text: 'First I look at what is there.' },
        said('I look around first.'),
        ...['ls', 'pwd'].map((command) => tool('Bash', { command, description: 'Look around' })),
      ],
      [tool('Write', { file_path: join(root, 'garden/plan.md'), content: PLAN })],
      [said(SAID)],
    ],
  },
  {
    word: 'tests',
    steps: () => [
      [said('I run them.'), tool('Bash', { command: 'npm test -- --all', description: 'Run all tests' })],
      [said('They pass.')],
    ],
  },
  {
    word: 'letter',
    steps: () => [
      [
        tool('AskUserQuestion', {
          questions: [
            {
              question: 'How shall it begin?',
              header: 'Beginning',
              multiSelect: false,
              options: [
                { label: 'Dear Ada', description: 'As among friends' },
                { label: 'Dear Ms Lovelace', description: 'As among strangers' },
              ],
            },
          ],
        }),
      ],
      [said('It begins.')],
    ],
  },
];

function answerTo({ messages }: ApiRequest, root: string): Reply {
  const at = messages.findLastIndex((one) => one.role === 'user' && promptIn(one) !== undefined);
  const words = promptIn(messages[at]) ?? '';
  const step = messages.slice(at + 1).filter(({ role }) => role === 'assistant').length;
  const film = FILMS.find(({ word }) => words.includes(word));
  return { kind: 'message', blocks: film?.steps(root)[step] ?? [said('Done.')] };
}

/** A person's text, without tool results and the CLI's own reminders. */
function promptIn(one: ApiMessage | undefined): string | undefined {
  if (!one) return undefined;
  if (typeof one.content === 'string') return one.content;
  return one.content.findLast(({ type, text }) => type === 'text' && !text?.startsWith('<'))?.text;
}

export interface TourWorld {
  daemon: Daemon;
  /** A directory with files and a repository; the same words everywhere. */
  directory(name: string): string;
  /** As the owner, over REST. */
  make(path: string, body: object): Promise<void>;
}

export function useTourWorld(environment: Record<string, string> = {}): TourWorld {
  const world = {} as TourWorld;
  let api: MessagesApi;
  beforeAll(async () => {
    api = await startMessagesApi((request) => answerTo(request, world.daemon.root));
    world.daemon = await startDaemon({ apiUrl: api.url, environment });
  });
  afterAll(async () => {
    await world.daemon.stop();
    await api.close();
  });
  world.directory = (name) => {
    const path = join(world.daemon.root, name);
    mkdirSync(path);
    writeFileSync(join(path, 'README.md'), `# ${name}\n`);
    execFileSync('git', ['init', '-q', '-b', 'main', path]);
    return path;
  };
  world.make = async (path, body) => {
    const headers = { 'content-type': 'application/json' };
    const answer = await world.daemon.fetch(path, { method: 'POST', headers, body: JSON.stringify(body) });
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
  };
  return world;
}
