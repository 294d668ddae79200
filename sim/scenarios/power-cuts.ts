/**
 * Producers, transactions, readers, DeleteRecords, and topics that are deleted and created again, on several partitions. The machine
 * crashes around every sync, with every possible state of the disk, and each time the recovered log must keep all guarantees. Recovery
 * crashes, too.
 */
import { DiskError } from '../../src/base.ts'
import type { Appended, Log, LogSettings, PartitionLog } from '../../src/log.ts'
import { KafkaError, randomUuid } from '../../src/protocol.ts'
import { plant } from '../fuzzers/plants.ts'
import type { SeededRandom } from '../world/random.ts'
import { simulatedWorld, type World } from '../world/world.ts'
import { type Crash, collect } from './crashes.ts'
import { expectThat, Finding } from './finding.ts'
import { goOn } from './going-on.ts'
import {
  checkBatches,
  checkMarks,
  checkPartition,
  checkProducers,
  checkTimes,
  encode,
  endOf,
  type ModelBatch,
  marker,
  nameOf,
  noPromise,
  openAll,
  type PartitionPromise,
  type Promises,
  present,
  snapshot,
} from './log-model.ts'
import { open, partitionSpecs, randomSettings } from './log-under-test.ts'
import { endTrouble, makeTrouble } from './refusals.ts'

export interface PowerCutOptions {
  seed: number
  /** Crash states to check before the scenario ends. */
  states: number
  /** The canary: a disk whose syncs do nothing. */
  lieAboutSyncs?: boolean
  /** Values hold forgeries of the log's own structures: see plants.ts. */
  plants?: boolean
  /** Operations of the disk also fail now and then, for appends, in the background and while the log is opened again. */
  refusals?: boolean
}

export interface PowerCutResult {
  states: number
  appended: number
  history: readonly string[]
}

/** Runs until so many states were checked; throws a Finding that names the crash. */
export async function powerCuts(options: PowerCutOptions): Promise<PowerCutResult> {
  const world = simulatedWorld({ seed: options.seed })
  const run = new Run(world, options)
  await run.start()
  while (run.states < options.states) {
    await run.step()
    await run.checkCrashes()
  }
  await run.finish()
  return { states: run.states, appended: run.appended, history: world.history }
}

interface Producer {
  producerId: number
  isTransactional: boolean
  /** Next sequence per partition. */
  sequences: number[]
  /** Partitions with an open transaction. */
  open: Set<number>
}

const ordinaryIds = [-1, -1, 1000, 1001, 1002]
const transactionalIds = [2000, 2001]

/** The errors of an append that the disk refuses, or that follows such a one. */
const refusals: ReadonlySet<string> = new Set(['KAFKA_STORAGE_ERROR', 'OUT_OF_ORDER_SEQUENCE_NUMBER'])

class Run {
  states = 0
  appended = 0
  readonly #world: World
  readonly #random: SeededRandom
  readonly #promises: Promises
  readonly #producers: Producer[]
  #log: Log | null = null
  #partitions: PartitionLog[] = []
  #crashes: Crash<Promises>[] = []
  readonly #options: PowerCutOptions
  /** Some worlds crash around nearly every sync, others live long enough to roll, flush and recycle. */
  readonly #crashiness: number

  constructor(world: World, options: PowerCutOptions) {
    this.#world = world
    this.#options = options
    this.#random = world.random
    this.#promises = partitionSpecs(world.random, 6).map(noPromise)
    this.#producers = [...ordinaryIds, ...transactionalIds].map(producerId => ({
      producerId,
      isTransactional: transactionalIds.includes(producerId),
      sequences: this.#promises.map(() => 0),
      open: new Set(),
    }))
    this.#crashiness = world.random.pick(options.refusals ? [0.1, 0.02, 0.005] : [0.5, 0.1, 0.02])
    world.disk.lieAboutSyncs = options.lieAboutSyncs ?? false
  }

  async start(): Promise<void> {
    this.#log = await open(this.#world, undefined, randomSettings(this.#random))
    this.#partitions = openAll(this.#log, this.#promises)
    this.#world.disk.onSync = (moment, path) => {
      this.#world.note(`${moment} sync ${path}`)
      collect(this.#world, () => snapshot(this.#promises), this.#crashes, { random: this.#random, probability: this.#crashiness })
    }
  }

  /** Something that a client does, and a little time. */
  async step(): Promise<void> {
    const action = this.#random.below(20)
    const index = this.#random.below(this.#partitions.length)
    if (this.#options.refusals && this.#random.chance(0.05)) makeTrouble(this.#world, this.#random)
    else if (this.#options.refusals && this.#random.chance(0.2)) endTrouble(this.#world)
    if (this.#partitions[index]!.offline !== null) await this.#world.pass(1)
    else if (action < 13) this.#append(index)
    else if (action < 15) this.#endTransaction()
    else if (action < 18) await this.#read(index)
    else if (action < 19) this.#retry(index)
    else if (this.#random.chance(0.3)) await this.#deleteRecords(index)
    else if (this.#random.chance(0.1)) await this.#replaceTopic(index)
    if (this.#random.chance(0.4)) await this.#world.pass(this.#random.fraction() * 4)
    if (this.#log!.pressure.on) endTrouble(this.#world)
    if (this.#log!.pressure.on) await this.#world.run(new Promise<void>(resolve => this.#log!.pressure.whenOff(resolve)))
  }

  async checkCrashes(): Promise<void> {
    for (const crash of this.#crashes.splice(0)) {
      if (this.states >= this.#options.states) return
      this.states++
      await recover(crash, this.#crashes, this.#options.refusals ?? false)
    }
  }

  /** A clean shutdown keeps everything, whatever happens to the power afterwards. */
  async finish(): Promise<void> {
    if (this.#options.refusals) endTrouble(this.#world)
    await this.#world.run(this.#log!.close())
    const everything = snapshot(this.#promises).map(promise => ({ ...promise, durable: endOf(promise.batches) }))
    const remains: Crash<Promises>[] = []
    collect(this.#world, () => snapshot(everything), remains, { random: this.#random, probability: 1 })
    for (const crash of remains) await recover(crash, [], false)
    this.#world.note(`done ${this.#promises.map(promise => endOf(promise.batches)).join()}`)
  }

  #append(index: number): Appended | null {
    const promise = this.#promises[index]!
    const isCompacted = promise.spec.config.cleanupPolicy.compact
    const producer = this.#random.pick(this.#producers.filter(({ isTransactional }) => !isTransactional || !isCompacted))
    const values = Array.from({ length: 1 + this.#random.below(4) }, () => `${++this.appended}-`.padEnd(8 + this.#valueBytes(promise), 'x'))
    const idempotent = producer.producerId >= 0
    const batch: ModelBatch = {
      baseOffset: endOf(promise.batches),
      values,
      keys: values.map(value => (isCompacted ? `key-${this.#random.below(5)}` : value.slice(0, 8))),
      plant: this.#options.plants && this.#random.chance(0.7) ? this.#plant() : undefined,
      producerId: producer.producerId,
      producerEpoch: idempotent ? 0 : -1,
      baseSequence: idempotent ? producer.sequences[index]! : -1,
      isTransactional: producer.isTransactional,
    }
    const appended = this.#put(index, batch, encode(batch, this.#world.system.clock.now()), 'client')
    expectThat(appended?.duplicate !== true, `new batch at ${batch.baseOffset} is called a duplicate`)
    return appended
  }

  /** null: the disk refused it. */
  #put(index: number, batch: ModelBatch, bytes: Buffer, origin: 'client' | 'coordinator'): Appended | null {
    const promise = this.#promises[index]!
    const appended = this.#unlessRefused(index, () => this.#partitions[index]!.append(bytes, { origin }))
    if (appended === null) promise.refused.push(batch)
    if (appended === null || appended.duplicate) return appended
    // What came before it in its group may have been refused.
    if (this.#options.refusals) this.#takeBack(index, appended.baseOffset)
    batch.baseOffset = endOf(promise.batches)
    expectThat(appended.baseOffset === batch.baseOffset, `append at ${batch.baseOffset} became ${appended.baseOffset}`)
    promise.batches.push(batch)
    this.#count(index)
    this.#awaitAcknowledgements(promise, batch, appended)
    this.#world.note(`append ${nameOf(promise)} ${batch.baseOffset}+${batch.values.length}`)
    return appended
  }

  /** null: the disk refused it, or what came before it. */
  #unlessRefused<T>(index: number, action: () => T): T | null {
    try {
      return action()
    } catch (error) {
      return this.#refused(index, error)
    }
  }

  /** Throws the error if it does not say that the disk refused something. */
  #refused(index: number, error: unknown): null {
    const isExpected = error instanceof KafkaError && refusals.has(error.name)
    if (!this.#options.refusals || !isExpected) throw error
    this.#world.note(`${nameOf(this.#promises[index]!)}: ${error.message}`)
    this.#takeBack(index)
    return null
  }

  /** The log is shorter than what was appended: only what was not answered yet can have been refused. */
  #takeBack(index: number, end = this.#partitions[index]!.logEndOffset): void {
    const promise = this.#promises[index]!
    const { batches, written, durable, seen } = promise
    const refused = batches.filter(({ baseOffset }) => baseOffset >= end)
    if (refused.length === 0) return
    expectThat(end >= Math.max(written, durable, seen), `${nameOf(promise)} was acknowledged up to ${written}, but then ends at ${end}`)
    promise.refused.push(...refused)
    promise.batches = batches.filter(({ baseOffset }) => baseOffset < end)
    this.#world.note(`taken back ${nameOf(promise)} to ${end}`)
    this.#count(index)
  }

  /** Sets what the producers know to what is in the log. */
  #count(index: number): void {
    for (const producer of this.#producers) {
      producer.sequences[index] = 0
      producer.open.delete(index)
    }
    for (const { producerId, isTransactional, values, marker } of this.#promises[index]!.batches) {
      const producer = this.#producers.find(each => each.producerId === producerId && producerId >= 0)
      if (producer === undefined) continue
      if (marker === undefined) producer.sequences[index]! += values.length
      if (marker !== undefined) producer.open.delete(index)
      else if (isTransactional) producer.open.add(index)
    }
  }

  #endTransaction(): void {
    const producer = this.#random.pick(this.#producers.filter(({ isTransactional }) => isTransactional))
    const [index] = producer.open
    if (index === undefined) return
    const promise = this.#promises[index]!
    const committed = this.#random.chance(0.5)
    const { producerId } = producer
    const { batch, bytes } = marker(endOf(promise.batches), producerId, committed, this.#world.system.clock.now())
    this.#world.note(`${batch.marker} ${nameOf(promise)}`)
    this.#put(index, batch, bytes, 'coordinator')
  }

  #plant(): Buffer {
    const targets = this.#promises.map(({ spec, batches }) => ({ ...spec, end: endOf(batches) }))
    return plant(this.#random, targets, this.#random.pick([500, 4000, 12_000]))
  }

  /** Mostly small; now and then large enough for the direct path, where the segment has room for it. */
  #valueBytes({ spec }: PartitionPromise): number {
    if (spec.config.cleanupPolicy.compact) return this.#random.below(600)
    if (spec.config.segmentBytes > 100_000 && this.#random.chance(0.02)) return 20_000 + this.#random.below(20_000)
    return this.#random.chance(0.03) ? this.#random.below(5000) : this.#random.below(600)
  }

  #awaitAcknowledgements(promise: PartitionPromise, batch: ModelBatch, { written, durable }: Appended): void {
    const end = endOf([batch])
    const onWritten = () => {
      expectThat(promise.batches.includes(batch), `${nameOf(promise)}: ${batch.baseOffset} is acknowledged, and was taken back`)
      promise.written = Math.max(promise.written, end)
    }
    const onDurable = () => {
      onWritten()
      promise.durable = Math.max(promise.durable, end)
      this.#world.note(`durable ${nameOf(promise)} ${end}`)
    }
    const onRefused = (error: unknown) => {
      const index = this.#promises.indexOf(promise)
      // Otherwise its topic was deleted meanwhile.
      if (index >= 0) this.#refused(index, error)
    }
    if (written === null) onWritten()
    else void written.then(onWritten, onRefused)
    if (durable === null) onDurable()
    else void durable.then(onDurable, onRefused)
  }

  /** A consumer reads some of what is visible: from then on it may not be taken back. */
  async #read(index: number): Promise<void> {
    const promise = this.#promises[index]!
    const partition = this.#partitions[index]!
    const visible = partition.highWatermark
    expectThat(visible <= partition.logEndOffset, `high watermark ${visible} passes the end ${partition.logEndOffset}`)
    promise.seen = Math.max(promise.seen, visible)
    collect(this.#world, () => snapshot(this.#promises), this.#crashes, { random: this.#random, probability: this.#crashiness / 20 })
    if (!this.#random.chance(0.05)) return
    if (this.#options.refusals) endTrouble(this.#world)
    await this.#world.run(checkPartition(promise, partition, promise.batches, visible))
  }

  #retry(index: number): void {
    const promise = this.#promises[index]!
    const batch = promise.batches.at(-1)
    if (batch === undefined || batch.producerId < 0 || batch.marker !== undefined) return
    const { length } = promise.refused
    const again = this.#put(index, { ...batch }, encode(batch, this.#world.system.clock.now()), 'client')
    // Where the first attempt was refused, this is a new one.
    if (again === null || promise.refused.length > length) return
    expectThat(again.duplicate && again.baseOffset === batch.baseOffset, `a retry of ${batch.baseOffset} became ${again.baseOffset}`)
    this.#awaitAcknowledgements(promise, batch, again)
  }

  async #deleteRecords(index: number): Promise<void> {
    const promise = this.#promises[index]!
    const partition = this.#partitions[index]!
    if (partition.highWatermark <= partition.logStartOffset || promise.spec.config.cleanupPolicy.compact) return
    const before = partition.logStartOffset + this.#random.below(partition.highWatermark - partition.logStartOffset + 1)
    promise.startAsked = Math.max(promise.startAsked, before)
    const done = partition.deleteBefore(before).then(
      () => true,
      error => this.#refused(index, error),
    )
    if ((await this.#world.run(done)) === null) return
    promise.startAcknowledged = Math.max(promise.startAcknowledged, before)
    this.#world.note(`delete ${nameOf(promise)} before ${before}`)
  }

  /** As a broker does it: a record that is durable lies between the deletion and a topic of the same name. */
  async #replaceTopic(index: number): Promise<void> {
    if (this.#options.refusals) endTrouble(this.#world)
    const { spec } = this.#promises[index]!
    const successor = { ...noPromise({ ...spec, topicId: randomUuid(this.#random) }), isAbsent: true }
    this.#promises[index] = successor
    for (const producer of this.#producers) {
      producer.sequences[index] = 0
      producer.open.delete(index)
    }
    await this.#world.run(this.#log!.delete(spec.topicId, spec.partition))
    const durable = this.#append(index === 0 ? 1 : 0)?.durable ?? null
    if (durable !== null) await this.#world.run(durable)
    this.#partitions[index] = this.#log!.create(successor.spec)
    successor.isAbsent = false
    this.#world.note(`replaced ${nameOf(successor)}`)
  }
}

/** Opens the log on what the crash left, checks it, and writes on. A crash of this recovery goes to `crashes`. */
async function recover(crash: Crash<Promises>, crashes: Crash<Promises>[], refuses: boolean): Promise<void> {
  const { cut, survives, seed } = crash
  const promises = present(crash.promised)
  const world = simulatedWorld({ seed, image: crash.image })
  const random = world.random
  if (crash.depth < 3)
    world.disk.onSync = () => collect(world, () => snapshot(promises), crashes, { random, probability: 0.03, after: crash })
  try {
    const hasTrouble = refuses && crash.depth < 3 && random.chance(0.3)
    if (hasTrouble) makeTrouble(world, random)
    const log = await openOrRefuse(world, randomSettings(random), hasTrouble)
    if (log === null) return collect(world, () => snapshot(promises), crashes, { random, probability: 1, after: crash })
    const partitions = hasTrouble ? openAllInTrouble(world, log, promises) : openAll(log, promises)
    if (hasTrouble) endTrouble(world)
    // Consumers may read at once what is visible: from now on no crash may take it back.
    const seen = promises.map((promise, index) => ({ ...promise, seen: partitions[index]!.highWatermark }))
    if (crash.depth < 3)
      collect(world, () => snapshot(hasTrouble ? promises : seen), crashes, { random, probability: hasTrouble ? 0.5 : 0.05, after: crash })
    const isOut = (partition: PartitionLog) => hasTrouble && partition.offline !== null
    const kept = promises.map((promise, index) => (isOut(partitions[index]!) ? 0 : checkMarks(partitions[index]!, promise, survives)))
    let current = promises
    if (crash.depth < 3 && random.chance(0.5)) {
      world.disk.onSync = null
      // A checkpoint that the disk refused is tried again by then, and appends are accepted.
      if (hasTrouble) await world.pass(3000)
      const onward = goOn(world, partitions, promises, survives)
      current = onward
      // From now on everything counts that a crash of its own kind spares.
      const after = { ...crash, survives: 'process' } as const
      world.disk.onSync = () => collect(world, () => snapshot(onward), crashes, { random, probability: 0.03, after })
      await world.pass(random.pick([0, 0.1, 3]))
      collect(world, () => snapshot(onward), crashes, { random, probability: 0.2, after })
      await world.pass(100)
    }
    const recovered: ModelBatch[][] = []
    for (const [index, promise] of current.entries()) {
      const partition = partitions[index]!
      recovered.push(isOut(partition) ? [] : await world.run(checkBatches(partition, promise, kept[index]!)))
    }
    world.disk.onSync = null
    if (hasTrouble) await world.pass(3000)
    // The continuation is not part of what the crash promised: later crashes of this world would need their own model.
    for (const [index, promise] of current.entries()) {
      const partition = partitions[index]!
      if (partition.offline !== null) continue
      // Compaction may take a record after it was seen and before it is looked for.
      const stays = !promise.spec.config.cleanupPolicy.compact
      if (stays && random.chance(0.1)) await world.run(checkTimes(nameOf(promise), partition, random))
      if (!random.chance(0.2)) continue
      await world.run(checkProducers(partition, recovered[index]!, world.system.clock.now()))
      await world.run(checkPartition(promise, partition, recovered[index]!))
    }
    if (random.chance(0.1)) await world.run(log.close())
  } catch (error) {
    const reason = error instanceof Finding ? error.message : `recovery failed: ${error instanceof Error ? error.stack : String(error)}`
    throw new Finding(`after a crash (${cut}, depth ${crash.depth}, state seed ${seed}): ${reason}`)
  }
}

/** The disk may refuse what a partition needs to be opened; then it is opened when the disk works again. */
function openAllInTrouble(world: World, log: Log, promises: Promises): PartitionLog[] {
  try {
    return openAll(log, promises)
  } catch (error) {
    if (!(error instanceof KafkaError) || error.name !== 'KAFKA_STORAGE_ERROR') throw error
    endTrouble(world)
    return openAll(log, promises)
  }
}

/** null: the disk did not let it. */
async function openOrRefuse(world: World, settings: Partial<LogSettings>, mayFail: boolean): Promise<Log | null> {
  try {
    return await open(world, undefined, settings)
  } catch (error) {
    if (!mayFail || !(error instanceof DiskError)) throw error
    world.note(`the start failed: ${error.message}`)
    return null
  }
}
