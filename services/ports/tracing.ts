/** Traces of requests, and of the prompts that they bring. Texts of people, Claude, tools and files are in none. */
import type { Publisher } from './publication.js';
import type { SessionChange, StoredSession } from './records.js';

/** Headers of a caller that is traced itself, by their names in lower case: `traceparent`, `tracestate`. */
export type TraceHeaders = Readonly<Record<string, string | string[] | undefined>>;

/** Ids, names, numbers. Undefined ones are left out. */
export type SpanFacts = Readonly<Record<string, string | number | boolean | undefined>>;

export interface NewSpan {
  name: string;
  /** `server`: a request from outside. */
  kind?: 'server';
  /** What it is part of, as headers or as a `traceparent`. Without it, or where it is not valid, a trace begins. */
  parent: TraceHeaders | string | undefined;
  /** Epoch milliseconds; absent: now. */
  at?: number;
  facts?: SpanFacts;
}

/** A part of a trace that has begun. */
export interface OpenSpan {
  /** The W3C `traceparent` of what is part of it. */
  readonly traceparent: string;
  /** Ends it, the first time; one that is never ended is not sent. `at`: epoch milliseconds; absent: now. */
  end(facts?: SpanFacts, ended?: { isError?: boolean; at?: number }): void;
}

/** What sessions tell of their prompts. Never throws and never waits. */
export interface PromptTraces {
  /** A session as the daemon finds it when it starts. */
  found(session: StoredSession): void;
  /** A change is in the journal. */
  committed(change: SessionChange): void;
}

/** Absent as a whole where nothing is traced. */
export interface Tracing {
  begin(span: NewSpan): OpenSpan;
  readonly prompts: PromptTraces;
  /** Wraps the publisher, and sees when Claude begins to answer. */
  observe(publisher: Publisher): Publisher;
}
