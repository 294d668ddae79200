/**
 * Fetched batches whose records are made when they are asked for, one by one: however much was fetched, only those are objects that somebody works on. Objects that
 * wait grow old in the heap, where collecting them costs more than all work on them.
 */
import { ClientError } from '../channel.ts'
import { type BatchView, eachRecordOf, KafkaError } from '../protocol.ts'
import { maker, maxUnpackedBytes } from './read.ts'
import type { ReceivedRecord, UnopenedRecords } from './types.ts'

/** Intact batches of one partition, in their order. */
export interface Part {
  readonly topic: string
  readonly partition: number
  /** Records before it were not asked for. */
  readonly from: bigint
  readonly batches: readonly BatchView[]
}

export class UnopenedBatches implements UnopenedRecords {
  readonly #parts: readonly Part[]

  constructor(parts: readonly Part[]) {
    this.#parts = parts
  }

  get isEmpty(): boolean {
    return this.#parts.every(({ batches }) => batches.length === 0)
  }

  *[Symbol.iterator](): Generator<ReceivedRecord, void> {
    for (const part of this.#parts)
      for (const batch of part.batches)
        try {
          yield* opened(part, batch)
        } catch (error) {
          throw error instanceof KafkaError ? damaged(part, batch, error) : error
        }
  }
}

function* opened({ topic, partition, from }: Part, batch: BatchView): Generator<ReceivedRecord, void> {
  const made = maker(topic, partition, batch)
  for (const record of eachRecordOf(batch, { maxBytes: maxUnpackedBytes })) {
    const one = made(record)
    if (one.offset >= from) yield one
  }
}

function damaged({ topic, partition }: Part, { header }: BatchView, error: KafkaError): ClientError {
  return new ClientError('CORRUPT_MESSAGE', `${topic}-${partition} cannot be read at offset ${header.baseOffset}: ${error.message}`, error)
}
