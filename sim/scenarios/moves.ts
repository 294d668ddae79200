/**
 * Partitions that move between two logs of one machine while clients write: released, renamed, adopted. The machine crashes at every change of
 * a file and around every sync of a move, with every possible state of the disk, and so does the recovery. Each time both logs are opened
 * again, every partition is brought to where the record of the moves says, and must keep all guarantees; none may be in both.
 */
import type { Log, PartitionLog } from '../../src/log.ts'
import { KafkaError } from '../../src/protocol.ts'
import type { SeededRandom } from '../world/random.ts'
import { simulatedWorld, type World } from '../world/world.ts'
import { type Crash, collect } from './crashes.ts'
import { expectThat, Finding } from './finding.ts'
import {
  checkPartition,
  checkProducers,
  checkRecovered,
  encode,
  endOf,
  type ModelBatch,
  marker,
  nameOf,
  noPromise,
  type PartitionPromise,
  snapshot,
} from './log-model.ts'
import { directory, open, partitionSpecs, randomSettings } from './log-under-test.ts'

/** What is done wrong on purpose, and must be found. */
export const movePlants = ['syncs do nothing', 'recorded before it is released'] as const

export interface MoveOptions {
  seed: number
  /** Crash states to check before the scenario ends. */
  states: number
  plant?: (typeof movePlants)[number]
}

export interface MoveResult {
  states: number
  moves: number
  history: readonly string[]
}

/** Which of the two logs. */
type Side = 0 | 1

/** A partition as clients and the record of the moves know it. */
interface Subject {
  promise: PartitionPromise
  /** Durable: which log has to have it when all is at rest. */
  owner: Side
  /** What no crash may take any more, whatever the topic's durability: it was in a directory that was released. */
  floor: number
}

type Logs = readonly [Log, Log]

const paths = [`${directory}/0`, `${directory}/1`] as const
const producerIds = [-1, -1, 1000, 1001]
const transactionalIds = [2000, 2001]

/** Runs until so many states were checked; throws a Finding that names the crash. */
export async function moves(options: MoveOptions): Promise<MoveResult> {
  const world = simulatedWorld({ seed: options.seed })
  const run = new Run(world, options)
  await run.start()
  while (run.states < options.states) {
    await run.step()
    await run.checkCrashes()
  }
  return { states: run.states, moves: run.moves, history: world.history }
}

class Run {
  states = 0
  moves = 0
  readonly #world: World
  readonly #random: SeededRandom
  readonly #options: MoveOptions
  readonly #subjects: Subject[]
  #logs!: Logs
  /** null: on its way. */
  #partitions: (PartitionLog | null)[] = []
  #crashes: Crash<Subject[]>[] = []
  #appended = 0
  /** How likely a crash is tried at each change while something moves. */
  readonly #crashiness: number

  constructor(world: World, options: MoveOptions) {
    this.#world = world
    this.#options = options
    this.#random = world.random
    this.#subjects = partitionSpecs(world.random, 6).map((spec, index) => ({
      promise: noPromise(spec),
      owner: (index % 2) as Side,
      floor: 0,
    }))
    this.#crashiness = world.random.pick([0.3, 0.1, 0.03])
    world.disk.lieAboutSyncs = options.plant === 'syncs do nothing'
  }

  async start(): Promise<void> {
    const { files } = this.#world.system
    files.makeDirectory(directory)
    files.syncDirectorySync('/')
    this.#logs = await openBoth(this.#world, this.#random)
    this.#partitions = this.#subjects.map(({ promise, owner }) => this.#logs[owner].create(promise.spec))
    // Long enough in some worlds for segments to roll.
    for (let count = this.#random.pick([0, 200, 1000]); count > 0; count--) await this.#use()
  }

  /** Clients do something; sometimes a partition moves meanwhile. */
  async step(): Promise<void> {
    if (this.#random.chance(0.1)) await this.#moveUnderLoad()
    else await this.#use()
  }

  async #use(): Promise<void> {
    this.#client()
    if (this.#random.chance(0.3)) await this.#world.pass(this.#random.fraction() * 4)
    for (const log of this.#logs) if (log.pressure.on) await this.#world.run(new Promise<void>(resolve => log.pressure.whenOff(resolve)))
  }

  async checkCrashes(): Promise<void> {
    for (const crash of this.#crashes.splice(0)) {
      if (this.states >= this.#options.states) return
      this.states++
      await recover(crash, this.#crashes)
    }
  }

  // ---- clients ----

  #client(index = this.#random.below(this.#subjects.length)): void {
    if (this.#partitions[index] === null || this.#logs.some(({ pressure }) => pressure.on)) return
    const action = this.#random.below(20)
    if (action < 13) this.#append(index)
    else if (action < 16) this.#endTransaction(index)
    else if (action < 18) this.#read(index)
    else this.#deleteRecords(index)
  }

  #append(index: number): void {
    const { promise } = this.#subjects[index]!
    const { spec, batches } = promise
    const isCompacted = spec.config.cleanupPolicy.compact
    const producerId = this.#random.pick(isCompacted ? producerIds : [...producerIds, ...transactionalIds])
    const isTransactional = transactionalIds.includes(producerId)
    const most = spec.config.segmentBytes > 100_000 ? 30_000 : 5000
    const bytes = this.#random.below(!isCompacted && this.#random.chance(0.05) ? most : 600)
    const values = Array.from({ length: 1 + this.#random.below(4) }, () => `${++this.#appended}-`.padEnd(8 + bytes, 'x'))
    const sent = batches.filter(batch => batch.producerId === producerId && batch.marker === undefined)
    const batch: ModelBatch = {
      baseOffset: endOf(batches),
      values,
      keys: values.map(value => (isCompacted ? `key-${this.#random.below(5)}` : value.slice(0, 8))),
      producerId,
      producerEpoch: producerId < 0 ? -1 : 0,
      baseSequence: producerId < 0 ? -1 : sent.reduce((sum, each) => sum + each.values.length, 0),
      isTransactional,
    }
    this.#put(index, batch, encode(batch, this.#world.system.clock.now()), 'client')
  }

  #endTransaction(index: number): void {
    const { batches } = this.#subjects[index]!.promise
    const producerId = this.#random.pick(transactionalIds)
    const last = batches.findLast(batch => batch.producerId === producerId)
    if (last === undefined || last.marker !== undefined) return
    const committed = this.#random.chance(0.5)
    const { batch, bytes } = marker(endOf(batches), producerId, committed, this.#world.system.clock.now())
    this.#put(index, batch, bytes, 'coordinator')
  }

  #put(index: number, batch: ModelBatch, bytes: Buffer, origin: 'client' | 'coordinator'): void {
    const { promise } = this.#subjects[index]!
    try {
      const { baseOffset, duplicate, written, durable } = this.#partitions[index]!.append(bytes, { origin })
      expectThat(!duplicate && baseOffset === batch.baseOffset, `append at ${batch.baseOffset} became ${baseOffset}`)
      promise.batches.push(batch)
      const end = endOf([batch])
      const onWritten = () => {
        promise.written = Math.max(promise.written, end)
      }
      const onDurable = () => {
        onWritten()
        promise.durable = Math.max(promise.durable, end)
      }
      if (written === null) onWritten()
      else void written.then(onWritten)
      if (durable === null) onDurable()
      else void durable.then(onDurable)
      this.#world.note(`append ${nameOf(promise)} ${batch.baseOffset}+${batch.values.length}`)
    } catch (error) {
      // It is leaving.
      if (!(error instanceof KafkaError) || error.name !== 'NOT_LEADER_OR_FOLLOWER') throw error
      this.#world.note(`refused ${nameOf(promise)}`)
    }
  }

  #read(index: number): void {
    const { promise } = this.#subjects[index]!
    promise.seen = Math.max(promise.seen, this.#partitions[index]!.highWatermark)
  }

  #deleteRecords(index: number): void {
    const { promise } = this.#subjects[index]!
    const partition = this.#partitions[index]!
    const { logStartOffset, highWatermark } = partition
    if (highWatermark <= logStartOffset || promise.spec.config.cleanupPolicy.compact) return
    const before = logStartOffset + this.#random.below(highWatermark - logStartOffset + 1)
    promise.startAsked = Math.max(promise.startAsked, before)
    partition.deleteBefore(before).then(
      () => {
        promise.startAcknowledged = Math.max(promise.startAcknowledged, before)
      },
      (error: KafkaError) => expectThat(error.name === 'NOT_LEADER_OR_FOLLOWER', `DeleteRecords: ${error.message}`),
    )
  }

  // ---- moves ----

  async #moveUnderLoad(): Promise<void> {
    const { disk, system } = this.#world
    const index = this.#random.below(this.#subjects.length)
    const collecting = () => this.#collect(this.#crashiness)
    disk.onSync = collecting
    disk.onStep = collecting
    let over = false
    const sleep = (ms: number) => new Promise<void>(resolve => system.timers.after(ms, resolve))
    const load = async () => {
      while (!over) {
        if (this.#random.chance(0.5)) this.#client(index)
        else this.#client()
        await sleep(this.#random.fraction())
      }
    }
    // What clients do at its new place right after it is part of it.
    const move = this.#move(index)
      .then(() => sleep(this.#random.below(6)))
      .finally(() => {
        over = true
      })
    await this.#world.run(Promise.all([move, load()]))
    disk.onSync = null
    disk.onStep = null
    this.#collect(this.#crashiness)
  }

  async #move(index: number): Promise<void> {
    const subject = this.#subjects[index]!
    const { promise } = subject
    const { topicId, partition } = promise.spec
    const from = subject.owner
    const to = this.#random.pick([0, 1] as const)
    const name = nameOf(promise)
    const early = this.#random.chance(0.5)
    this.#world.note(`move ${name} from ${from} to ${to}`)
    if (this.#options.plant === 'recorded before it is released') subject.owner = to
    const released = await this.#logs[from].release(topicId, partition)
    this.#partitions[index] = null
    // All that was accepted is in the directory.
    subject.floor = promise.written = promise.durable = promise.seen = endOf(promise.batches)
    this.#world.note(`released ${name} at ${subject.floor}`)
    this.#collect(this.#crashiness)
    if (to !== from) bring(this.#world, released.directory, from, to)
    // The new owner may be recorded before or after the adoption: the start brings the directory to where the record says.
    if (early) subject.owner = to
    this.#collect(this.#crashiness)
    const adopted = await this.#logs[to].adopt(released.directory, promise.spec)
    subject.owner = to
    await checkRecovered(adopted, promise, 'process')
    this.#partitions[index] = adopted
    this.moves++
  }

  #collect(probability: number): void {
    collect(this.#world, () => copyOf(this.#subjects), this.#crashes, { random: this.#random, probability: probability / 2 })
  }
}

async function openBoth(world: World, random: SeededRandom): Promise<Logs> {
  const first = await open(world, undefined, randomSettings(random), paths[0])
  return [first, await open(world, undefined, randomSettings(random), paths[1])]
}

function bring({ system }: World, name: string, from: Side, to: Side): void {
  system.files.rename(`${paths[from]}/${name}`, `${paths[to]}/${name}`)
}

/** As they are now. */
function copyOf(subjects: readonly Subject[]): Subject[] {
  const kept = snapshot(subjects.map(({ promise }) => promise))
  return subjects.map(({ owner, floor }, nth) => ({ owner, floor, promise: kept[nth]! }))
}

/** Opens both logs on what the crash left, ends the moves, checks all partitions, and moves some of them. */
async function recover(crash: Crash<Subject[]>, crashes: Crash<Subject[]>[]): Promise<void> {
  const { cut, survives, seed, promised: subjects, depth } = crash
  const world = simulatedWorld({ seed, image: crash.image })
  const { random, disk } = world
  const collecting = () => collect(world, () => copyOf(subjects), crashes, { random, probability: 0.01, after: crash })
  if (depth < 3) disk.onSync = disk.onStep = collecting
  try {
    const logs = await openBoth(world, random)
    const recovered: { subject: Subject; partition: PartitionLog; batches: ModelBatch[] }[] = []
    for (const subject of subjects) {
      const { floor, promise } = subject
      const partition = await broughtHome(world, logs, subject)
      const batches = await world.run(checkRecovered(partition, promise, survives))
      expectThat(partition.logEndOffset >= floor, `${nameOf(promise)}: released at ${floor}, but the log ends at ${partition.logEndOffset}`)
      recovered.push({ subject, partition, batches })
    }
    // What follows is not part of what the crash promised: later crashes of this world would need their own model.
    disk.onSync = disk.onStep = null
    for (const { subject, partition, batches } of recovered) if (random.chance(0.2)) await goOn(world, logs, subject, partition, batches)
    if (random.chance(0.1)) for (const log of logs) await world.run(log.close())
  } catch (error) {
    const reason = error instanceof Finding ? error.message : `recovery failed: ${error instanceof Error ? error.stack : String(error)}`
    throw new Finding(`after a crash (${cut}, depth ${depth}, state seed ${seed}): ${reason}`)
  }
}

/** The partition at its owner, as a start of the broker does it: moves under way are ended, or undone, as the record says. */
async function broughtHome(world: World, logs: Logs, { promise, owner }: Subject): Promise<PartitionLog> {
  const { spec } = promise
  const { topicId, partition } = spec
  const name = nameOf(promise)
  const other = (1 - owner) as Side
  const isReleased = (side: Side) => logs[side].released().some(each => each.topicId === topicId && each.partition === partition)
  const isOpen = (side: Side) => logs[side].get(topicId, partition) !== undefined
  const places = ([0, 1] as const).filter(side => isReleased(side) || isOpen(side))
  expectThat(places.length < 2, `${name} is in both logs`)
  expectThat(!isOpen(other), `${name} is in log ${other}, which is not its owner and has not released it`)
  if (isReleased(other)) bring(world, name, other, owner)
  return isReleased(owner) ? await world.run(logs[owner].adopt(name, spec)) : logs[owner].create(spec)
}

/** Written on, moved, and written on. */
async function goOn(world: World, logs: Logs, subject: Subject, partition: PartitionLog, batches: ModelBatch[]): Promise<void> {
  const { promise, owner } = subject
  const { spec } = promise
  const name = nameOf(promise)
  await world.run(checkProducers(partition, batches, world.system.clock.now()))
  await world.run(checkPartition(promise, partition, batches))
  const start = partition.logStartOffset
  const to = world.random.pick([0, 1] as const)
  const { directory: moved } = await world.run(logs[owner].release(spec.topicId, spec.partition))
  if (to !== owner) bring(world, moved, owner, to)
  const adopted = await world.run(logs[to].adopt(moved, spec))
  expectThat(adopted.logStartOffset === start || spec.config.cleanupPolicy.compact, `${name}: the log start is not what it was`)
  await world.run(checkPartition(promise, adopted, batches))
  await world.run(checkProducers(adopted, batches, world.system.clock.now()))
  await world.run(checkPartition(promise, adopted, batches))
}
