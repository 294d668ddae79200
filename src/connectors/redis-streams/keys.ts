/** The keys of the source of Redis streams: those of Redis' own connector. */
import { choice, int, intMs, list, string, type ValuesOf } from '../../connector.ts'
import { connectionKeys } from '../redis/connection.ts'
import { idOf } from './entries.ts'

export const keys = {
  ...connectionKeys,
  'redis.stream.name': list({
    required: true,
    importance: 'high',
    doc: 'The streams that are read. With several tasks each reads some of them.',
  }),
  topic: string({
    default: '${stream}',
    importance: 'high',
    check: text => (text === '' ? 'must not be empty' : null),
    doc: 'The topic of the records; `${stream}` stands for the name of the stream.',
  }),
  'redis.stream.offset': string({
    default: '0-0',
    check: text => (text === '$' || idOf(text) !== null ? null : 'must be the id of an entry, such as 1796000000123-0, or $'),
    allowed: 'the id of an entry, or $',
    doc: 'Where reading begins if there is neither an offset nor a consumer group: behind this id; `$`: with new entries.',
  }),
  'redis.stream.consumer.group': string({
    default: 'kafka-consumer-group',
    doc: 'A consumer group that is told how far the connector is, so that Redis shows its lag. A connector without offsets begins behind what this group has acknowledged. Empty: none.',
  }),
  'redis.stream.consumer.name': string({
    default: 'consumer-${task}',
    importance: 'low',
    accepted: 'entries are read without a consumer',
    doc: 'Accepted; changes nothing: entries are read without a consumer.',
  }),
  'redis.stream.delivery': choice(['at-least-once', 'at-most-once'], {
    default: 'at-least-once',
    ignoreCase: true,
    importance: 'low',
    accepted: 'offsets are in Kafka',
    doc: 'Accepted; changes nothing: offsets are in Kafka, and with transactions each entry is there once.',
  }),
  'redis.stream.value.format': choice(['string', 'bytes'], {
    default: 'string',
    doc: 'Whether the values of fields are text in UTF-8 or bytes.',
  }),
  'redis.stream.block': intMs({ default: 100, min: 1, max: 1_000, doc: 'How long one request waits for new entries.' }),
  'batch.size': int({ default: 500, min: 1, max: 100_000, doc: 'How many entries are read at once.' }),
  'task.streams': list({ default: '', importance: 'low', doc: 'Set by the connector for each task.' }),
} as const

export type Config = ValuesOf<typeof keys>
