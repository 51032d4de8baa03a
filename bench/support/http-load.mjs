/** Requests over HTTP/1.1, paced: those of a client whose answers are timed, or of attackers who only want many. */
import { once } from 'node:events';
import { Agent, get } from 'node:http';
import { setTimeout } from 'node:timers/promises';
import { answerRequests } from './answer-requests.mjs';

const BATCH_MS = 5;

/** One request; resolves to its status and the milliseconds it took. */
async function ask({ port, path, token, agent }) {
  const began = process.hrtime.bigint();
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const request = get({ host: '127.0.0.1', port, path, headers, agent });
  const [response] = await once(request, 'response');
  response.resume();
  await once(response, 'end');
  return { status: response.statusCode, ms: Number(process.hrtime.bigint() - began) / 1e6 };
}

/** So many a second for so long, whether or not the earlier ones were answered. */
async function pace({ perSecond, ms }, send) {
  const began = performance.now();
  const under = new Set();
  for (let sent = 0; performance.now() - began < ms; await setTimeout(BATCH_MS)) {
    const due = Math.floor(((performance.now() - began) / 1000) * perSecond);
    for (; sent < due; sent += 1) {
      const one = send().finally(() => under.delete(one));
      under.add(one);
    }
  }
  await Promise.all(under);
}

answerRequests({
  load: async ({ port, path, token, perSecond, ms, sockets }) => {
    const agent = new Agent({ keepAlive: true, maxSockets: sockets });
    const times = [];
    const statuses = {};
    await pace({ perSecond, ms }, async () => {
      const answer = await ask({ port, path, token, agent });
      times.push(answer.ms);
      statuses[answer.status] = (statuses[answer.status] ?? 0) + 1;
    });
    agent.destroy();
    return { times, statuses };
  },
});
