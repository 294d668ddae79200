/**
 * Disks with errors: failing syncs, no space, reads and writes with EIO, flipped bits, and a
 * clock that jumps a year. Acknowledged data stays, damage is reported, and everything healthy continues.
 */
import { type DiskError, watchClock } from '../../src/base.ts'
import type { Log, PartitionLog } from '../../src/log.ts'
import { KafkaError } from '../../src/protocol.ts'
import { DamagedBatch } from '../world/batches.ts'
import { simulatedWorld, type World } from '../world/world.ts'
import { expectThat, Finding } from './finding.ts'
import {
  checkContent,
  checkRecovered,
  encode,
  endOf,
  type ModelBatch,
  nameOf,
  noPromise,
  openAll,
  type PartitionPromise,
  type Promises,
} from './log-model.ts'
import { open, partitionSpecs, settings, topicConfig } from './log-under-test.ts'

/** Runs every scenario; returns their names. Throws a Finding that names the one that failed. */
export async function diskFaults(seed: number): Promise<string[]> {
  for (const [name, scenario] of Object.entries(scenarios)) {
    try {
      await scenario(seed)
    } catch (error) {
      throw new Finding(`${name}: ${error instanceof Finding ? error.message : error instanceof Error ? error.stack : String(error)}`)
    }
  }
  return Object.keys(scenarios)
}

export const scenarios: Record<string, (seed: number) => Promise<void>> = {
  'a failed sync stops the process, and the next one writes again what it finds': async seed => {
    for (const path of [/(?:)/, /journal$/, /state\.log/, /-\d\/\d+\.log$/])
      for (const nth of [1, 2, 5]) await failedSync(seed + nth, nth, path)
  },
  'a full disk refuses writes and recovers': async seed => {
    for (const space of [0, 100, 20_000]) await fullDisk(seed + space, space)
  },
  'the free floor refuses writes before the disk is full': freeFloor,
  'a failed write loses nothing acknowledged': async seed => {
    for (const path of [/journal/, /\.log$/]) for (const nth of [1, 3]) await failedWrite(seed + nth, path, nth)
  },
  'a failed read is an error and not an empty answer': failedRead,
  'a flipped bit is never served nor silently cut off': async seed => {
    for (let round = 0; round < 8; round++) await flippedBits(seed + round)
  },
  'a clock that jumps a year purges nothing': clockJump,
}

interface Subject {
  world: World
  log: Log
  partitions: PartitionLog[]
  promises: Promises
  fatal: Error[]
}

async function subject(seed: number, overrides: Partial<typeof settings> = {}): Promise<Subject> {
  const world = simulatedWorld({ seed })
  const fatal: Error[] = []
  const log = await open(world, error => fatal.push(error), overrides)
  const promises = partitionSpecs(world.random, 3).map(spec => noPromise({ ...spec, config: { ...spec.config, durability: null } }))
  return { world, log, promises, partitions: openAll(log, promises), fatal }
}

type Outcome = 'acknowledged' | 'refused' | 'unanswered'

/** Appends one batch and lets time pass until it is answered, at most some virtual seconds. */
async function append({ world, partitions, promises }: Subject, index: number, bytes = 300): Promise<Outcome> {
  const promise = promises[index]!
  const partition = partitions[index]!
  const batch: ModelBatch = {
    baseOffset: endOf(promise.batches),
    values: [`${index}:${endOf(promise.batches)}-`.padEnd(bytes, 'x')],
    keys: [`${index}:${endOf(promise.batches)}`],
    producerId: -1,
    producerEpoch: -1,
    baseSequence: -1,
  }
  let durable: Promise<void> | null
  try {
    const appended = partition.append(encode(batch, world.system.clock.now()), { origin: 'client' })
    durable = appended.durable
    batch.baseOffset = appended.baseOffset
  } catch (error) {
    if (error instanceof KafkaError && error.name === 'KAFKA_STORAGE_ERROR') return 'refused'
    throw error
  }
  promise.batches.push(batch)
  let outcome: Outcome = 'unanswered'
  const answered = (durable ?? Promise.resolve()).then(
    () => {
      outcome = 'acknowledged'
      promise.durable = promise.written = endOf(promise.batches)
    },
    () => {
      outcome = 'refused'
    },
  )
  await world.run(Promise.race([answered, world.pass(5000)]))
  return outcome
}

async function fill(subject: Subject, count: number, bytes?: number): Promise<void> {
  for (let round = 0; round < count; round++) {
    const outcome = await append(subject, round % subject.partitions.length, bytes)
    expectThat(outcome === 'acknowledged', `a healthy disk acknowledges, but: ${outcome}`)
  }
}

/** Crashes and opens the log again on a healthy disk: all that was acknowledged is there. */
async function checkAfterCrash({ world, promises }: Subject): Promise<void> {
  for (const cut of ['synced', 'torn', 'process'] as const) {
    const next = simulatedWorld({ seed: 1, image: world.disk.image(cut, world.random.fork()) })
    const log = await open(next)
    for (const [index, partition] of openAll(log, promises).entries()) await next.run(checkRecovered(partition, promises[index]!, cut))
  }
}

async function failedSync(seed: number, nth: number, path: RegExp): Promise<void> {
  const it = await subject(seed)
  await fill(it, 20)
  it.world.disk.faults.fail('datasync', 'EIO', { nth, path })
  for (let round = 0; round < 2000 && it.world.disk.faults.struck === 0; round++) await append(it, round % 3, 1500)
  expectThat(it.world.disk.faults.struck === 1, 'the planted fault struck')
  const after = await append(it, 0)
  expectThat(after !== 'acknowledged', 'nothing is acknowledged after a failed sync')
  expectThat(it.fatal.length === 1, `a failed sync is fatal, once, but ${it.fatal.length} times`)
  await checkAfterCrash(it)
  await startAgain(it)
}

/** On the same machine, whose page cache shows what never reached the disk: from now on the power may go. */
async function startAgain({ world, promises }: Subject): Promise<void> {
  const next = simulatedWorld({ seed: 2, image: world.disk.image('process', world.random.fork()) })
  const log = await open(next)
  const partitions = openAll(log, promises)
  const shown = promises.map((promise, index) => {
    const { highWatermark } = partitions[index]!
    return { ...promise, batches: promise.batches.filter(({ baseOffset }) => baseOffset < highWatermark), seen: highWatermark }
  })
  const it: Subject = { world: next, log, partitions, promises: shown, fatal: [] }
  await checkAfterCrash(it)
  await fill(it, 60, 1500)
  await next.pass(5000)
  await checkAfterCrash(it)
}

async function fullDisk(seed: number, space: number): Promise<void> {
  const it = await subject(seed)
  await fill(it, 60)
  it.world.disk.faults.space = space
  let refused = 0
  for (let round = 0; round < 400 && refused < 3; round++) if ((await append(it, round % 3, 900)) !== 'acknowledged') refused++
  expectThat(refused === 3, 'a full disk refuses writes')
  for (const [index, partition] of it.partitions.entries()) {
    const promise = it.promises[index]!
    promise.batches = promise.batches.filter(batch => batch.baseOffset < partition.logEndOffset)
    if (partition.offline === null) await it.world.run(checkContent(nameOf(promise), partition, promise.batches, partition.highWatermark))
  }
  await checkAfterCrash(it)
  it.world.disk.faults.space = null
  await it.world.pass(60_000)
  expectThat(it.fatal.length === 0, `a full disk is not the end: ${it.fatal[0]?.stack}`)
  for (const [index, partition] of it.partitions.entries()) {
    expectThat(partition.offline === null, `online again once there is space, but: ${partition.offline}`)
    expectThat((await append(it, index)) === 'acknowledged', 'writes go on without a restart once there is space')
    await it.world.run(checkContent(nameOf(it.promises[index]!), partition, it.promises[index]!.batches))
  }
}

async function freeFloor(seed: number): Promise<void> {
  const it = await subject(seed, { freeBytesFloor: 1024 * 1024 })
  await fill(it, 30)
  it.world.disk.faults.space = 1000 * 1024
  await it.world.pass(60_000)
  expectThat((await append(it, 0)) === 'refused', 'below the floor of free bytes writes are refused')
  const [partition, promise] = [it.partitions[0]!, it.promises[0]!]
  await it.world.run(checkContent(nameOf(promise), partition, promise.batches))
  promise.startAsked = promise.startAcknowledged = 2
  await it.world.run(partition.deleteBefore(2))
  it.world.disk.faults.space = null
  await it.world.pass(60_000)
  expectThat((await append(it, 0)) === 'acknowledged', 'above the floor writes go on')
  expectThat(it.fatal.length === 0, `the floor is not the end: ${it.fatal[0]?.stack}`)
  await checkAfterCrash(it)
}

async function failedWrite(seed: number, path: RegExp, nth: number): Promise<void> {
  const it = await subject(seed)
  await fill(it, 30)
  it.world.disk.faults.fail('write', 'EIO', { path, nth })
  for (let round = 0; round < 400 && it.world.disk.faults.struck === 0; round++) await append(it, round % 3, 1500)
  expectThat(it.world.disk.faults.struck === 1, `the planted fault struck (${path}, write ${nth})`)
  // Going on is fine, giving up is fine; what counts is what is there after a crash.
  for (let round = 0; round < 30; round++) await append(it, round % 3)
  for (const [index, partition] of it.partitions.entries())
    if (partition.offline === null && it.fatal.length === 0)
      await it.world.run(checkContent(nameOf(it.promises[index]!), partition, it.promises[index]!.batches, partition.highWatermark))
  await checkAfterCrash(it)
}

async function failedRead(seed: number): Promise<void> {
  const it = await subject(seed)
  await fill(it, 300)
  await it.world.run(it.log.close())
  const next = simulatedWorld({ seed, image: it.world.disk.image('process', it.world.random.fork()) })
  const log = await open(next)
  const partitions = openAll(log, it.promises)
  const path = new RegExp(`/${nameOf(it.promises[0]!)}/.*\\.log$`)
  next.disk.faults.fail('read', 'EIO', { path })
  const outcome = await next.run(readAll(partitions[0]!, it.promises[0]!))
  expectThat(next.disk.faults.struck === 1, 'the planted fault struck')
  expectThat(outcome === 'error', 'a read that failed is answered with an error')
  for (const index of [1, 2])
    expectThat((await next.run(readAll(partitions[index]!, it.promises[index]!))) === 'whole', 'others are served')
}

const storageErrors: readonly string[] = ['KAFKA_STORAGE_ERROR', 'CORRUPT_MESSAGE']

/** `error`: the reader was told. A Finding: it was given something wrong, or less. */
async function readAll(partition: PartitionLog, promise: PartitionPromise): Promise<'whole' | 'error'> {
  if (partition.offline !== null) return 'error'
  let outcome: 'whole' | 'error' = 'whole'
  try {
    await checkContent(nameOf(promise), partition, promise.batches)
  } catch (error) {
    // Batches travel unread, as in Kafka: a damaged one may reach the client, whose checksum tells.
    const told = error instanceof DamagedBatch || (error instanceof KafkaError && storageErrors.includes(error.name))
    if (!told) throw error
    outcome = 'error'
  }
  const end = endOf(promise.batches)
  expectThat(partition.logEndOffset === end, `${nameOf(promise)} ends at ${partition.logEndOffset} instead of ${end}`)
  return outcome
}

/** One bit in one file of each kind, each on its own copy of the disk. */
async function flippedBits(seed: number): Promise<void> {
  const it = await subject(seed)
  await fill(it, 240)
  const clean = seed % 2 === 0
  if (clean) await it.world.run(it.log.close())
  const kinds = new Map<string, string>()
  for (const path of it.world.disk.paths())
    kinds.set(path.includes('/journal/') ? 'journal' : path.replace(/^.*\//, '').replace(/^\d+/, '#'), path)
  for (const [kind, path] of kinds) {
    const world = simulatedWorld({ seed, image: it.world.disk.image('process', it.world.random.fork()) })
    const size = world.system.files.readFile(path)!.length
    if (size === 0) continue
    const bit = world.random.below(size * 8)
    world.disk.flipBit(path, bit)
    try {
      await checkFlipped(world, it.promises)
    } catch (error) {
      throw new Finding(
        `${clean ? 'clean' : 'crashed'}, bit ${bit} of ${path} (${kind}): ${error instanceof Error ? error.stack : String(error)}`,
      )
    }
  }
}

async function checkFlipped(world: World, promises: Promises): Promise<void> {
  const fatal: Error[] = []
  let log: Log
  try {
    log = await open(world, error => fatal.push(error))
  } catch (error) {
    // Refusing to start is loud enough, if the reason is named.
    const named =
      error instanceof KafkaError || (error as DiskError).code !== undefined || /corrupt|checksum|crc|invalid/i.test(String(error))
    expectThat(named, `a start on a damaged disk is refused by name, but: ${String(error)}`)
    return
  }
  const partitions = openAll(log, promises)
  const outcomes: string[] = []
  for (const [index, promise] of promises.entries()) outcomes.push(await world.run(readAll(partitions[index]!, promise)))
  expectThat(outcomes.filter(outcome => outcome === 'error').length <= 1, `one bit harms at most one partition: ${outcomes.join()}`)
}

async function clockJump(seed: number): Promise<void> {
  const machine = simulatedWorld({ seed })
  const onFailure = (error: Error) => {
    throw new Finding(`the clock's history: ${error.message}`)
  }
  const watch = watchClock({ system: machine.system, path: '/clock', onJump: () => {}, onFailure })
  const world = { ...machine, system: { ...machine.system, clock: await machine.run(watch) } }
  const log = await open(world)
  const week = 604_800_000
  const promises = partitionSpecs(world.random, 3).map(spec =>
    noPromise({ ...spec, config: { ...topicConfig, retentionMs: week, segmentMs: week } }),
  )
  const it: Subject = { world, log, promises, partitions: openAll(log, promises), fatal: [] }
  await fill(it, 300)
  world.jumpClock(365 * 86_400_000)
  await world.pass(2 * settings.retentionCheckIntervalMs)
  await fill(it, 3)
  await world.pass(2 * settings.retentionCheckIntervalMs)
  for (const [index, promise] of promises.entries()) {
    expectThat(it.partitions[index]!.logStartOffset === 0, `${nameOf(promise)} lost its head to a jump of the clock`)
    await world.run(checkContent(nameOf(promise), it.partitions[index]!, promise.batches))
  }
}
