/** What the command table says of a request, as types: for clients, which have no schemas at run time. */
import type * as z from 'zod';
import type { RestRules } from './commands/rest.js';
import type { RestAnswers } from './rest-answers.js';

/** The name of a request, which is its `operationId` in `openapi.json`. */
export type OperationName = keyof RestRules;

type PathOf<At> = At extends `${string} ${infer Path}` ? Path : never;
type ParameterOf<Segment> = Segment extends `:${infer Name}` | `*${infer Name}` ? Name : never;
type ParametersIn<Path> = Path extends `${infer Head}/${infer Rest}`
  ? ParameterOf<Head> | ParametersIn<Rest>
  : ParameterOf<Path>;

/** Method and path. */
export type PlaceOf<C extends OperationName> = RestRules[C]['at'];

/** The names in the path; `never` without one. */
export type ParametersOf<C extends OperationName> = ParametersIn<PathOf<PlaceOf<C>>>;

/** What may be left out is that of the input; the values are what the daemon reads from the text. */
type QueryValues<Schema extends z.ZodType> = {
  [K in keyof z.input<Schema>]: K extends keyof z.output<Schema> ? z.output<Schema>[K] : never;
};

/** The query; `never` without one. */
export type QueryOf<C extends OperationName> = RestRules[C] extends { query: infer Schema extends z.ZodType }
  ? QueryValues<Schema>
  : never;

/** The JSON body; `never` without one. */
export type BodyOf<C extends OperationName> = RestRules[C] extends { body: infer Schema extends z.ZodType }
  ? z.input<Schema>
  : never;

/** Whether bytes can stand in place of the JSON body. */
export type TakesBytes<C extends OperationName> = RestRules[C] extends { takesBytes: true } ? true : false;

/** The answer's JSON; `never` where the answer is something else. */
export type AnswerJson<C extends OperationName> = RestAnswers[C] extends { shape: infer Shape extends z.ZodType }
  ? z.output<Shape>
  : never;
