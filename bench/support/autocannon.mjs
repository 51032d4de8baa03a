/** As many requests as 100 connections take, one after the other on each. */
import autocannon from 'autocannon';
import { answerRequests } from './answer-requests.mjs';

answerRequests({
  load: async ({ url, headers, seconds, connections }) => {
    const { latency, requests, non2xx, errors } = await autocannon({ url, headers, duration: seconds, connections });
    return { perSecond: requests.average, p50: latency.p50, p99: latency.p99, failed: non2xx + errors };
  },
});
