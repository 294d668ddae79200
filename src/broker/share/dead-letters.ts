/**
 * The dead-letter queues of share groups (KIP-1191): records that a member rejected, or that were delivered too often, are written to the
 * group's dead-letter topic, with Kafka's headers about their origin and the reason.
 *
 * Hides which topics are allowed and how they are created, how the original records are found, batching, and retries. As in
 * Kafka 4.4, headers of the original are not copied, and if the original record is gone, the letter has no content. Unlike Kafka,
 * writing is also retried while the disk is full or the topic is being recreated.
 */
import { growingMs, type System, type Turns } from '../../base.ts'
import type { ClusterMetadata, DeadLetter } from '../../coordinator.ts'
import type { PartitionLog, Slice } from '../../log.ts'
import {
  type BatchView,
  batchesIn,
  buildBatch,
  type ErrorName,
  forEachRecordOf,
  KafkaError,
  type NewRecord,
  openingOf,
  type RecordConverter,
  type RecordView,
  toKafkaError,
} from '../../protocol.ts'
import type { BrokerMetrics } from '../metrics.ts'

export interface DeadLetterRules {
  /** `errors.deadletterqueue.topic.name` of the group; null: it has none (any more). */
  topic: string | null
  /** `errors.deadletterqueue.copy.record.enable` of the group. */
  copyRecord: boolean
  /** `errors.deadletterqueue.topic.name.prefix` */
  prefix: string
  /** `errors.deadletterqueue.auto.create.topics.enable` */
  autoCreate: boolean
}

export interface DeadLettersOptions {
  system: System
  turns: Turns
  metadata: ClusterMetadata
  converter: RecordConverter
  metrics: BrokerMetrics
  rules(groupId: string): DeadLetterRules
  /** Partitions that other brokers lead; null: there are no other brokers. */
  remote: {
    /** Resolves when the batch is durable. */
    produce(topic: string, partition: number, batch: Buffer): Promise<void>
    maxMessageBytes(topic: string): number
  } | null
}

/** Where letters go. */
interface Target {
  topic: string
  partition: number
  /** null: another broker leads the partition. */
  log: PartitionLog | null
  maxMessageBytes: number
}

/** What may be otherwise a moment later. */
const passing: ReadonlySet<ErrorName> = new Set<ErrorName>([
  'KAFKA_STORAGE_ERROR',
  'LEADER_NOT_AVAILABLE',
  'NETWORK_EXCEPTION',
  'NOT_CONTROLLER',
  'NOT_LEADER_OR_FOLLOWER',
  'REQUEST_TIMED_OUT',
  'THROTTLING_QUOTA_EXCEEDED',
  'UNKNOWN_TOPIC_OR_PARTITION',
])
const mostAttempts = 5
const pauseMs = { first: 1_000, last: 30_000 }
/** Bytes of original records that are looked at in one go. */
const readBytes = 1 << 20
/** A batch is full before the topic's limit, because the batch header and varints are not counted. */
const batchMargin = 128
const recordMargin = 64
/** The version of Produce whose rules hold. */
const produceVersion = 12

type Content = Pick<NewRecord, 'key' | 'value'>

interface Originals {
  readonly byOffset: Map<number, Content>
  /** The first offset that was not looked for. */
  until: number
  bytes: number
}

export class DeadLetters {
  readonly #options: DeadLettersOptions
  /** Ends pauses early. */
  readonly #pauses = new Set<() => void>()
  #closed = false

  constructor(options: DeadLettersOptions) {
    this.#options = options
  }

  /** Letters that still wait for another attempt are given up; they are written when their share partition is read again. */
  close(): void {
    this.#closed = true
    for (const end of this.#pauses) end()
  }

  /** Resolves when all letters are durable; rejects when that was given up. */
  async write(letter: DeadLetter): Promise<void> {
    let next = letter.firstOffset
    for (let attempt = 1; next <= letter.lastOffset; ) {
      try {
        next = await this.#writeSome(letter, next)
        attempt = 1
      } catch (error) {
        if (attempt === mostAttempts || this.#closed || !passing.has(toKafkaError(error).name)) {
          this.#options.metrics.deadLettersOf(letter.groupId).givenUp++
          throw error
        }
        await this.#pause(growingMs(pauseMs, attempt - 1))
        attempt++
      }
    }
  }

  /** As many letters from `from` on as fit one batch; returns the offset after them. */
  async #writeSome(letter: DeadLetter, from: number): Promise<number> {
    const { groupId, lastOffset, source } = letter
    const rules = this.#options.rules(groupId)
    const target = await this.#target(groupId, rules, source.partition)
    const most = target.maxMessageBytes - batchMargin
    const contents = rules.copyRecord ? await originals(source, from, lastOffset, most, this.#options.turns) : null
    const until = contents?.until ?? lastOffset + 1
    const records: NewRecord[] = []
    let bytes = 0
    for (let offset = from; offset < until; offset++) {
      const headers = headersOf(letter, offset)
      const { key, value } = contents?.byOffset.get(offset) ?? { key: null, value: null }
      const size = recordMargin + (key?.length ?? 0) + (value?.length ?? 0) + sizeOf(headers)
      if (records.length > 0 && bytes + size > most) break
      bytes += size
      records.push({ key, value, headers })
    }
    const batch = buildBatch({ records, timestamp: this.#options.system.clock.now() })
    await this.#append(target, batch)
    const { metrics } = this.#options
    metrics.produced(target.topic, records.length, batch.length)
    const counts = metrics.deadLettersOf(groupId)
    counts.appends++
    counts.letters += records.length
    return from + records.length
  }

  async #append({ topic, partition, log }: Target, batch: Buffer): Promise<void> {
    if (log === null) {
      await this.#options.remote?.produce(topic, partition, batch)
      return
    }
    const { compressionType, compressionLevel } = log.config
    const job = openingOf(batch, {
      version: produceVersion,
      compression: compressionType === 'uncompressed' ? 'none' : compressionType,
      level: compressionLevel,
      batch: log.produceRules(),
    })
    const { records, contents } = await this.#options.converter.open(job)
    await log.append(records, { origin: 'client', contents }).durable
  }

  /** Throws INVALID_CONFIG for a topic that must not be used, in Kafka's words. */
  async #target(groupId: string, rules: DeadLetterRules, sourcePartition: number): Promise<Target> {
    const { metadata } = this.#options
    const { topic: name, prefix } = rules
    if (name === null) throw refused(`Configured DLQ topic name in share group: ${groupId} is empty.`)
    if (name.startsWith('__')) throw refused(`Configured DLQ topic name in share group: ${groupId} cannot start with __, topic: ${name}.`)
    const topic = metadata.topic(name)
    if (topic !== undefined && metadata.configs('TOPIC', name).get('errors.deadletterqueue.group.enable') !== 'true') {
      throw refused(`DLQ is not enabled on configured DLQ topic for share group: ${groupId}, topic: ${name}.`)
    }
    if (topic === undefined && !rules.autoCreate) {
      throw refused(`DLQ topic does not exist and auto create is disabled on cluster for share group: ${groupId}, topic: ${name}.`)
    }
    if (!name.startsWith(prefix)) {
      const where = `share group: ${groupId}, topic: ${name}, prefix: ${prefix}`
      throw refused(`Configured DLQ topic name does not comply with the DLQ topic prefix in ${where}.`)
    }
    if (topic === undefined) await this.#create(name)
    const partitions = metadata.topic(name)?.partitions ?? []
    if (partitions.length === 0) throw new KafkaError('UNKNOWN_TOPIC_OR_PARTITION', `The dead-letter topic ${name} was deleted`)
    const { index: partition, log, leader } = partitions[sourcePartition % partitions.length]!
    if (log !== null) return { topic: name, partition, log, maxMessageBytes: log.config.maxMessageBytes }
    const { remote } = this.#options
    if (remote !== null) return { topic: name, partition, log, maxMessageBytes: remote.maxMessageBytes(name) }
    throw new KafkaError('NOT_LEADER_OR_FOLLOWER', `Broker ${leader} leads ${name}-${partition}.`)
  }

  async #create(name: string): Promise<void> {
    const configs = [
      { name: 'errors.deadletterqueue.group.enable', value: 'true' },
      { name: 'message.timestamp.type', value: 'CreateTime' },
    ]
    const [outcome] = await this.#options.metadata.createTopics(
      [{ name, numPartitions: -1, replicationFactor: -1, assignments: [], configs }],
      false,
    )
    if (outcome instanceof KafkaError && outcome.name !== 'TOPIC_ALREADY_EXISTS') throw outcome
  }

  #pause(delayMs: number): Promise<void> {
    return new Promise(resolve => {
      const end = () => {
        timer.cancel()
        this.#pauses.delete(end)
        resolve()
      }
      const timer = this.#options.system.timers.after(delayMs, end)
      this.#pauses.add(end)
    })
  }
}

/** Key and value of the records from `from` on that fit one batch, and up to where they were looked for. */
async function originals(source: PartitionLog, from: number, lastOffset: number, most: number, turns: Turns): Promise<Originals> {
  const found: Originals = { byOffset: new Map(), until: from, bytes: 0 }
  while (found.until <= lastOffset && found.bytes < most) {
    const before = found.until
    const slice = await readable(source, before)
    if (slice === null) break
    try {
      for (const chunk of slice.chunks)
        for (const batch of batchesIn(chunk)) {
          // Each may decompress to a megabyte, and there may be hundreds.
          if (turns.over) await turns.next()
          collect(batch, found, lastOffset, most)
        }
    } finally {
      slice.release()
    }
    if (found.until === before) break
  }
  // Where nothing is left to be read, letters without content follow.
  if (found.bytes < most) found.until = lastOffset + 1
  return found
}

/** null: the records are gone or cannot be read, but the letters are still written. */
async function readable(source: PartitionLog, from: number): Promise<Slice | null> {
  try {
    return await source.read(Math.max(from, source.logStartOffset), { maxBytes: readBytes, atLeastOne: true, upTo: 'high-watermark' })
  } catch (error) {
    if (error instanceof KafkaError) return null
    throw error
  }
}

function collect(batch: BatchView, found: Originals, lastOffset: number, most: number): void {
  const { isControl, baseOffset, lastOffset: lastOfBatch } = batch.header
  if (lastOfBatch < found.until || baseOffset > lastOffset || found.bytes >= most) return
  const visit = (record: RecordView): boolean => {
    if (record.offset > lastOffset || found.bytes >= most) return false
    if (record.offset < found.until || isControl) return true
    found.until = record.offset + 1
    const size = (record.key?.length ?? 0) + (record.value?.length ?? 0)
    // What is too large for the topic gets a letter without content. Buffers of the slice go back when it is released.
    if (size + recordMargin >= most) return true
    found.byOffset.set(record.offset, { key: copyOf(record.key), value: copyOf(record.value) })
    found.bytes += size
    return true
  }
  try {
    if (!forEachRecordOf(batch, visit, { maxBytes: Math.max(most, readBytes) })) return
  } catch (error) {
    // A batch that holds more than may be looked at once gets letters without content, too.
    if (!(error instanceof KafkaError)) throw error
  }
  found.until = Math.max(found.until, Math.min(lastOfBatch, lastOffset) + 1)
}

function copyOf(bytes: Buffer | null): Buffer | null {
  return bytes === null ? null : Buffer.from(bytes)
}

type Headers = { key: string; value: Buffer }[]

function headersOf({ groupId, source, deliveryCount, cause }: DeadLetter, offset: number): Headers {
  const header = (name: string, value: string | number) => ({ key: `__dlq.errors.${name}`, value: Buffer.from(String(value)) })
  return [
    header('topic', source.topic),
    header('partition', source.partition),
    header('offset', offset),
    header('group', groupId),
    header('delivery.count', deliveryCount),
    header('message', cause),
  ]
}

function sizeOf(headers: Headers): number {
  let bytes = 0
  for (const { key, value } of headers) bytes += key.length + value.length + 10
  return bytes
}

function refused(reason: string): KafkaError {
  return new KafkaError('INVALID_CONFIG', reason)
}
