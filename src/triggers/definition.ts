/**
 * What a trigger is: from which topics a function is called, with what, how often it is tried, and where its results go. The schema is the form of the API,
 * and of what is stored.
 */
import { type Static, Type } from 'typebox'
import { mostResultBytes } from './runner/process.ts'

// `description`, where there is a pattern: what it allows, for the error.
const TopicName = Type.String({
  ...{ minLength: 1, maxLength: 249, pattern: '^[a-zA-Z0-9._-]+$' },
  description: 'the name of a topic: letters, digits, ".", "_" and "-"',
})
/** check.ts says what else it must be. */
const Url = Type.String({ pattern: '^https?://\\S+$', maxLength: 2_000, description: 'a URL with http:// or https://, without spaces' })
export const TriggerName = Type.String({ minLength: 1, maxLength: 100, pattern: '^[a-zA-Z0-9][a-zA-Z0-9._-]*$' })
const exactly = { additionalProperties: false }
const mostCode = 524_288

const FunctionFile = Type.Object(
  {
    code: Type.String({ minLength: 1, maxLength: mostCode, description: 'The text of the file; it must be complete in itself' }),
    language: Type.Union([Type.Literal('javascript'), Type.Literal('typescript')], { default: 'javascript' }),
    handler: Type.String({
      ...{ default: 'main_handler', pattern: '^[A-Za-z_$][\\w$]*(?:\\.[A-Za-z_$][\\w$]*)*$', maxLength: 200 },
      description: 'the name of an exported function, such as main_handler or handlers.clean',
    }),
    timeoutMs: Type.Integer({ minimum: 10, maximum: 900_000, default: 60_000 }),
    memoryMb: Type.Integer({
      minimum: 64,
      maximum: 3_072,
      default: 128,
      description: 'Of the heap; the process as a whole may take 96 MB more',
    }),
    network: Type.Boolean({ default: true, description: 'Whether it may use the network' }),
    environment: Type.Record(Type.String(), Type.String({ maxLength: 4_096 }), { default: {} }),
  },
  exactly,
)

const FunctionUrl = Type.Object(
  {
    url: Url,
    headers: Type.Record(Type.String(), Type.String({ maxLength: 4_096 }), { default: {} }),
    /** No longer than Node's fetch waits for an answer. */
    timeoutMs: Type.Integer({ minimum: 10, maximum: 300_000, default: 60_000 }),
  },
  exactly,
)

const Target = Type.Union([Type.Object({ topic: TopicName }, exactly), Type.Object({ url: Url }, exactly)])

export const Filter = Type.Union(
  [
    Type.Null(),
    Type.Object({ Filters: Type.Array(Type.Object({ Pattern: Type.String() }, exactly)) }, exactly),
    Type.Object({ cel: Type.String({ minLength: 1 }) }, exactly),
  ],
  { default: null },
)

export const Definition = Type.Object(
  {
    description: Type.String({ maxLength: 1_000, default: '' }),
    topics: Type.Optional(Type.Array(TopicName, { minItems: 1, maxItems: 100 })),
    topicPattern: Type.Optional(Type.String({ minLength: 1, maxLength: 500 })),
    /** null: `trigger-NAME`. */
    group: Type.Union([Type.Null(), Type.String({ minLength: 1, maxLength: 200 })], { default: null }),
    enabled: Type.Boolean({ default: true }),
    /** As whom it reads and writes. null: the services' own user. */
    principal: Type.Union([Type.Null(), Type.String({ maxLength: 300 })], { default: null }),
    function: Type.Union([FunctionFile, FunctionUrl]),
    envelope: Type.Union([Type.Literal('scf'), Type.Literal('aws'), Type.Literal('cloudevents'), Type.Literal('alibaba')], {
      default: 'scf',
    }),
    /** In the envelope `scf`, also what SCF leaves out: headers, the timestamp, and bytes in base64. */
    extended: Type.Boolean({ default: false }),
    /** `latest`, `oldest`, or a time. */
    start: Type.String({
      ...{ pattern: '^(?:latest|oldest|\\d{4}-\\d\\d-\\d\\dT[\\d:.]+(?:Z|[+-]\\d\\d:\\d\\d))$', default: 'latest' },
      description: 'latest, oldest, or a time with its zone, such as 2026-01-31T12:00:00Z',
    }),
    batchSize: Type.Integer({ minimum: 1, maximum: 10_000, default: 100 }),
    maxWaitMs: Type.Integer({ minimum: 0, maximum: 300_000, default: 500, description: 'How long a call waits for a full batch' }),
    maxEventBytes: Type.Integer({ minimum: 1_024, maximum: mostResultBytes, default: mostResultBytes }),
    /** null: 10,000, or 10 with a target for failures. */
    retries: Type.Union([Type.Null(), Type.Integer({ minimum: -1, maximum: 10_000 })], { default: null }),
    /** null: records do not become too old. */
    maxAgeMs: Type.Union([Type.Null(), Type.Integer({ minimum: 1_000, maximum: 604_800_000 })], { default: null }),
    bisect: Type.Boolean({ default: false }),
    /** Calls at the same time: of different partitions, or of different keys. */
    concurrency: Type.Object(
      {
        per: Type.Union([Type.Literal('partition'), Type.Literal('key')], { default: 'partition' }),
        most: Type.Integer({ minimum: 1, maximum: 64, default: 2 }),
      },
      { ...exactly, default: {} },
    ),
    filter: Filter,
    onFailure: Type.Union([Type.Null(), Target], { default: null }),
    output: Type.Union(
      [
        Type.Null(),
        Type.Object({ topic: TopicName, exactlyOnce: Type.Boolean({ default: false }) }, exactly),
        Type.Object(
          { connector: Type.String({ minLength: 1 }), config: Type.Record(Type.String(), Type.String(), { default: {} }) },
          exactly,
        ),
      ],
      { default: null },
    ),
  },
  exactly,
)

export type Definition = Static<typeof Definition>
export type CodeFunction = Extract<Definition['function'], { code: string }>

/** How often a batch is tried again; null: for ever. Where failures have a target, nothing is tried for ever, as in Lambda. */
export function retriesOf({ retries, onFailure, maxAgeMs }: Definition): number | null {
  if (retries === null) return onFailure === null ? 10_000 : 10
  if (retries !== -1) return retries
  return onFailure !== null && maxAgeMs === null ? 10 : null
}

export function groupOf(name: string, { group }: Definition): string {
  return group ?? `trigger-${name}`
}
