/** Keys of Redis' own connectors that are not there, or have another name. */
import type { Refusal } from '../../connector.ts'

export const connectionRefuses: readonly Refusal[] = [
  { key: /^redis\.cluster$/, why: 'a cluster of Redis is not there', unless: ['', 'false'] },
  { key: /^redis\.key\.(?:file|cert|password)$/, why: 'there is no login by a certificate' },
]

export const refuses: readonly Refusal[] = [
  ...connectionRefuses,
  {
    key: /^redis\.type$/,
    why: 'give redis.command: STREAM is XADD, HASH is HSET, STRING is SET, JSON is JSONSET, SET is SADD, ZSET is ZADD, LIST is LPUSH, TIMESERIES is TSADD',
    unless: ['', 'STREAM'],
  },
  { key: /^redis\.keyspace$/, why: 'give it as redis.key', unless: ['${topic}'] },
  { key: /^redis\.key\.ttl$/, why: 'keys do not expire', unless: ['', '-1'] },
  { key: /^redis\.charset$/, why: 'texts are UTF-8', unless: ['', 'UTF-8'] },
]
