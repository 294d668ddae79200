/** Records that can be made again from their place, of all types that are easily got wrong. */
import { Decimal, decimal, logical, type Schema, type SinkRecord, struct } from '../../src/connector.ts'

export const topic = 'website-events'
export const partitions = 3
/** In each partition. */
export const records = Math.ceil(Number(process.env['COMPAT_SINK_RECORDS'] ?? 1_000_000) / partitions)

const optional = (schema: Schema): Schema => ({ ...schema, optional: true })

const schema: Schema = {
  type: 'struct',
  name: 'org.example.Event',
  fields: [
    { name: 'partition', schema: { type: 'int32' } },
    { name: 'n', schema: { type: 'int64' } },
    { name: 'large', schema: { type: 'int64' } },
    { name: 'price', schema: decimal(2) },
    { name: 'day', schema: { type: 'int32', name: logical.date } },
    { name: 'at', schema: { type: 'int64', name: logical.timestamp } },
    { name: 'text', schema: { type: 'string' } },
    { name: 'raw', schema: { type: 'bytes' } },
    { name: 'nothing', schema: optional({ type: 'string' }) },
    { name: 'inner', schema: { type: 'struct', fields: [{ name: 'list', schema: { type: 'array', items: { type: 'int32' } } }] } },
    { name: 'kind', schema: { type: 'string' } },
  ],
}

/** 2^53 + 1: no float holds it. */
export const large = 9007199254740993n

export function recordAt(partition: number, offset: number): SinkRecord {
  const at = { topic, partition, offset: BigInt(offset) }
  return {
    ...at,
    keySchema: { type: 'string' },
    key: `${partition}-${offset}`,
    valueSchema: schema,
    value: struct([
      ['partition', partition],
      ['n', BigInt(offset)],
      ['large', large + BigInt(offset) * 2n],
      ['price', new Decimal(-12_345n - BigInt(offset), 2)],
      ['day', 20_000 + (offset % 1_000)],
      ['at', 1_764_475_200_000n + BigInt(offset)],
      ['text', `Grüße 世界 🎈 "${offset}"`],
      ['raw', Buffer.from([0, 255, offset & 255])],
      ['nothing', null],
      ['inner', struct([['list', [offset & 7, -1]]])],
      ['kind', ['view', 'click', 'buy'][offset % 3]!],
    ]),
    timestampMs: 1_764_475_200_000n + BigInt(offset),
    timestampType: 'CREATE_TIME',
    headers: [],
    original: at,
  }
}

/** Which records were seen how often. */
export class Seen {
  #strange = 0

  readonly #times = Array.from({ length: partitions }, () => new Uint8Array(records))

  add(partition: number, n: number): void {
    const times = this.#times[partition]
    if (times === undefined || !(n < times.length)) this.#strange++
    else times[n] = Math.min(times[n]! + 1, 255)
  }

  /** Throws unless each was seen once. */
  requireOnce(): void {
    this.#require(1)
  }

  /** For targets that promise no more than that. */
  requireNoneLost(): void {
    this.#require(Number.POSITIVE_INFINITY)
  }

  #require(most: number): void {
    let lost = 0
    let more = 0
    const where: string[] = []
    for (const [partition, times] of this.#times.entries())
      for (const [n, each] of times.entries()) {
        if (each === 0) lost++
        else if (each > most) more++
        // Where it begins and ends is what explains it.
        if (where.length < 10 && (each === 1) !== ((times[n - 1] ?? 1) === 1)) where.push(`${partition}/${n} ${each}x`)
      }
    if (lost + more + this.#strange > 0)
      throw new Error(`${lost} lost, ${more} more than once, ${this.#strange} that nobody wrote; from ${where.join(', ')}`)
  }
}
