/** What axe has to say of a page. It runs in a world of its own: the page, and its policy, do not know of it. */
import axe from 'axe-core';
import type { Page } from 'playwright-core';

/** Each rule that does not hold, with the elements. */
type Violations = Record<string, string[]>;

/** Of this size is what can be touched, also where axe does not ask by default. */
const OPTIONS = { rules: { 'target-size': { enabled: true } }, resultTypes: ['violations'] };

const RUN = `axe.run(document, ${JSON.stringify(OPTIONS)}).then(({ violations }) =>
  Object.fromEntries(violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html.slice(0, 160))])))`;

export async function violationsIn(page: Page): Promise<Violations> {
  const session = await page.context().newCDPSession(page);
  const { frameTree } = await session.send('Page.getFrameTree');
  const frameId = frameTree.frame.id;
  const { executionContextId: contextId } = await session.send('Page.createIsolatedWorld', {
    frameId,
    worldName: 'axe',
  });
  await session.send('Runtime.evaluate', { expression: axe.source, contextId });
  const { result, exceptionDetails } = await session.send('Runtime.evaluate', {
    expression: RUN,
    contextId,
    awaitPromise: true,
    returnByValue: true,
  });
  await session.detach();
  if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
  return result.value as Violations;
}
