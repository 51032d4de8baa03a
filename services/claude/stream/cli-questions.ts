/** What a CLI says about itself and its directory, and what it asks Claude beside the conversation. */
import * as z from 'zod';
import { CompanionError } from '../../../protocol/error-codes.js';
import { plainLine } from '../../../protocol/plain-text.js';
import { modelSchema } from '../../../protocol/scalars.js';
import type {
  ChildQuestions,
  CliCapabilities,
  CliMcpServer,
  ContextUsage,
  McpLogin,
  SuggestedFile,
} from '../../ports/claude.js';
import { keyword, lenient, lenientList, shownName } from './cli-lines.js';
import type { ControlChannel } from './control-channel.js';
import type { ToldCapabilities } from './fact-reader.js';
import { connect, readServers, startLogin } from './mcp-servers.js';

type Commands = CliCapabilities['commands'];

const MAX_ENTRIES = 500;
const MAX_DESCRIPTION = 500;
const MAX_PATH = 4096;

const described = z.string().transform((text) => plainLine(text, MAX_DESCRIPTION));
/** The readable elements of a list that can be absent. */
const entries = <Schema extends z.ZodType>(element: Schema) =>
  lenient(lenientList(element)).transform((list = []): z.output<Schema>[] => list.slice(0, MAX_ENTRIES));

const commandSchema = z
  .object({
    name: shownName,
    description: described.catch(''),
    argumentHint: lenient(described),
    aliases: lenient(lenientList(shownName)),
  })
  .transform(({ name, description, argumentHint, aliases }) => ({
    name,
    description,
    ...(argumentHint && { argumentHint }),
    ...(aliases && aliases.length > 0 && { aliases }),
  }));
const commandsSchema = entries(commandSchema);

const modelInfoSchema = z
  .object({
    value: modelSchema,
    displayName: lenient(shownName),
    description: lenient(described),
    resolvedModel: lenient(shownName),
    supportedEffortLevels: lenient(lenientList(keyword)),
  })
  .transform(({ value: id, displayName: name = id, description, resolvedModel: resolvedId, ...model }) => ({
    id,
    name,
    ...(description && { description }),
    ...(resolvedId && { resolvedId }),
    ...(model.supportedEffortLevels && { effortLevels: model.supportedEffortLevels }),
  }));

const modelsSchema = z.object({ models: entries(modelInfoSchema) });

const initializedSchema = modelsSchema.extend({
  commands: commandsSchema,
  agents: entries(z.object({ name: shownName, description: described.catch('') })),
  available_output_styles: entries(shownName),
  output_style: lenient(shownName),
});

const isOneLine = (path: string): boolean => !/\p{Cc}/u.test(path);
const suggestionsSchema = z.object({
  suggestions: entries(z.object({ path: z.string().min(1).max(MAX_PATH).refine(isOneLine) })),
});

const tokens = z.number().nonnegative().max(Number.MAX_SAFE_INTEGER).transform(Math.round);
const usageSchema = z.object({
  totalTokens: tokens,
  maxTokens: tokens,
  model: lenient(modelSchema),
  categories: entries(z.object({ id: lenient(keyword), name: shownName, tokens, kind: lenient(keyword) })),
});

const answerSchema = z.object({ response: z.string() });

const START_MS = 15_000;
const SIDE_QUESTION_MS = 300_000;
/** How long an empty answer can mean that the CLI has not listed the directory yet: from its first answer on. */
const LISTING_MS = 10_000;
/** How long one question waits for that. */
const LISTING_WAIT_MS = 5000;
const LISTING_RETRY_MS = 50;

export class CliQuestions implements ChildQuestions {
  readonly #control: ControlChannel;
  readonly #initialized: Promise<Record<string, unknown>>;
  /** The last list that the CLI wrote by itself. */
  #commands: Commands | undefined;
  #terminalOnly: ReadonlySet<string> = new Set();
  /** As of the last turn. */
  #outputStyle: string | undefined;
  /** When an empty answer is believed, by the monotonic clock; undefined before the first answer. */
  #listedAt: number | undefined;

  /** `initialized`: the answer to `initialize`. */
  constructor(control: ControlChannel, initialized: Promise<Record<string, unknown>>) {
    this.#control = control;
    this.#initialized = initialized;
  }

  /** Takes what its output says: the commands on a change (2.1.332), and with each turn those for a terminal. */
  take({ commands, terminalOnly, outputStyle }: ToldCapabilities): void {
    if (commands !== undefined) this.#commands = commandsSchema.parse(commands);
    if (terminalOnly) this.#terminalOnly = new Set(terminalOnly);
    if (outputStyle !== undefined) this.#outputStyle = outputStyle;
  }

  async capabilities(): Promise<CliCapabilities> {
    const answer = await within(START_MS, this.#initialized);
    const {
      available_output_styles: outputStyles,
      output_style: styleAtStart,
      ...told
    } = initializedSchema.parse(answer);
    const { agents } = told;
    const models = await this.#models(told.models);
    const commands = (this.#commands ?? told.commands).map((command) => ({
      ...command,
      ...(this.#terminalOnly.has(command.name) && { terminalOnly: true }),
    }));
    const outputStyle = this.#outputStyle ?? styleAtStart;
    return { commands, agents, models, outputStyles, ...(outputStyle !== undefined && { outputStyle }) };
  }

  async effortLevels(model: string): Promise<readonly string[] | undefined> {
    const { models } = await this.capabilities();
    const found = models.find(({ id }) => id === model) ?? models.find(({ resolvedId }) => resolvedId === model);
    return found && (found.effortLevels ?? []);
  }

  /** The present list has a model that was chosen by its full name; 2.1.197 has only the list of the start. */
  async #models(listedAtStart: CliCapabilities['models']): Promise<CliCapabilities['models']> {
    // Whatever is wrong with the second list, the first one is right for all but such a model.
    const answer = await this.#control.ask({ subtype: 'list_models' }).catch(() => undefined);
    const { models } = modelsSchema.parse(answer ?? {});
    return models.length > 0 ? models : listedAtStart;
  }

  /**
   * The CLI lists the directory when it is first asked, and answers with nothing meanwhile (2.1.197 to 2.1.332: 150 to
   * 350 ms for 50,000 files). It is therefore asked again after an empty answer, for at most 5 s.
   */
  async suggestFiles(query: string): Promise<SuggestedFile[]> {
    let files = await this.#findFiles(query);
    const answeredAt = performance.now();
    this.#listedAt ??= answeredAt + LISTING_MS;
    const deadline = Math.min(this.#listedAt, answeredAt + LISTING_WAIT_MS);
    while (files.length === 0 && performance.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, LISTING_RETRY_MS));
      files = await this.#findFiles(query);
    }
    if (files.length > 0 && !isFolder(query)) this.#listedAt = answeredAt;
    return files;
  }

  async #findFiles(query: string): Promise<SuggestedFile[]> {
    const answer = await this.#control.ask({ subtype: 'file_suggestions', query });
    return suggestionsSchema.parse(answer ?? {}).suggestions;
  }

  async contextUsage(): Promise<ContextUsage> {
    const answer = await this.#control.ask({ subtype: 'get_context_usage', detail: 'summary' });
    const { categories, model, ...sums } = readable(usageSchema, answer, 'get_context_usage');
    return {
      ...sums,
      ...(model !== undefined && { model }),
      categories: categories.map(({ id, name, tokens: count, kind }) => ({
        id: id ?? idOf(name),
        name,
        tokens: count,
        ...(kind && { kind }),
      })),
    };
  }

  mcpServers(): Promise<CliMcpServer[]> {
    return readServers(this.#control);
  }

  toggleMcpServer(serverName: string, enabled: boolean): Promise<void> {
    return connect(this.#control, { subtype: 'mcp_toggle', serverName, enabled });
  }

  reconnectMcpServer(serverName: string): Promise<void> {
    return connect(this.#control, { subtype: 'mcp_reconnect', serverName });
  }

  loginToMcpServer(serverName: string, redirectUri: string | undefined): Promise<McpLogin> {
    return startLogin(this.#control, { serverName, redirectUri });
  }

  finishMcpLogin(serverName: string, callbackUrl: string): Promise<void> {
    return this.#control.request({ subtype: 'mcp_oauth_callback_url', serverName, callbackUrl });
  }

  async askBeside(question: string): Promise<string> {
    const answer = await this.#control.ask({ subtype: 'side_question', question }, { withinMs: SIDE_QUESTION_MS });
    return readable(answerSchema, answer, 'side_question').response;
  }
}

/** The CLI reads what is in a folder at once, without its list of all files. */
const isFolder = (query: string): boolean => /^(?:\.\/?)?$/.test(query);

/** 2.1.197 has only the English names. */
const idOf = (name: string): string => name.toLowerCase().replaceAll(/[^a-z0-9]+/g, '_');

function readable<Schema extends z.ZodType>(schema: Schema, answer: unknown, subtype: string): z.output<Schema> {
  const parsed = schema.safeParse(answer);
  if (parsed.success) return parsed.data;
  throw new CompanionError('CLAUDE_UNAVAILABLE', `The Claude CLI answered ${subtype} in a way that is not known here.`);
}

async function within<Value>(ms: number, value: Promise<Value>): Promise<Value> {
  let timer: NodeJS.Timeout | undefined;
  const expired = new Promise<never>((_, reject) => {
    const late = () => reject(new CompanionError('TIMEOUT', 'The Claude CLI has not started in time.'));
    timer = setTimeout(late, ms);
  });
  return Promise.race([value, expired]).finally(() => clearTimeout(timer));
}
