/**
 * Where a record of a dead-letter topic came from, by its headers: those of Kafka Connect, of Kafka Streams, of share groups (KIP-1191), of Spring, and of triggers.
 * What is sent back has no such headers, because whoever fails again adds new ones.
 */
import type { ReceivedRecord, RecordHeader } from '../../client.ts'

export interface Source {
  readonly topic: string
  /** null: nothing says. */
  readonly partition: number | null
}

/** Texts, or, as Spring writes numbers, four bytes. */
const families = [
  { prefix: '__connect.errors.', topic: 'topic', partition: 'partition' },
  { prefix: '__streams.errors.', topic: 'topic', partition: 'partition' },
  { prefix: '__dlq.errors.', topic: 'topic', partition: 'partition' },
  { prefix: 'kafka_dlt-', topic: 'original-topic', partition: 'original-partition' },
  { prefix: 'millrace.trigger.', topic: 'topic', partition: 'partition' },
] as const

/** null: no header says it. */
export function sourceOf({ headers }: Pick<ReceivedRecord, 'headers'>): Source | null {
  for (const { prefix, topic, partition } of families) {
    const name = headerNamed(headers, prefix + topic)?.toString('utf8')
    if (name !== undefined && name !== '') return { topic: name, partition: numberIn(headerNamed(headers, prefix + partition)) }
  }
  return null
}

export function withoutErrors(headers: readonly RecordHeader[]): RecordHeader[] {
  return headers.filter(({ key }) => !families.some(({ prefix }) => key.toString('utf8').startsWith(prefix)))
}

/** Of several, the first: those after it are of dead-letter topics on the way. */
function headerNamed(headers: readonly RecordHeader[], name: string): Buffer | null {
  return headers.find(({ key }) => key.toString('utf8') === name)?.value ?? null
}

function numberIn(value: Buffer | null): number | null {
  if (value === null) return null
  const text = value.toString('latin1')
  if (/^\d{1,9}$/.test(text) && value.length !== 4) return Number(text)
  if (value.length === 4) return /^\d{4}$/.test(text) ? Number(text) : value.readInt32BE()
  return null
}
