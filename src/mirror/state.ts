/**
 * The state of copies: a compacted topic of the target with one record for each chunk, which is what one round sends to one partition.
 *
 * A chunk is written before its records are sent, so it is an intent. It is settled by a later round of the same session, which begins only when all of a round
 * is acknowledged; by the record with which a session ends; or by another record with the same key, which tells what has become of it.
 */
import { type Int64, parseLossless, type System, stringifyLossless, toInt64 } from '../base.ts'
import { type BatchWriter, type Client, ClientError } from '../client.ts'
import { buildBatch, header, type NewRecord } from '../protocol.ts'
import type { Run } from './batches.ts'
import { MirrorError, stateTopic } from './types.ts'

const partition = 0
const batchBytes = 400_000
/** Of all batches of one chunk; what is beyond is told as one run with holes. */
const mostRuns = 1_000

/** The records of one batch that is sent. */
export interface SentBatch {
  count: number
  /** The source offset behind it. */
  next: bigint
  runs: Run[]
}

export interface Chunk {
  topic: string
  partition: number
  /** Ids of the topic in source and target; '' where there are none. A topic that was made again has another one. */
  ids: readonly [source: string, target: string]
  /** Source offsets. */
  from: bigint
  next: bigint
  /** Where its first record goes in the target, if nobody else writes there. */
  at: bigint
  batches: SentBatch[]
  producerId: Int64
  epoch: number
  sequence: number
  round: number
  /** Nothing of it is on its way. */
  isSettled: boolean
}

export interface Loaded {
  /** The last chunk of each partition, also of topics that were made again since. */
  readonly last: readonly Chunk[]
  /** Nobody knows what has arrived of it. Only for those in `last`. */
  isUncertain(chunk: Chunk): boolean
}

export function placeOf({ topic, partition: number }: { topic: string; partition: number }): string {
  return `${topic} ${number}`
}

export function countOf({ batches }: Chunk): number {
  return batches.reduce((sum, each) => sum + each.count, 0)
}

/** What has arrived is the first `count` records. */
export function cutTo(chunk: Chunk, count: number): Chunk {
  const batches: SentBatch[] = []
  let left = count
  for (const batch of chunk.batches) {
    if (left < batch.count) break
    left -= batch.count
    batches.push(batch)
  }
  return {
    ...chunk,
    batches,
    next: batches.length === chunk.batches.length ? chunk.next : (batches.at(-1)?.next ?? chunk.from),
    isSettled: true,
  }
}

export async function ensureStateTopic(target: Client): Promise<void> {
  const configs = new Map([['cleanup.policy', 'compact']])
  try {
    await target.createTopic({ name: stateTopic, partitions: 1, configs })
    return
  } catch (error) {
    if (!(error instanceof ClientError) || error.code !== 'TOPIC_ALREADY_EXISTS') throw error
  }
  const [info] = await target.topics([stateTopic])
  const policy = (await target.configs({ type: 'TOPIC', name: stateTopic })).find(each => each.name === 'cleanup.policy')?.value
  if (info!.partitions.length !== 1 || policy !== 'compact')
    throw new MirrorError(`${stateTopic} in the target must have 1 partition and cleanup.policy=compact: it holds the state of copies`)
}

/** Of one source. */
export class State {
  readonly #writer: BatchWriter
  readonly #system: System
  readonly #source: string
  #sequence = 0

  constructor(writer: BatchWriter, system: System, source: string) {
    this.#writer = writer
    this.#system = system
    this.#source = source
  }

  /** Before anything is read: from now on no other session can write an intent. */
  begin(): Promise<void> {
    return this.#write([this.#session(false)])
  }

  writeChunks(chunks: readonly Chunk[]): Promise<void> {
    return this.#write(chunks.map(chunk => ({ key: this.#json(keyOf(chunk)), value: Buffer.from(stringifyLossless(contentOf(chunk))) })))
  }

  /** All chunks are settled. */
  end(): Promise<void> {
    return this.#write([this.#session(true)])
  }

  #session(isClean: boolean): NewRecord {
    return { key: this.#json({ epoch: this.#writer.producerEpoch }), value: Buffer.from(stringifyLossless({ clean: isClean })) }
  }

  #json(key: object): Buffer {
    return Buffer.from(stringifyLossless({ v: 1, source: this.#source, ...key }))
  }

  async #write(records: readonly NewRecord[]): Promise<void> {
    const batches: Buffer[] = []
    let some: NewRecord[] = []
    let bytes = 0
    const flush = () => {
      if (some.length === 0) return
      const { producerId, producerEpoch } = this.#writer
      const timestamp = this.#system.clock.now()
      batches.push(buildBatch({ records: some, timestamp, producerId, producerEpoch, baseSequence: this.#sequence }))
      this.#sequence = header.incrementSequence(this.#sequence, some.length)
      some = []
      bytes = 0
    }
    for (const record of records) {
      const size = record.key!.length + record.value!.length
      if (bytes + size > batchBytes) flush()
      some.push(record)
      bytes += size
    }
    flush()
    const [outcome] = await this.#writer.append([{ topic: stateTopic, partition, batches }])
    if (outcome!.error !== null) throw outcome!.error
  }
}

/** Reads the state of one source once. */
export async function loadState(target: Client, source: string): Promise<Loaded> {
  const last = new Map<string, Chunk>()
  const lastRounds = new Map<number, number>()
  const clean = new Set<number>()
  for await (const read of readState(target, source)) {
    if ('isClean' in read) {
      if (read.isClean) clean.add(read.epoch)
      else clean.delete(read.epoch)
      continue
    }
    lastRounds.set(read.epoch, Math.max(lastRounds.get(read.epoch) ?? -1, read.round))
    last.set(JSON.stringify([placeOf(read), read.ids]), read)
  }
  return {
    last: [...last.values()],
    isUncertain: ({ isSettled, epoch, round }) => !isSettled && !clean.has(epoch) && round === lastRounds.get(epoch),
  }
}

interface Session {
  epoch: number
  isClean: boolean
}

/** In the order in which they were written; none if there is no such topic. */
export async function* readState(target: Client, source: string): AsyncGenerator<Chunk | Session, void> {
  let until: Map<number, bigint>
  try {
    until = await target.offsets(stateTopic, [partition], 'latest')
  } catch (error) {
    if (error instanceof ClientError && error.code === 'UNKNOWN_TOPIC_OR_PARTITION') return
    throw error
  }
  const from = await target.offsets(stateTopic, [partition], 'earliest')
  for await (const records of target.read({ topic: stateTopic, from, until })) {
    for (const { key, value, offset } of records) {
      if (key === null || value === null) continue
      const read = parsed(key, value, offset)
      if (read.source === source) yield read.content
    }
  }
}

function parsed(key: Buffer, value: Buffer, offset: bigint): { source: string; content: Chunk | Session } {
  try {
    // biome-ignore lint/suspicious/noExplicitAny: JSON
    const [{ v, source, ...place }, rest] = [key, value].map(each => parseLossless(String(each))) as [any, any]
    if (v !== 1) throw new Error(`version ${v} is not known`)
    if (place.epoch !== undefined) return { source, content: { epoch: place.epoch, isClean: rest.clean } }
    return { source, content: chunkOf(place, rest) }
  } catch (error) {
    throw new MirrorError(`the record of ${stateTopic} in the target at offset ${offset} cannot be read: ${(error as Error).message}`)
  }
}

function keyOf({ topic, partition: number, from }: Chunk): object {
  return { topic, partition: number, from: toInt64(from) }
}

function contentOf({ ids, next, at, batches, producerId, epoch, sequence, round, isSettled }: Chunk): object {
  const runs = batches.reduce((sum, each) => sum + each.runs.length, 0)
  return {
    ids,
    next: toInt64(next),
    at: toInt64(at),
    batches: batches.map(batch => [batch.count, toInt64(batch.next), ...(runs <= mostRuns ? batch.runs : holed(batch)).map(toPair)]),
    producerId,
    epoch,
    sequence,
    round,
    ...(isSettled ? { settled: true } : {}),
  }
}

/** Only where the batch begins: it has more records than source offsets that are told. */
function holed({ runs }: SentBatch): Run[] {
  return runs.length <= 1 ? runs : [{ start: runs[0]!.start, count: runs[0]!.count }]
}

function toPair({ start, count }: Run): [Int64, number] {
  return [toInt64(start), count]
}

// biome-ignore lint/suspicious/noExplicitAny: JSON
function chunkOf({ topic, partition: number, from }: any, value: any): Chunk {
  const { ids, next, at, batches, producerId, epoch, sequence, round, settled } = value
  return {
    ...{ topic, partition: number, ids, from: BigInt(from), next: BigInt(next), at: BigInt(at) },
    batches: batches.map(([count, end, ...runs]: [number, Int64, ...[Int64, number][]]) => ({
      ...{ count, next: BigInt(end) },
      runs: runs.map(([start, length]) => ({ start: BigInt(start), count: length })),
    })),
    ...{ producerId, epoch, sequence, round, isSettled: settled === true },
  }
}
