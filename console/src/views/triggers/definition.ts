/** What a trigger is, as the triggers' own API has it; the form knows these fields and leaves others as they are. undefined: the default. */

export interface CodeFunction {
  code: string
  language?: 'javascript' | 'typescript'
  handler?: string | undefined
  timeoutMs?: number | undefined
  memoryMb?: number | undefined
  environment?: Record<string, string>
}

export interface UrlFunction {
  url: string
  headers?: Record<string, string>
  timeoutMs?: number | undefined
}

export type Filter = { Filters: { Pattern: string }[] } | { cel: string } | null
type Target = { topic: string } | { url: string } | null

export interface Definition {
  [other: string]: unknown
  description?: string
  topics?: string[] | undefined
  topicPattern?: string | undefined
  enabled?: boolean
  function: CodeFunction | UrlFunction
  envelope?: string
  start?: string
  batchSize?: number | undefined
  maxWaitMs?: number | undefined
  retries?: number | null
  maxAgeMs?: number | null
  bisect?: boolean
  concurrency?: { per?: string; most?: number | undefined }
  filter?: Filter
  onFailure?: Target
  output?: { topic: string; exactlyOnce?: boolean } | { connector: string; config?: Record<string, string> } | null
}

export const envelopes = {
  scf: "Tencent's SCF",
  aws: "AWS Lambda's",
  cloudevents: 'CloudEvents 1.0',
  alibaba: "Alibaba's Function Compute",
} as const

/** For who begins. */
export const beginning: Definition = {
  topics: [],
  start: 'latest',
  function: {
    language: 'javascript',
    code: `export async function main_handler(event, context) {
  console.log('called with', event.Records.length, 'records')
  // What is returned goes to the output topic.
  return event.Records.map(({ Ckafka }) => ({
    key: Ckafka.msgKey,
    value: Ckafka.msgBody.toUpperCase(),
  }))
}
`,
  },
}

export function isCode(called: Definition['function']): called is CodeFunction {
  return 'code' in called
}

/** Of which the newest records are tried; undefined: it reads no topic by name. */
export function sampledTopic({ topics }: Definition): string | undefined {
  return topics?.[0]
}

/** As the API answers it. */
export function asDefinition(definition: Record<string, unknown>): Definition {
  return definition as Definition
}
