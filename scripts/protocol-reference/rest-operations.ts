/** The functions of the REST client, one for each route that is not only local. */
import { type RestCommand, restRule } from '../../protocol/commands/rest.js';
import { REST_ANSWERS } from '../../protocol/rest-answers.js';

const WIDTH = 120;
const HEAD = `/** The requests to the daemon, one function each: generated from the command table by \`npm run protocol\`. */
import { eventStream, operation } from './operation.js';
`;

/** The module as text. */
export function restOperations(): string {
  const commands = (Object.keys(REST_ANSWERS) as RestCommand[]).filter((command) => !restRule(command).local);
  return [HEAD, ...commands.map(functionOf)].join('\n');
}

function functionOf(command: RestCommand): string {
  const { at } = restRule(command);
  const { note, type } = REST_ANSWERS[command];
  const isStream = type === 'text/event-stream';
  const given = [`'${at}'`, ...(command === 'streamPrompt' ? ['{ ends: true }'] : [])];
  const call = `${isStream ? 'eventStream' : 'operation'}<'${command}'>(`;
  const line = `export const ${command} = /* @__PURE__ */ ${call}${given.join(', ')});`;
  const broken = `export const ${command} = /* @__PURE__ */ ${call}\n${given.map((one) => `  ${one},\n`).join('')});`;
  const comment = note === undefined ? `\`${at}\`.` : `\`${at}\`: ${note}.`;
  return `/** ${comment} */\n${line.length > WIDTH ? broken : line}\n`;
}
