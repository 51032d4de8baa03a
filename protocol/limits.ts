/** Wire limits, in bytes of UTF-8 unless a name says otherwise. Larger input is refused, larger output is cut. */
const KIB = 1024;
const MIB = 1024 * KIB;

/** A larger client frame closes the connection with 1009. */
export const MAX_CLIENT_FRAME_BYTES = 12 * MIB;
/**
 * Characters of a client frame outside its strings. Long frames consist of strings; this many brackets and commas take
 * 17 ms to parse, and 10 MiB of them block the event loop for 1.8 s.
 */
export const MAX_CLIENT_FRAME_OUTSIDE_STRINGS = 256 * KIB;
/** The text of one prompt. */
export const MAX_PROMPT_BYTES = MIB;
/** A prompt's text up to this size is kept in its row and in memory; a longer one, and every attachment, in a file. */
export const MAX_INLINE_PROMPT_BYTES = 4 * KIB;
/** Items of a list, rules for tools in one, and attachments of one prompt. */
export const MAX_LIST = 1000;
export const MAX_TOOL_RULES = 500;
export const MAX_ATTACHMENTS = 100;
/** Deeper than any legitimate input, and shallow enough for all recursive code. */
export const MAX_JSON_DEPTH = 64;
/** All attachments of one prompt together, decoded. */
export const MAX_ATTACHMENTS_BYTES = 8 * MIB;
/** The id of a request, in characters. */
export const MAX_REQUEST_ID = 128;
/** A larger answer to a request with an `Idempotency-Key` is not kept. */
export const MAX_KEPT_ANSWER_BYTES = 256 * KIB;
/** One body over REST: usually; a prompt's text, or a file, with the escapes of JSON or as base64. */
export const MAX_BODY_BYTES = { usual: MIB, ofPrompt: 8 * MIB, ofFile: 12 * MIB } as const;
/** One whose sender may have no credential. */
export const MAX_STRANGERS_BODY_BYTES = 16 * KIB;
/** What another program sends to a hook. */
export const MAX_HOOK_BODY_BYTES = 256 * KIB;
/** A file read over REST. */
export const MAX_FILE_READ_BYTES = 10 * MIB;
/** Content written to a file over REST, decoded. */
export const MAX_FILE_WRITE_BYTES = 8 * MIB;
/** A file sent as bytes. */
export const MAX_UPLOAD_BYTES = 256 * MIB;
/** Maximum entries in a list of files, and entries scanned for it. */
export const MAX_LISTED_FILES = 10_000;
export const MAX_LOOKED_AT_FILES = 50_000;
/** Any other string of a client frame. */
export const MAX_FIELD_BYTES = 64 * KIB;
/** Maximum size of an event frame; longer strings keep their head and tail. */
export const MAX_EVENT_FRAME_BYTES = 256 * KIB;
/** The JSON of an event's data; the rest of the frame is its envelope. */
export const MAX_EVENT_DATA_BYTES = MAX_EVENT_FRAME_BYTES - KIB;
/** A message of Claude up to this size stays whole in the journal: a device can need the end of a text it has begun. */
export const MAX_KEPT_MESSAGE_BYTES = MIB;
/** `streamComplete.finalResult` keeps this many bytes from its end. */
export const MAX_FINAL_RESULT_BYTES = 8 * KIB;
/** REST bodies in transit, of one person and in all; a single body can be larger. */
export const MAX_BODIES_BYTES = { ofPerson: 32 * MIB, inAll: 96 * MIB } as const;
/** Questions without a directory that run or wait, of one person and in all: each holds its prompt in memory. */
export const MAX_QUESTIONS = { ofPerson: 20, inAll: 100 } as const;
export const MAX_QUESTION_BYTES = { ofPerson: 4 * MIB, inAll: 16 * MIB } as const;
/** One page of `getMessageHistory`. */
export const MAX_HISTORY_PAGE_BYTES = 256 * KIB;

export const PROTOCOL_VERSION = 1;
export const HEARTBEAT_MS = 25_000;
/** An event stream has a comment at least this often. */
export const EVENT_STREAM_HEARTBEAT_MS = 15_000;
export const PONG_TIMEOUT_MS = 10_000;
/** A connection that accepts none of its buffered data for this long is closed with 4413. */
export const STALL_TIMEOUT_MS = 30_000;
