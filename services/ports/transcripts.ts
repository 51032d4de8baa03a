/** The conversations of the CLI as its files have them, which other programs write as well. */
import type { ContentBlock, Usage } from '../../protocol/content.js';
import type { ClaudeSessionId } from '../../protocol/scalars.js';

/** A conversation of a directory, held here or in a terminal. Texts are of limited length. */
export interface ListedConversation {
  claudeSessionId: string;
  /** Given by a person or the CLI, or the first prompt. */
  title: string;
  firstPrompt?: string;
  /** Epoch milliseconds. */
  createdAt?: number;
  lastModified: number;
  /** Of its transcript, in bytes. */
  size?: number;
  /** Of git, at its end. */
  branch?: string;
  tag?: string;
  archived?: boolean;
}

export interface FoundTranscript {
  claudeSessionId: string;
  /** Where the CLI ran. */
  directory: string;
  /** Bytes. */
  size: number;
  /** Epoch milliseconds. */
  lastModified: number;
}

/** What a person gives to a conversation, here or at a desk. Read ones are cleaned, and of limited length. */
export interface ConversationLabels {
  title?: string;
  /** Empty: none. */
  tag?: string;
  /** `at`: when that was decided, in epoch milliseconds. */
  archived?: { is: boolean; at: number };
}

/** The name is given by its child. */
export interface WrittenLabels {
  tag?: string;
  archived?: boolean;
}

export interface LabelsReading extends ConversationLabels {
  path: string;
  /** Changes with the files. */
  stamp: string;
}

export interface TranscriptLocation {
  path: string;
  /** Bytes. The CLI appends to it. */
  size: number;
  mtimeMs: number;
}

export interface TranscriptTail {
  claudeSessionId: string;
  path: string;
  /** Start offset in bytes: only what follows is read. */
  from: number;
}

/** One utterance of a conversation, as in its transcript, which excludes what subagents say. */
export type TranscriptEntry = TranscriptEntryPlace &
  (
    | { kind: 'human'; content: ContentBlock[] }
    | {
        kind: 'block';
        messageId: string;
        /** Its position among the blocks of its message in the transcript. */
        blockIndex: number;
        content: ContentBlock;
        model?: string;
        usage?: Usage;
      }
    | { kind: 'toolResult'; toolId: string; toolName: string; text: string; isError: boolean }
  );

interface TranscriptEntryPlace {
  uuid: string;
  /** Epoch milliseconds; absent when the transcript has no time. */
  at?: number;
  parentToolUseId?: string;
}

export interface TranscriptQuery {
  workingDirectory: string;
  claudeSessionId: ClaudeSessionId;
  uuids: string[];
}
