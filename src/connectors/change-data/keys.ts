/** Keys that change data capture has for every database, named as Debezium's, so that its configurations work here. */
import { boolean, choice, double, int, intBytes, intMs, list, ms, string, type ValuesOf } from '../../connector.ts'
import { problemBy } from '../entries.ts'
import { accepted } from '../storage/keys.ts'
import { patternsProblem } from './lists.ts'

/** A list of regular expressions. */
export const patterns = (doc: string) => list({ default: '', check: patternsProblem, allowed: 'regular expressions, comma-separated', doc })

export const changeDataKeys = {
  'topic.prefix': string({
    required: true,
    importance: 'high',
    check: name => (/^[\w.-]*$/.test(name) ? null : 'may have letters, digits, dots, hyphens and underscores'),
    doc: 'What all topics begin with. It names this database for good: offsets belong to it.',
  }),
  'table.include.list': patterns('Tables to capture, as `schema.table`. Default: all.'),
  'table.exclude.list': patterns('Tables not to capture.'),
  'column.include.list': patterns('Columns to capture, as `schema.table.column`. Default: all.'),
  'column.exclude.list': patterns('Columns to leave out of values. Keys keep theirs.'),
  'message.key.columns': string({
    default: '',
    check: problemBy(keyColumns),
    doc: 'Other columns than those of the primary key, by table: `schema.table:a,b;schema.other:c`.',
  }),
  'tombstones.on.delete': boolean({
    default: true,
    doc: 'Whether a deletion is followed by a record without value, so that a compacted topic forgets the key.',
  }),
  'skipped.operations': list({
    default: 't',
    oneOf: ['c', 'u', 'd', 't', 'none'],
    doc: 'Operations that give no records: c(reate), u(pdate), d(elete), t(runcate).',
  }),
  'skip.messages.without.change': boolean({
    default: false,
    doc: 'Whether updates that change no captured column give no record. The row before must be known: PostgreSQL’s REPLICA IDENTITY FULL.',
  }),
  'decimal.handling.mode': choice(['precise', 'double', 'string'], {
    default: 'precise',
    doc: 'Decimals are Decimal (`precise`), floating-point numbers or text. NaN and Infinity need `string` or `double`.',
  }),
  'time.precision.mode': choice(['adaptive', 'adaptive_time_microseconds', 'connect', 'isostring', 'microseconds', 'nanoseconds'], {
    default: 'adaptive',
    doc: 'Units of dates and times: as precise as the column, Kafka Connect’s milliseconds, text in ISO 8601, or always the same.',
  }),
  'binary.handling.mode': choice(['bytes', 'base64', 'base64-url-safe', 'hex'], {
    default: 'bytes',
    doc: 'Whether bytes stay bytes or become text.',
  }),
  'provide.transaction.metadata': boolean({
    default: false,
    doc: 'Whether events say their place in their transaction, and its begin and end are in the topic `PREFIX.transaction`.',
  }),
  'heartbeat.interval.ms': intMs({
    default: 0,
    min: 0,
    doc: 'How often a record goes to the heartbeat topic, and with it from where to go on. 0: never.',
  }),
  'heartbeat.action.query': string({
    default: '',
    doc: 'SQL that runs with each heartbeat, such as an update of a table of its own.',
  }),
  'topic.heartbeat.prefix': string({
    default: '__debezium-heartbeat',
    importance: 'low',
    doc: 'The heartbeat topic is this and `topic.prefix`.',
  }),
  'topic.transaction': string({ default: 'transaction', importance: 'low', doc: 'The end of the name of the topic of transactions.' }),
  'signal.data.collection': string({
    default: '',
    doc: 'The table of signals, as `schema.table`, with the columns id, type and data: `execute-snapshot`, `stop-snapshot`, `pause-snapshot`, `resume-snapshot`, `log`.',
  }),
  'incremental.snapshot.chunk.size': int({
    default: 1_024,
    min: 1,
    max: 100_000,
    doc: 'Rows that an incremental snapshot reads at once, at most; fewer if they are large.',
  }),
  'snapshot.fetch.size': int({
    default: 10_240,
    min: 1,
    max: 1_000_000,
    doc: 'Rows that a snapshot reads at once, at most; fewer if they are large.',
  }),
  'snapshot.include.collection.list': patterns(
    'Tables whose rows a snapshot reads; the changes of the others are captured all the same. Default: all.',
  ),
  'snapshot.delay.ms': ms({ default: 0, min: 0, doc: 'How long to wait before a snapshot.' }),
  'max.batch.size': int({ default: 2_048, min: 1, max: 100_000, doc: 'Records that are handed on at once.' }),
  'max.queue.size.in.bytes': intBytes({
    default: 4_194_304,
    min: 0,
    max: 268_435_456,
    doc: 'What is received and waits to be handed on, at most; then the database waits. 0: as by default.',
  }),
  'poll.interval.ms': ms({ default: 500, min: 1, doc: 'How long to wait for changes before the worker may do something else.' }),
  'unavailable.value.placeholder': string({
    default: '__debezium_unavailable_value',
    doc: 'Stands for a large value that did not change, and that the database therefore did not send.',
  }),
  'event.converting.failure.handling.mode': choice(['fail', 'warn', 'skip'], {
    default: 'warn',
    doc: 'When a value of a column cannot be written: the task fails, or the value is left out, with or without a warning.',
  }),
  'errors.max.retries': int({
    default: -1,
    min: -1,
    doc: 'How often a lost connection is made anew before the task fails. -1: as often as it takes.',
  }),
  'retriable.restart.connector.wait.ms': accepted('the worker waits, longer each time'),
  'schema.name.adjustment.mode': choice(['none', 'avro'], {
    default: 'none',
    doc: 'Whether names of schemas are made such as Avro allows: what it does not allow becomes `_`.',
  }),
  'field.name.adjustment.mode': choice(['none', 'avro'], { default: 'none', doc: 'The same for names of fields.' }),
  'max.queue.size': accepted('records are made when they are asked for; max.queue.size.in.bytes counts'),
  'snapshot.max.threads': accepted('a snapshot has one connection'),
  'topic.cache.size': accepted('the names of topics are few'),
  'signal.enabled.channels': choice(['source'], {
    default: 'source',
    importance: 'low',
    doc: 'Signals come by the table `signal.data.collection`.',
  }),
} as const

export const lagKeys = {
  'lag.warn.bytes': double({
    default: 1_073_741_824,
    min: 0,
    unit: 'bytes',
    doc: 'From how much on the log is warned of what the database keeps for this connector. 0: never. Not in Debezium.',
  }),
  'lag.interval.ms': intMs({ default: 30_000, min: 100, doc: 'How often it is measured. Not in Debezium.' }),
} as const

export type ChangeDataConfig = ValuesOf<typeof changeDataKeys>

/** By table, in lower case: the columns of its key. Throws SyntaxError. */
export function keyColumns(text: string): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, readonly string[]>()
  for (const entry of text.split(';').map(each => each.trim())) {
    if (entry === '') continue
    const at = entry.indexOf(':')
    const columns = entry
      .slice(at + 1)
      .split(',')
      .map(each => each.trim())
    if (at <= 0 || columns.includes('')) throw new SyntaxError(`"${entry}" must be table:column,column`)
    found.set(entry.slice(0, at).trim().toLowerCase(), columns)
  }
  return found
}
