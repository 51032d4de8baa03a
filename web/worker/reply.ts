/** Sends what a person writes into a notification, with the credential of this browser. */
import { answerPermission, createPrompt, createRestClient, listPermissions } from '../../client/rest/index.js';
import { renewToken } from '../link/renewal.js';

interface To {
  sessionId: string;
  /** The question that it answers; a prompt answers none. */
  permissionId: string | undefined;
}

/** Rejects with why it was not taken; `ManyQuestions` when one text cannot be the answer. Once, whatever is lost on the way. */
export async function sendReply({ sessionId, permissionId }: To, text: string): Promise<void> {
  const rest = createRestClient({ url: location.origin, renewToken });
  if (permissionId === undefined) {
    await createPrompt(rest, {
      params: { id: sessionId },
      body: { prompt: text },
      idempotencyKey: crypto.randomUUID(),
    });
    return;
  }
  const { permissions } = await listPermissions(rest, { params: { id: sessionId } });
  const asked = permissions.find((one) => one.permissionId === permissionId);
  const [question, another] = asked?.questions ?? [];
  if (!question || another) throw new ManyQuestions();
  await answerPermission(rest, {
    params: { id: sessionId, permissionId },
    body: { response: 'allow', answers: { [question.question]: text } },
    idempotencyKey: crypto.randomUUID(),
  });
}

/** The request is closed, or more than one question. */
export class ManyQuestions extends Error {}
