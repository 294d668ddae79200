/**
 * Reads partitions of the source from where the worker has stored that they are, in turn, so that none of them starves.
 *
 * What may pass in one partition, such as a leader that moves, does not keep the others from being read. What stays fails the task.
 */
import { pause } from '../../base.ts'
import { type BatchReader, type Client, type ClientError, mayPass, type PolledBatches, type StoredBatch } from '../../client.ts'
import { type Header, type SourceContext, type SourceRecord, type Struct, struct } from '../../connector.ts'
import { forEachRecordOf } from '../../protocol.ts'
import { forWorker } from './clusters.ts'
import { nameOf, type Place } from './formats.ts'
import type { SourceConfig } from './keys.ts'

/** Of one poll, before they are opened. */
const pollBytes = 2 ** 21
const mostPartitions = 500
/** Of one batch when it is opened. */
const mostBatchBytes = 2 ** 28
const pauseMs = 500

/** As the source has it. */
export interface ReadRecord extends SourceRecord {
  readonly partition: number
  readonly from: Place
  readonly upstream: bigint
}

interface Reader {
  readonly place: Place
  /** The next offset; null: it begins where a partition begins that was never copied. */
  position: bigint | null
  /** Of the topic that `position` is in, which has another one when it was made again; null: not known. */
  topicId: string | null
  readonly remote: string
  readonly sourcePartition: Struct
  /** Since it was told that it cannot be read. */
  isTold: boolean
}

const bytes = { type: 'bytes', optional: true } as const
/** Of what is stored, beside `offset`: MirrorMaker stores and reads that alone. */
const topicIdField = 'topic.id'

export class Reading {
  readonly #client: Client
  readonly #reader: BatchReader
  readonly #config: SourceConfig
  readonly #context: SourceContext
  /** Those that gave something last are behind. */
  #turns: Reader[]

  static async open(
    client: Client,
    places: readonly Place[],
    remote: (topic: string) => string,
    config: SourceConfig,
    context: SourceContext,
  ): Promise<Reading> {
    const cluster = config['source.cluster.alias']
    const partitions = places.map(({ topic, partition }) =>
      struct([
        ['cluster', cluster],
        ['partition', partition],
        ['topic', topic],
      ]),
    )
    const stored = partitions.length === 0 ? [] : await context.storedOffsets(partitions)
    const readers = places.map((place, index): Reader => {
      const offset = stored[index]?.['offset']
      // What is stored is the last record that was copied, as in MirrorMaker.
      const position = offset === undefined || offset === null ? null : BigInt(offset as number | bigint) + 1n
      const topicId = (stored[index]?.[topicIdField] as string | undefined) ?? null
      return { place, position, topicId, remote: remote(place.topic), sourcePartition: partitions[index]!, isTold: false }
    })
    return new Reading(client, readers, config, context)
  }

  private constructor(client: Client, readers: Reader[], config: SourceConfig, context: SourceContext) {
    this.#client = client
    this.#reader = client.openBatchReader()
    this.#turns = readers
    this.#config = config
    this.#context = context
  }

  async poll(): Promise<ReadRecord[]> {
    const { system, signal } = this.#context
    const maxWaitMs = this.#config['consumer.poll.timeout.ms']
    if (this.#turns.length === 0) {
      await pause(system, maxWaitMs, signal)
      return []
    }
    const round = this.#turns.slice(0, mostPartitions)
    try {
      await this.#begin(round)
      const begun = round.filter(each => each.position !== null)
      const positions = begun.map(({ place, position }) => ({ ...place, offset: position! }))
      const committedOnly = this.#config['consumer.isolation.level'] === 'read_committed'
      const polled = await this.#reader.poll({ positions, maxWaitMs, maxBytes: pollBytes, committedOnly })
      return await this.#taken(round, polled)
    } catch (error) {
      throw forWorker(error)
    }
  }

  close(): Promise<void> {
    return this.#reader.close()
  }

  async #begin(round: readonly Reader[]): Promise<void> {
    const fresh = round.filter(each => each.position === null)
    if (fresh.length === 0) return
    const places = fresh.map(each => each.place)
    const starts = await this.#client.manyOffsets(places, this.#config['consumer.auto.offset.reset'])
    // One that has no leader now is asked for again.
    for (const each of fresh) each.position = starts.get(each.place.topic)?.get(each.place.partition) ?? null
    const begun = fresh.filter(each => each.position !== null)
    // As if what is before had been copied.
    if (this.#config['consumer.auto.offset.reset'] !== 'earliest')
      await this.#context.storeOffsets(
        begun.map(({ sourcePartition, position }) => ({ sourcePartition, sourceOffset: struct([['offset', position! - 1n]]) })),
      )
  }

  async #taken(round: readonly Reader[], { partitions, outOfRange, failed }: PolledBatches): Promise<ReadRecord[]> {
    const byName = new Map(round.map(each => [nameOf(each.place), each]))
    const records: ReadRecord[] = []
    const gave = new Set<Reader>()
    for (const { topic, topicId, partition, batches, next } of partitions) {
      const reader = byName.get(nameOf({ topic, partition }))!
      reader.isTold = false
      if (reader.topicId !== null && reader.topicId !== topicId && topicId !== '') {
        await this.#beginAgain(reader)
        continue
      }
      reader.topicId = topicId === '' ? null : topicId
      // One for all of them: the worker stores the last one only.
      const sourceOffset = struct()
      const before = records.length
      for (const batch of batches) read(batch, reader, sourceOffset, records)
      reader.position = next
      if (records.length === before) continue
      sourceOffset['offset'] = records.at(-1)!.upstream
      if (reader.topicId !== null) sourceOffset[topicIdField] = reader.topicId
      gave.add(reader)
    }
    for (const place of outOfRange) await this.#jump(byName.get(nameOf(place))!)
    for (const { error, ...place } of failed) this.#failed(byName.get(nameOf(place))!, error)
    const rest = this.#turns.slice(round.length)
    const idle = round.filter(each => !gave.has(each))
    this.#turns = [...rest, ...idle, ...gave]
    if (records.length === 0 && (failed.length > 0 || partitions.length === 0))
      await pause(this.#context.system, pauseMs, this.#context.signal)
    return records
  }

  /** Retention was faster; or the topic was made again, or its end was lost. */
  async #jump(reader: Reader): Promise<void> {
    const { position } = reader
    const start = await this.#toStart(reader)
    const why =
      start > position!
        ? 'records were deleted in the source before they were copied'
        : 'the source ends before what was copied: it is copied from its beginning'
    this.#context.log.warn({ ...reader.place, from: String(position), to: String(start) }, why)
    this.#context.count('positions_out_of_range')
  }

  /** The position is one in the topic that was there before. */
  async #beginAgain(reader: Reader): Promise<void> {
    const { position } = reader
    const start = await this.#toStart(reader)
    this.#context.log.warn(
      { ...reader.place, from: String(position), to: String(start) },
      'a topic was made again in the source: it is copied from its beginning',
    )
  }

  async #toStart(reader: Reader): Promise<bigint> {
    const { topic, partition } = reader.place
    const start = (await this.#client.offsets(topic, [partition], 'earliest')).get(partition)!
    reader.position = start
    reader.topicId = null
    return start
  }

  /** Others go on meanwhile. */
  #failed(reader: Reader, error: ClientError): void {
    // A topic that is gone: the next look at the source's topics takes it out.
    const isGone = error.code === 'UNKNOWN_TOPIC_OR_PARTITION' || error.code === 'UNKNOWN_TOPIC_ID'
    if (!isGone && !mayPass(error)) throw error
    if (reader.isTold) return
    reader.isTold = true
    this.#context.log.warn({ ...reader.place, err: error }, 'a partition of the source cannot be read now')
  }
}

const noHeaders: readonly Header[] = []

function read(batch: StoredBatch, { place, remote, sourcePartition, position }: Reader, sourceOffset: Struct, into: ReadRecord[]): void {
  forEachRecordOf(
    batch,
    ({ offset, timestamp, key, value, headers }) => {
      const upstream = BigInt(offset)
      if (upstream < position!) return
      const timestampMs = BigInt(timestamp)
      into.push({
        ...{ topic: remote, partition: place.partition, keySchema: bytes, key, valueSchema: bytes, value },
        timestampMs: timestampMs < 0n ? null : timestampMs,
        headers:
          headers.length === 0 ? noHeaders : headers.map(each => ({ name: each.key.toString('utf8'), schema: bytes, value: each.value })),
        ...{ sourcePartition, sourceOffset, from: place, upstream },
      })
    },
    { maxBytes: mostBatchBytes },
  )
}
