/** The keys that every connector has, with Kafka Connect's groups and words; those of a connector itself are in its definition. */
import { boolean, choice, className, type Declarations, int, linearRegExp, list, long, short, string, type ValuesOf } from '../base.ts'
import { principalProblem } from '../sessions.ts'
import { nonEmpty } from './plugin-config.ts'

export const groups = {
  common: 'Common',
  transforms: 'Transforms',
  predicates: 'Predicates',
  errors: 'Error Handling',
  creation: 'Topic Creation',
  exactlyOnce: 'Exactly Once Support',
  offsets: 'offsets.topic',
} as const

const anyCase = (...words: readonly string[]) => ({
  words,
  check: (text: string) =>
    words.some(word => word.toLowerCase() === text.toLowerCase())
      ? null
      : `String must be one of (case insensitive): ${words.join(', ').toUpperCase()}`,
})

const unique = (what: string) => (text: string) => {
  const words = text.split(',')
  return new Set(words).size < words.length ? `Duplicate ${what} provided.` : null
}

/** Written for a path, where some take three each. */
const mostNameCharacters = 1_000

const name = (text: string) => {
  if (text === '') return 'String may not be empty'
  // Nobody could ask for it: a path has at most so many characters.
  if (!text.isWellFormed() || encodeURIComponent(text).length > mostNameCharacters)
    return `String must be valid Unicode and have at most ${mostNameCharacters} characters in a path`
  // Clients take these for steps in a path.
  if (text === '.' || text === '..') return 'String may not be . or ..'
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is refused
  return /[\u0000-\u001f\u007f]/.test(text) ? 'String may not contain control sequences' : null
}

const common = {
  name: string({ default: null, importance: 'high', check: name, doc: 'Globally unique name to use for this connector.' }),
  'connector.class': string({
    default: null,
    importance: 'high',
    doc: 'Name of this connector, such as elasticsearch, or a Java class that it stands for.',
  }),
  'tasks.max': int({ default: 1, min: 1, max: 10_000, importance: 'high', doc: 'Maximum number of tasks to use for this connector.' }),
  'tasks.max.enforce': boolean({
    default: true,
    importance: 'low',
    doc: '(Deprecated) Whether a connector with more tasks than tasks.max fails.',
  }),
  'key.converter': className({
    default: null,
    importance: 'low',
    doc: 'Converter between the format of keys in Kafka and that of Kafka Connect; by default that of the worker.',
  }),
  'value.converter': className({
    default: null,
    importance: 'low',
    doc: 'Converter between the format of values in Kafka and that of Kafka Connect; by default that of the worker.',
  }),
  'header.converter': className({
    default: null,
    importance: 'low',
    doc: 'Converter between the format of headers in Kafka and that of Kafka Connect; by default that of the worker.',
  }),
  principal: string({
    default: null,
    importance: 'low',
    check: principalProblem,
    doc: "Kafka user as whom the clients of the connector's tasks act, as User:name; by default the worker's. The worker's user needs CREATE_TOKENS on it.",
  }),
  'config.action.reload': choice(['none', 'restart'], {
    default: 'restart',
    importance: 'low',
    ignoreCase: true,
    doc: 'What happens when values of configuration providers change.',
  }),
  transforms: list({
    default: '',
    importance: 'low',
    doc: 'Aliases for the transformations to be applied to records.',
  }),
  predicates: list({ default: '', importance: 'low', doc: 'Aliases for the predicates used by transformations.' }),
  'errors.retry.timeout': long({
    default: 0,
    doc: 'The maximum duration in milliseconds that a failed operation will be reattempted. The default is 0, which means no retries will be attempted. Use -1 for infinite retries.',
  }),
  'errors.retry.delay.max.ms': long({
    default: 60_000,
    min: 1,
    doc: 'The maximum duration in milliseconds between consecutive retry attempts.',
  }),
  'errors.tolerance': string({
    default: 'none',
    words: ['none', 'all'],
    check: text => (/^(?:none|all)$/i.test(text) ? null : 'String must be one of: none, all'),
    doc: "Behavior for tolerating errors during connector operation. 'none' is the default value and signals that any error will result in an immediate connector task failure; 'all' changes the behavior to skip over problematic records.",
  }),
  'errors.log.enable': boolean({ default: false, doc: 'If true, write each error and the details of the failed operation to the log.' }),
  'errors.log.include.messages': boolean({
    default: false,
    doc: 'Whether to include in the log where the record is that resulted in a failure: topic, partition, offset and timestamp.',
  }),
} satisfies Declarations

const sink = {
  topics: list({ default: '', importance: 'high', doc: 'List of topics to consume, separated by commas' }),
  'topics.regex': string({
    default: '',
    importance: 'high',
    check: regex,
    doc: 'Regular expression giving topics to consume. Only one of topics or topics.regex should be specified.',
  }),
  'errors.deadletterqueue.topic.name': string({
    default: '',
    doc: 'The name of the topic to be used as the dead letter queue (DLQ) for messages that result in an error when processed by this sink connector, or its transformations or converters. The topic name is blank by default, which means that no messages are to be recorded in the DLQ.',
  }),
  'errors.deadletterqueue.topic.replication.factor': short({
    default: 3,
    doc: "Replication factor used to create the dead letter queue topic when it doesn't already exist.",
  }),
  'errors.deadletterqueue.context.headers.enable': boolean({
    default: false,
    doc: 'If true, add headers containing error context to the messages written to the dead letter queue; their names begin with __connect.errors.',
  }),
} satisfies Declarations

const source = {
  'topic.creation.groups': list({
    default: '',
    importance: 'low',
    check: unique('alias'),
    doc: 'Groups of configurations for topics created by source connectors',
  }),
  'exactly.once.support': string({
    default: 'requested',
    ...anyCase('requested', 'required'),
    doc: 'required: the connector is refused unless it can provide exactly-once semantics with its configuration and the worker supports it.',
  }),
  'transaction.boundary': string({
    default: 'poll',
    ...anyCase('interval', 'poll', 'connector'),
    doc: 'poll: a transaction for each batch of records that a task provides; interval: one for each transaction.boundary.interval.ms; connector: the connector says where they end.',
  }),
  'transaction.boundary.interval.ms': long({
    default: null,
    min: 0,
    importance: 'low',
    doc: 'Interval of transactions if transaction.boundary is interval; by default offset.flush.interval.ms of the worker.',
  }),
  'offsets.storage.topic': string({
    default: null,
    importance: 'low',
    check: nonEmpty,
    doc: "The name of a separate offsets topic to use for this connector. By default the worker's.",
  }),
} satisfies Declarations

function regex(text: string): string | null {
  try {
    linearRegExp(text)
    return null
  } catch (error) {
    return `Invalid regular expression: ${(error as Error).message}`
  }
}

export const commonKeys = { sink: { ...common, ...sink }, source: { ...common, ...source } } as const
export const requiredKeys: readonly string[] = ['name', 'connector.class']

export type SinkValues = ValuesOf<(typeof commonKeys)['sink']>
export type SourceValues = ValuesOf<(typeof commonKeys)['source']>

/** The group of a key that every connector has. */
export function groupOf(key: string): string {
  if (key === 'transforms') return groups.transforms
  if (key === 'predicates') return groups.predicates
  if (key.startsWith('errors.')) return groups.errors
  if (key.startsWith('topic.creation.')) return groups.creation
  if (key.startsWith('exactly.once.') || key.startsWith('transaction.')) return groups.exactlyOnce
  return key === 'offsets.storage.topic' ? groups.offsets : groups.common
}

/** The records of a source go to another Kafka than that of the worker, which keeps the offsets: one transaction cannot have both. */
export function producesElsewhere(config: Readonly<Record<string, string>>): boolean {
  return (config['producer.override.bootstrap.servers'] ?? '') !== ''
}

/** What the keys of a sink alone cannot say, by key. */
export function sinkProblems(config: Readonly<Record<string, string | null | undefined>>): Map<string, string[]> {
  const problems = new Map<string, string[]>()
  const add = (key: string, problem: string) => problems.set(key, [...(problems.get(key) ?? []), problem])
  const [topics, pattern, letters] = ['topics', 'topics.regex', 'errors.deadletterqueue.topic.name'].map(key => (config[key] ?? '').trim())
  if (topics !== '' && pattern !== '')
    for (const key of ['topics', 'topics.regex']) add(key, 'topics and topics.regex are mutually exclusive options, but both are set.')
  if (topics === '' && pattern === '')
    for (const key of ['topics', 'topics.regex']) add(key, 'Must configure one of topics or topics.regex')
  if (letters === '') return problems
  const listed = topics!.split(',').map(each => each.trim())
  if (listed.includes(letters!))
    add(
      'topics',
      `The DLQ topic '${letters}' may not be included in the list of topics ('topics=[${listed.join(', ')}]') consumed by the connector`,
    )
  if (pattern !== '' && regex(pattern!) === null && linearRegExp(`^(?:${pattern})$`).test(letters!))
    add(
      'topics.regex',
      `The DLQ topic '${letters}' may not be matched by the regex for the topics ('topics.regex=${pattern}') consumed by the connector`,
    )
  return problems
}
