/** The keys of the Redis sink: those of Redis' own connector. */
import { boolean, choice, int, long, password, string, type ValuesOf } from '../../connector.ts'
import { templateProblem } from '../template/template.ts'

export const commands = ['XADD', 'HSET', 'SET', 'JSONSET', 'JSONMERGE', 'SADD', 'ZADD', 'LPUSH', 'RPUSH', 'TSADD', 'DEL'] as const

export const keys = {
  'redis.uri': string({
    default: '',
    check: uriProblem,
    doc: 'The server: `redis://host:6379/0`, with TLS `rediss://…`. Default: by `redis.host` and `redis.port`.',
  }),
  'redis.host': string({ default: 'localhost', importance: 'high', doc: 'Host of the server.' }),
  'redis.port': int({ default: 6_379, min: 1, max: 65_535, importance: 'high', doc: 'Port of the server.' }),
  'redis.username': string({ default: '', doc: 'User name.' }),
  'redis.password': password({ doc: 'Password.' }),
  'redis.tls': boolean({ default: false, doc: 'Whether the connection uses TLS.' }),
  'redis.insecure': boolean({ default: false, doc: "Whether the server's certificate is not checked." }),
  'redis.cacert': string({ default: '', doc: 'PEM file of the authorities that are trusted.' }),
  'redis.timeout': long({ default: 60, min: 1, max: 86_400, doc: 'How many seconds a command may take.' }),
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

function uriProblem(text: string): string | null {
  if (text === '') return null
  if (!/^rediss?:\/\//.test(text) || !URL.canParse(text)) return 'must be a URL that begins with redis:// or rediss://'
  // A URL is shown to everybody.
  return new URL(text).password === '' ? null : 'must not have a password: set redis.password, which is never shown'
}
