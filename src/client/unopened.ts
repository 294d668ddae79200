/**
 * Fetched batches whose records are made when they are asked for, some at a time: as many objects as somebody works on, however much was fetched. Objects that wait
 * grow old in the heap, where collecting them costs more than all work on them.
 */
import { ClientError } from '../channel.ts'
import { type BatchView, forEachRecordOf, KafkaError } from '../protocol.ts'
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

  *chunks(most: number): Generator<ReceivedRecord[], void> {
    let waiting: ReceivedRecord[] = []
    for (const part of this.#parts)
      for (const batch of part.batches) {
        const before = waiting.length
        try {
          open(part, batch, waiting)
        } catch (error) {
          if (!(error instanceof KafkaError)) throw error
          waiting.length = before
          if (before > 0) yield waiting
          throw damaged(part, batch, error)
        }
        let from = 0
        for (; waiting.length - from >= most; from += most) yield waiting.slice(from, from + most)
        if (from > 0) waiting = waiting.slice(from)
      }
    if (waiting.length > 0) yield waiting
  }
}

function open({ topic, partition, from }: Part, batch: BatchView, into: ReceivedRecord[]): void {
  const made = maker(topic, partition, batch)
  forEachRecordOf(
    batch,
    record => {
      const one = made(record)
      if (one.offset >= from) into.push(one)
    },
    { maxBytes: maxUnpackedBytes },
  )
}

function damaged({ topic, partition }: Part, { header }: BatchView, error: KafkaError): ClientError {
  return new ClientError('CORRUPT_MESSAGE', `${topic}-${partition} cannot be read at offset ${header.baseOffset}: ${error.message}`, error)
}
