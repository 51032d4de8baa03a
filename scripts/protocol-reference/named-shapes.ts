/** Shapes that have a table of their own, which other tables link to. */
import { scopeSchema } from '../../protocol/access.js';
import { deviceViewSchema, grantSchema, personSchema } from '../../protocol/auth.js';
import { streamOptionsSchema } from '../../protocol/client-frames.js';
import { contentBlockSchema } from '../../protocol/content.js';
import { errorCodeSchema, errorDetailsSchema } from '../../protocol/error-codes.js';
import { EVENTS, rememberSchema } from '../../protocol/events.js';
import { fileInfoSchema } from '../../protocol/files.js';
import { deliverySchema } from '../../protocol/push.js';
import { pushPreferencesSchema } from '../../protocol/push-preferences.js';
import { sessionViewSchema } from '../../protocol/rest.js';
import { historyMessageSchema, resumedSessionSchema } from '../../protocol/server-frames.js';
import { defOf, type Schema } from './schema-rules.js';

/** By name; the heading of its table has the same name. */
export const NAMED_SHAPES: Readonly<Record<string, Schema>> = {
  ContentBlock: contentBlockSchema,
  Delivery: deliverySchema,
  Device: deviceViewSchema,
  ErrorCode: errorCodeSchema,
  ErrorDetails: errorDetailsSchema,
  FileInfo: fileInfoSchema,
  Grant: grantSchema,
  HistoryMessage: historyMessageSchema,
  Person: personSchema,
  PushPreferences: pushPreferencesSchema,
  Remember: rememberSchema,
  Scope: scopeSchema,
  ResumedSession: resumedSessionSchema,
  Session: sessionViewSchema,
  StreamOptions: streamOptionsSchema,
  permissionRequest: EVENTS.permissionRequest,
  sessionStatus: EVENTS.sessionStatus,
};

export interface NamedShapes {
  /** Markdown; undefined for a shape without a name. */
  linkOf(schema: Schema): string | undefined;
}

/** A described schema is a copy with the same definition. */
const NAMES = new Map(Object.entries(NAMED_SHAPES).map(([name, schema]) => [defOf(schema), name]));

/** `hrefOf` says where the table of a name is, seen from the document that links to it. */
export const namedShapes = (hrefOf: (name: string) => string): NamedShapes => ({
  linkOf: (schema) => {
    const name = NAMES.get(defOf(schema));
    return name === undefined ? undefined : `[\`${name}\`](${hrefOf(name)})`;
  },
});

/** Named shapes are not links in their own tables. */
export const except = (shapes: NamedShapes, own: Schema): NamedShapes => ({
  linkOf: (schema) => (defOf(schema) === defOf(own) ? undefined : shapes.linkOf(schema)),
});
