/** The keys of the Redis sink: those of Redis' own connector. */
import { boolean, choice, int, long, string, type ValuesOf } from '../../connector.ts'
import { templateProblem } from '../template/template.ts'
import { connectionKeys } from './connection.ts'

export const commands = ['XADD', 'HSET', 'SET', 'JSONSET', 'JSONMERGE', 'SADD', 'ZADD', 'LPUSH', 'RPUSH', 'TSADD', 'DEL'] as const

export const keys = {
  ...connectionKeys,
  'redis.command': choice(commands, {
    default: 'XADD',
    ignoreCase: true,
    importance: 'high',
    doc:
      'What is written: an entry of a stream (XADD), a hash (HSET), a string (SET), JSON (JSONSET, JSONMERGE), a member of a set (SADD), of a sorted set (ZADD) or of a ' +
      'list (LPUSH, RPUSH), a sample of a time series (TSADD); or a key is deleted (DEL).',
  }),
  'redis.key': string({
    default: '${topic}',
    check: templateProblem,
    doc:
      'A template. Of a stream, set, list or time series it is the key; of others what stands before `redis.separator` and the key of the record. Nothing: the key of ' +
      'the record alone.',
  }),
  'redis.separator': string({ default: ':', doc: 'Stands between `redis.key` and the key of the record.' }),
  'redis.json.path.fixed': string({ default: '$', doc: 'With JSONMERGE: the path within the document.' }),
  'redis.multiexec': boolean({
    default: true,
    doc: 'Whether a batch is one transaction (MULTI), with the offsets in it: then each record is written once, as long as the server keeps what it acknowledges.',
  }),
  'redis.wait.replicas': int({ default: 0, min: 0, doc: 'How many replicas must have a batch.' }),
  'redis.wait.timeout': long({ default: 1_000, min: 0, unit: 'ms', doc: 'How long to wait for them.' }),
  'batch.size': int({ default: 500, min: 1, max: 100_000, doc: 'How many records are written with one round trip.' }),
} as const

export type Config = ValuesOf<typeof keys>
