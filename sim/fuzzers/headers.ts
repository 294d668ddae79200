/**
 * Batches whose header fields and timestamps are at the limits of their types, through the whole life of a partition: append, index, roll,
 * look-up by time, retention, compaction, crash and recovery, also without journal and checkpoint, as with another broker's
 * files. A batch is accepted, or rejected with an error of Kafka's; in both cases the partition continues, and comes back after every crash.
 */
import { inspect, isDeepStrictEqual } from 'node:util'
import { type Int64, maxInt64, writeInt64 } from '../../src/base.ts'
import { type Log, type LogSettings, openLog, type PartitionLog, type TopicConfig } from '../../src/log.ts'
import { batchesIn, buildBatch, buildMarkerBatch, forEachRecordOf, KafkaError, type Uuid } from '../../src/protocol.ts'
import { directory, settings, topicConfig } from '../scenarios/log-under-test.ts'
import { field, seal } from '../world/batches.ts'
import type { Image } from '../world/disk.ts'
import type { SeededRandom } from '../world/random.ts'
import { simulatedWorld, type World } from '../world/world.ts'
import { type Fuzzer, FuzzFinding } from './fuzzer.ts'
import { int64Edges, randomInt64 } from './grammar.ts'

const compressions = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const
const ever = 2 ** 63
const dayMs = 86_400_000
const leaderEpochAt = 12
const appendsPerRound = 10
const roundsPerLog = 3

/** Of the header's fields: the place, and what is put there. The base offset and the leader epoch lie outside the checksum. */
const fields: readonly ((batch: Buffer, random: SeededRandom) => void)[] = [
  (batch, random) => writeInt64(batch, 0, randomInt64(random)),
  (batch, random) => batch.writeInt32BE(int32(random), leaderEpochAt),
  (batch, random) => batch.writeInt16BE(random.below(2 ** 16) - 2 ** 15, field.attributes),
  (batch, random) => batch.writeInt32BE(int32(random), field.lastOffsetDelta),
  (batch, random) => writeInt64(batch, field.baseTimestamp, randomInt64(random)),
  (batch, random) => writeInt64(batch, field.maxTimestamp, randomInt64(random)),
  (batch, random) => writeInt64(batch, field.producerId, randomInt64(random)),
  (batch, random) => batch.writeInt16BE(random.pick([-(2 ** 15), -1, 0, 1, 2 ** 15 - 1]), field.producerEpoch),
  (batch, random) => batch.writeInt32BE(int32(random), field.baseSequence),
  (batch, random) => batch.writeInt32BE(int32(random), field.recordCount),
]

function int32(random: SeededRandom): number {
  return random.pick([-(2 ** 31), -2, -1, 0, 1, 2, 3, 2 ** 31 - 2, 2 ** 31 - 1])
}

export function headersFuzzer(): Fuzzer {
  return {
    name: 'headers',
    async once(random) {
      const life = new Life(random)
      for (let round = 0; round < roundsPerLog; round++) await life.round()
    },
    close: async () => {},
  }
}

class Life {
  readonly #random: SeededRandom
  readonly #settings: Partial<LogSettings>
  readonly #config: TopicConfig
  readonly #topicId = 'AAAAAAAAAAAAAAAAAAAAAQ' as Uuid
  #world: World
  #log: Log | null = null
  #partition: PartitionLog | null = null
  /** Of the batch that was tried last. */
  #input: Buffer = Buffer.alloc(0)
  #end = 0

  constructor(random: SeededRandom) {
    this.#random = random
    this.#world = simulatedWorld({ seed: random.below(2 ** 31) })
    this.#settings = {
      durability: random.pick(['fsync', 'os'] as const),
      retentionCheckIntervalMs: 1000,
      cleanerBackoffMs: 500,
      producerIdExpirationMs: random.pick([1, dayMs, ever]),
      maxProducerIdsPerPartition: random.pick([2, 10_000]),
    }
    this.#config = {
      ...topicConfig,
      cleanupPolicy: random.pick([
        { delete: true, compact: false },
        { delete: false, compact: true },
        { delete: true, compact: true },
      ]),
      segmentBytes: random.pick([600, 24 * 1024]),
      segmentMs: random.pick([1, dayMs, ever]),
      indexIntervalBytes: random.pick([0, 1024]),
      retentionMs: random.pick([-1, -1, 1, dayMs, ever]),
      deleteRetentionMs: random.pick([0, dayMs, ever]),
      minCompactionLagMs: random.pick([0, 1, ever]),
      maxCompactionLagMs: random.pick([1, dayMs, ever]),
      minCleanableDirtyRatio: random.pick([0, 0.5]),
      messageTimestampType: random.chance(0.8) ? 'CreateTime' : 'LogAppendTime',
      messageTimestampBeforeMaxMs: ever,
      messageTimestampAfterMaxMs: random.pick([ever, ever, dayMs]),
    }
  }

  /** One run of the process, from opening the log to a crash or a shutdown. */
  async round(): Promise<void> {
    await this.#start()
    for (let count = 0; count < appendsPerRound; count++) {
      this.#append(this.#limitBatch())
      if (this.#random.chance(0.2)) this.#append(this.#marker(), 'coordinator')
      this.#appendPlain()
      if (this.#random.chance(0.3)) await this.#lookUp()
      if (this.#random.chance(0.3)) await this.#world.pass(this.#random.pick([1, 3000]))
    }
    await this.#world.pass(5000)
    await this.#lookUp()
    await this.#stop()
  }

  async #start(): Promise<void> {
    try {
      this.#log = await this.#world.run(
        openLog({
          system: this.#world.system,
          directory,
          settings: { ...settings, ...this.#settings },
          // Compaction is not a thread then.
          onThisMachine: false,
          onFatal: error => {
            throw this.#finding('the log gave up', error)
          },
        }),
      )
      this.#partition = this.#log.create({ topic: 't', topicId: this.#topicId, partition: 0, config: this.#config })
    } catch (error) {
      throw this.#finding('the log cannot be opened', error)
    }
    const { offline, logEndOffset } = this.#partition
    if (offline !== null) throw this.#finding(`the partition is offline: ${offline}`)
    if (logEndOffset !== this.#end) throw this.#finding(`the log ends at ${logEndOffset} instead of ${this.#end}`)
  }

  /** By kill -9, or cleanly; then sometimes nothing is left but the partition's own files. */
  async #stop(): Promise<void> {
    const kills = this.#random.chance(0.5)
    if (!kills) await this.#world.run(this.#log!.close())
    const image = this.#world.disk.image('process', this.#random.fork())
    if (!kills && this.#random.chance(0.5)) await this.#makeForeign(image)
    this.#world = simulatedWorld({ seed: this.#random.below(2 ** 31), image })
  }

  /** Without what this broker knows of the files, as they come from another; what no checksum covers is at a limit. */
  async #makeForeign(image: Image): Promise<void> {
    await image.removeDirectory('/data/journal')
    for (const { name } of image.list('/data/t-0')) {
      const path = `/data/t-0/${name}`
      if (/index$|snapshot$|checkpoint$/.test(name) && this.#random.chance(0.5)) image.remove(path)
      if (!name.endsWith('.log') || this.#random.chance(0.5)) continue
      const file = image.open(path, 'rw')
      const epoch = Buffer.alloc(4)
      epoch.writeInt32BE(int32(this.#random))
      if (file.size() > 0) file.writeSync([epoch], leaderEpochAt)
      file.close()
    }
  }

  #append(batch: Buffer, origin: 'client' | 'coordinator' = 'client'): void {
    this.#input = Buffer.from(batch)
    const partition = this.#partition!
    try {
      const appended = partition.append(batch, { origin })
      if (!appended.duplicate) this.#end = appended.lastOffset + 1
    } catch (error) {
      if (!(error instanceof KafkaError) || error.name === 'UNKNOWN_SERVER_ERROR') throw this.#finding('append', error)
    }
    if (partition.logEndOffset !== this.#end) throw this.#finding(`the log ends at ${partition.logEndOffset} instead of ${this.#end}`)
  }

  /** Whoever comes next is served. */
  #appendPlain(): void {
    const timestamp = this.#world.system.clock.now()
    const value = Buffer.from(String(this.#end))
    const batch = buildBatch({ records: [{ key: Buffer.from(`k${this.#random.below(4)}`), value }], timestamp })
    const before = this.#end
    try {
      this.#partition!.append(batch, { origin: 'client' })
    } catch (error) {
      throw this.#finding('a plain append after it', error)
    }
    this.#end++
    if (this.#partition!.logEndOffset !== before + 1) throw this.#finding(`the log ends at ${this.#partition!.logEndOffset}`)
  }

  #limitBatch(): Buffer {
    const random = this.#random
    const idempotent = random.chance(0.5)
    const now = this.#world.system.clock.now()
    const time = (): Int64 => (random.chance(0.5) ? randomInt64(random) : random.chance(0.5) ? maxInt64 : now)
    const batch = buildBatch({
      records: Array.from({ length: 1 + random.below(3) }, () => ({
        key: random.chance(0.9) ? Buffer.from(`k${random.below(4)}`) : null,
        value: random.chance(0.8) ? Buffer.alloc(random.below(200), 1) : null,
        timestamp: time(),
      })),
      compression: random.pick(compressions),
      ...(idempotent && { producerId: randomInt64(random), producerEpoch: random.below(3), baseSequence: random.below(3) }),
      isTransactional: idempotent && random.chance(0.5),
    })
    for (let count = random.below(3); count > 0; count--) random.pick(fields)(batch, random)
    return seal(batch)
  }

  /** As an operator may order it by WriteTxnMarkers. */
  #marker(): Buffer {
    const random = this.#random
    const producers = this.#partition!.producers()
    const known = producers.length > 0 && random.chance(0.7) ? random.pick(producers) : null
    return buildMarkerBatch({
      producerId: known?.producerId ?? randomInt64(random),
      producerEpoch: known?.producerEpoch ?? random.pick([0, 2 ** 15 - 1]),
      committed: random.chance(0.5),
      coordinatorEpoch: random.pick([0, 2 ** 31 - 1]),
      timestamp: this.#world.system.clock.now(),
    })
  }

  /** By time, against a look at every record; and the record with the largest time. */
  async #lookUp(): Promise<void> {
    const partition = this.#partition!
    const timestamp = this.#random.chance(0.7) ? this.#random.pick(int64Edges) : randomInt64(this.#random)
    // As ListOffsets does: what is not visible yet may be the newest.
    while (partition.highWatermark < partition.logEndOffset) await this.#world.pass(1)
    const before = await this.#records()
    const found = await this.#answered('a look-up by time', () => partition.offsetForTimestamp(timestamp, 'high-watermark'))
    const newest = await this.#answered('the largest timestamp', () => partition.offsetOfMaxTimestamp())
    partition.producers()
    // Compaction and retention go on meanwhile.
    if (before === null || !isDeepStrictEqual(before, await this.#records())) return
    const expected = before.find(record => record.timestamp >= timestamp)
    if (found?.offset !== expected?.offset || found?.timestampMs !== expected?.timestamp)
      throw this.#finding(`the look-up of ${timestamp} finds ${said(found)} instead of ${said(expected)} in ${inspect(before)}`)
    const latest = before.reduce<Int64>((most, record) => (record.timestamp > most ? record.timestamp : most), -1)
    const first = latest === -1 ? undefined : before.find(record => record.timestamp === latest)
    // What compaction leaves of a producer is a batch without records that keeps its largest timestamp: then none is found, as in Kafka.
    if (newest?.offset !== first?.offset && !this.#config.cleanupPolicy.compact)
      throw this.#finding(`the largest timestamp is found at ${said(newest)} instead of ${said(first)} in ${inspect(before)}`)
  }

  /** All that a reader sees; null when the log's start moved meanwhile. */
  async #records(): Promise<{ offset: number; timestamp: Int64 }[] | null> {
    const partition = this.#partition!
    const start = partition.logStartOffset
    const records: { offset: number; timestamp: Int64 }[] = []
    const read = async () => {
      for (let next = start; next < partition.highWatermark; ) {
        const slice = await partition.read(next, { maxBytes: 1e6, atLeastOne: true, upTo: 'high-watermark' })
        const before = next
        for (const chunk of slice.chunks)
          for (const batch of batchesIn(chunk)) {
            forEachRecordOf(batch, ({ offset, timestamp }) => offset < start || void records.push({ offset, timestamp }))
            next = batch.header.lastOffset + 1
          }
        slice.release()
        if (next === before) break
      }
      return true
    }
    const done = await this.#answered('reading', read)
    return done && start === partition.logStartOffset ? records : null
  }

  async #answered<T>(what: string, ask: () => Promise<T>): Promise<T | null> {
    try {
      return await this.#world.run(ask())
    } catch (error) {
      // Retention may have moved the start.
      if (error instanceof KafkaError && error.name === 'OFFSET_OUT_OF_RANGE') return null
      throw this.#finding(what, error)
    }
  }

  #finding(what: string, error?: unknown): FuzzFinding {
    return new FuzzFinding(error === undefined ? what : `${what}: ${error instanceof Error ? error.stack : String(error)}`, this.#input)
  }
}

function said(found: { offset: number } | null | undefined): string {
  return found ? String(found.offset) : 'nothing'
}
