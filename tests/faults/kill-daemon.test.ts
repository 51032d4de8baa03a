import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { countOf } from '../support/counts.js';
import { type ScriptedApi, scenario, startScriptedApi } from '../support/scripted-api.js';
import { waitUntil } from '../support/wait-until.js';
import { type ExpectedTurn, Ledger } from './ledger.js';
import { MortalDaemon } from './mortal-daemon.js';
import { chooseSeed, createRandom, type Random } from './random.js';
import { WanderingDevice } from './wandering-device.js';

const KILLS = countOf({ full: 1000, fast: 16 });
const SESSIONS = 5;
const DEVICES = ['phone', 'tablet', 'browser'];
/** Then another directory is worked in: the API is sent the whole conversation every time. */
const TURNS_OF_A_SESSION = countOf({ full: 40, fast: 8 });
/** In this time every turn must have ended once nobody kills any more. */
const SETTLE_MS = 30_000;
const TEST_MS = 120_000 + KILLS * 1500;

type Phase = 'starting' | 'replaying' | 'streaming' | 'prompting' | 'asking';

const seed = chooseSeed();
const random = createRandom(seed);
const ledger = new Ledger();
const phases: Record<Phase, number> = { starting: 0, replaying: 0, streaming: 0, prompting: 0, asking: 0 };
let api: ScriptedApi;
let daemon: MortalDaemon;
let devices: WanderingDevice[];
/** Sessions that were not closed. */
const open = new Set<string>();
let isOver = false;
let marks = 0;
let onArrival = () => {};
let onPiece = () => {};

beforeAll(async () => {
  api = await startScriptedApi();
  daemon = new MortalDaemon(api.url);
  devices = DEVICES.map(
    (deviceId) =>
      new WanderingDevice({
        deviceId,
        daemon,
        ledger,
        random: random.fork(),
        onArrival: () => onArrival(),
        onPiece: () => onPiece(),
      }),
  );
});

afterAll(async () => {
  await Promise.all(devices.map((device) => device.stop()));
  await daemon.destroy();
  await api.close();
});

const WORDS = [
  'nothing',
  'of',
  'this',
  'may',
  'be',
  'lost',
  'or',
  'said',
  'twice',
  'übrigens',
  '👩‍🚀',
  '"quoted"',
] as const;

const writeText = (choose: Random, words: number): string =>
  Array.from({ length: words }, () => choose.pick(WORDS)).join(' ');

/** A prompt, and what is said to it; every second one wants to use a tool that a person has to allow. */
function writePrompt(choose: Random, directory: string): { prompt: string } & Omit<ExpectedTurn, 'promptId'> {
  marks += 1;
  const mark = `mark-${marks}-`;
  const pace = { chunk: 1 + choose.integer(12), delayMs: choose.integer(8) };
  const texts = [writeText(choose, 5 + choose.integer(40))];
  if (choose.chance(0.5)) return { prompt: `${mark} ${scenario({ text: texts[0] ?? '', ...pace })}`, mark, texts };
  const tool = { name: 'Write', input: { file_path: `${directory}/${mark}.txt`, content: mark } };
  texts.push(writeText(choose, 5 + choose.integer(20)));
  const [first = '', last = ''] = texts;
  return {
    prompt: `${mark} ${scenario({ text: first, tools: [tool], ...pace }, { text: last, ...pace })}`,
    mark,
    texts,
  };
}

interface Work {
  choose: Random;
  directory: string;
  sessionId: string | undefined;
}

/** Gives a prompt by one of the devices, again and again until it is accepted. */
async function give(work: Work): Promise<string> {
  const { choose, directory, sessionId } = work;
  const { prompt, mark, texts } = writePrompt(choose, directory);
  const device = choose.pick(devices as [WanderingDevice, ...WanderingDevice[]]);
  const { data } =
    sessionId === undefined
      ? await device.ask('streamStart', { prompt, workingDirectory: directory }, mark)
      : await device.ask('streamSend', { sessionId, prompt }, mark);
  const { promptId } = data;
  work.sessionId = data.sessionId;
  open.add(data.sessionId);
  ledger.accepted({ promptId, mark, texts });
  return promptId;
}

/** One session after another: prompts one by one, and now and then one that has to wait. */
async function work(choose: Random): Promise<void> {
  while (!isOver) {
    const place: Work = { choose, directory: daemon.project(), sessionId: undefined };
    for (let turn = 0; turn < TURNS_OF_A_SESSION && !isOver; turn += 1) {
      const first = await give(place);
      const second = choose.chance(0.2) ? await give(place) : first;
      await ledger.ended(first);
      await ledger.ended(second);
    }
    if (isOver) return;
    const { sessionId = '' } = place;
    await devices[0]?.ask('streamClose', { sessionId, reason: 'done' }, `close-${sessionId}`);
    open.delete(sessionId);
  }
}

/** Instants of all kinds: while it starts, while devices are told what they missed, and in mid-text. */
async function instant(index: number): Promise<void> {
  switch (index % 4) {
    case 0:
      return delay(random.integer(300));
    case 1:
      await daemon.serves();
      await new Promise<void>((resolve) => {
        onArrival = resolve;
      });
      return delay(random.integer(15));
    case 2:
      await daemon.serves();
      await Promise.race([
        new Promise<void>((resolve) => {
          onPiece = resolve;
        }),
        delay(600),
      ]);
      return delay(random.integer(30));
    default:
      await daemon.serves();
      return rarePhase() ?? delay(random.integer(350));
  }
}

const connections = () => devices.flatMap(({ seen }) => seen ?? []);

/** Whether the present instant is in the phase. */
const IS_IN: Record<Phase, () => boolean> = {
  starting: () => daemon.url === undefined,
  replaying: () => connections().some(({ isCatchingUp }) => isCatchingUp),
  streaming: () => connections().some(({ isStreaming }) => isStreaming),
  prompting: () => devices.some(({ asking }) => asking > 0),
  asking: () => ledger.anyPermissionOpen,
};
const PHASES = Object.keys(IS_IN) as Phase[];

/** Few instants are in some of these by chance: one that has not been met is waited for. */
function rarePhase(): Promise<void> | undefined {
  const rare = PHASES.find((phase) => phase !== 'starting' && phases[phase] === 0);
  return rare && waitUntil(`it is ${rare}`, IS_IN[rare]);
}

function notePhases(): void {
  for (const phase of PHASES) if (IS_IN[phase]()) phases[phase] += 1;
}

async function killAgainAndAgain(): Promise<void> {
  for (let index = 0; index < KILLS; index += 1) {
    const ended = daemon.ended().then((stderr) => `the daemon ended by itself: ${stderr}`);
    const why = await Promise.race([instant(index), ended]);
    if (why !== undefined) throw new Error(why);
    notePhases();
    await daemon.kill();
    // What the API has kept of each request is large.
    api.requests.splice(0);
    daemon.begin();
  }
}

describe('kill -9 of the daemon', () => {
  test(
    `D1, D2, D3, D4, H2, I1, I2: ${KILLS} times at random instants, while sessions work and devices come and go`,
    async () => {
      daemon.begin();
      await daemon.serves();
      for (const device of devices) device.live();
      await Promise.all(devices.map((device, index) => device.ask('subscribe', { events: ['*'] }, `all-${index}`)));
      const working = Promise.all(Array.from({ length: SESSIONS }, () => work(random.fork())));
      await Promise.race([killAgainAndAgain(), working]);
      isOver = true;
      expect(await daemon.serves()).toBe(true);
      await Promise.race([working, delay(SETTLE_MS, undefined, { ref: false })]);
      expect({ seed, unfinished: ledger.unfinished, violations: ledger.violations }).toEqual({
        seed,
        unfinished: [],
        violations: [],
      });
      await working;
      const heads = await everythingHasCome();
      const runs = (mark: string) => api.runs(mark);
      expect({ seed, violations: ledger.judge({ heads, runs }) }).toEqual({ seed, violations: [] });
      expect(ledger.turnCount).toBeGreaterThan(KILLS / 4);
      for (const [phase, times] of Object.entries(phases)) expect({ phase, times }).not.toEqual({ phase, times: 0 });
      await waitUntil('only open sessions have a child', () => daemon.children().length === open.size);
    },
    TEST_MS,
  );
});

/** After a last restart, every device is told all that it missed. Returns where each session ends. */
async function everythingHasCome(): Promise<ReadonlyMap<string, number>> {
  await daemon.kill();
  for (const device of devices) device.settle();
  daemon.begin();
  await waitUntil('every device has caught up', () => devices.every(({ seen }) => seen?.isCatchingUp === false));
  return devices[0]?.seen?.heads ?? new Map();
}
