/** Claude's answers in the demo: enough to try text, tools, permissions, questions and plans. */
import type { ApiMessage, ApiRequest, Reply, ReplyBlock, Script } from './messages-api.js';

const PACE = { chunk: 12, delayMs: 25 };

const text = (words: string): ReplyBlock => ({ kind: 'text', text: words, ...PACE });
const message = (...blocks: ReplyBlock[]): Reply => ({ kind: 'message', blocks });

const INTRODUCTION = `Hello! This is the demo of Claude Companion. I am the real Claude CLI, but my answers come from a script.

Try one of these:
- "show me around": a list of what I do, a permission, a file
- "run something": I ask for permission to use a tool
- "write a file": another permission, with a file in the end
- "ask me": I ask you a question
- "tell me a long story": text that streams for a while, to interrupt or to reconnect to`;

const STORY = Array.from(
  { length: 40 },
  (_, line) => `Line ${line + 1}: the phone went into the tunnel, the daemon wrote on, and no word was lost.`,
).join('\n');

interface Scene {
  words: RegExp;
  begin: () => Reply;
  /** What follows the first tool, before the end. */
  next?: () => Reply;
  end: string;
}

const TOUR = ['Say hello', 'Write a small file, if you allow it', 'Say what else there is'];

const todos = (done: number): ReplyBlock => ({
  kind: 'tool',
  name: 'TodoWrite',
  input: {
    todos: TOUR.map((content, index) => ({
      content,
      activeForm: content,
      status: index < done ? 'completed' : index === done ? 'in_progress' : 'pending',
    })),
  },
});

const TOUR_END = `That was a turn. Its file is in the folder of this session, and the line above shows what has changed.

| say | to see |
| --- | --- |
| **run something** | a command that asks first |
| **ask me** | a question with choices |
| **tell me a long story** | text that you can interrupt: close this page meanwhile, and nothing is lost |

\`\`\`sh
npm run companion -- pair   # a phone as well
\`\`\``;

const SCENES: Scene[] = [
  {
    words: /\bshow me around\b/i,
    begin: () =>
      message(
        text(
          'Hello! This is the demo of **Claude Companion**. I am the real Claude CLI, but my answers come from a script on this machine.\n\n',
        ),
        todos(1),
      ),
    next: () =>
      message(text('Now I ask you for something. Nothing is written before you allow it.\n\n'), {
        kind: 'tool',
        name: 'Write',
        input: {
          file_path: `hello-${Date.now()}.md`,
          content: '# Hello\n\nWritten by the demo of Claude Companion.\n',
        },
      }),
    end: TOUR_END,
  },
  {
    words: /\b(run|command|tool|bash)\b/i,
    begin: () =>
      message(text('I would like to look around. '), {
        kind: 'tool',
        name: 'Bash',
        input: {
          command: 'date > demo.txt && cat demo.txt && ls -la',
          description: 'Note the time and list the files',
        },
      }),
    end: 'That is what the tool said. Ask for another one, or send the next prompt.',
  },
  {
    words: /\b(write|file|create)\b/i,
    begin: () =>
      message(text('I will write a small file. '), {
        kind: 'tool',
        name: 'Write',
        input: {
          file_path: `hello-${Date.now()}.md`,
          content: '# Hello\n\nWritten by the demo of Claude Companion.\n',
        },
      }),
    end: 'Done, if you allowed it.',
  },
  {
    words: /\b(ask|question)\b/i,
    begin: () =>
      message({
        kind: 'tool',
        name: 'AskUserQuestion',
        input: {
          questions: [
            {
              question: 'Which colour shall the button have?',
              header: 'Colour',
              multiSelect: false,
              options: [
                { label: 'Blue', description: 'Calm' },
                { label: 'Red', description: 'Loud' },
              ],
            },
          ],
        },
      }),
    end: 'A good choice.',
  },
  { words: /\b(long|story)\b/i, begin: () => message(text(STORY)), end: '' },
];

/** Answers a prompt by the words in it; after a tool, ends the scene. */
export const demoScript: Script = (request: ApiRequest): Reply => {
  const at = request.messages.findLastIndex((one) => one.role === 'user' && promptOf(one) !== undefined);
  const prompt = at === -1 ? '' : (promptOf(request.messages[at]) ?? '');
  const scene = SCENES.find(({ words }) => words.test(prompt));
  const said = request.messages.slice(at + 1).filter(({ role }) => role === 'assistant').length;
  if (!scene) return message(text(INTRODUCTION));
  if (said === 0) return scene.begin();
  return said === 1 && scene.next ? scene.next() : message(text(scene.end));
};

/** A person's text, without tool results and the CLI's own reminders. */
function promptOf(one: ApiMessage | undefined): string | undefined {
  if (!one) return undefined;
  if (typeof one.content === 'string') return one.content;
  return one.content.findLast(({ type, text: words }) => type === 'text' && !words?.startsWith('<'))?.text;
}
