/** A partition moves between two processes, of which one is killed before any of its steps, and started again. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type FileSystem, memoryFileSystem, realSystem, type System } from '../../base.ts'
import { type ClusterMetadata, type MetadataLog, openClusterMetadata } from '../../coordinator.ts'
import { type Log, openLog, type PartitionLog } from '../../log.ts'
import { buildBatch, forEachRecord, KafkaError, toKafkaError, type Uuid, zeroUuid } from '../../protocol.ts'
import { loadBrokerConfig, logSettings, topicRules } from '../config.ts'
import { ProcessDirectories } from './process-directories.ts'
import { ProcessMover } from './process-mover.ts'

const directories = new Map([
  [0, '/data'],
  [1, '/data/.process1'],
  [2, '/data/.process2'],
])
const never = new Promise<never>(() => {})

/** What a kill does to an append to the metadata that was sent already. */
type Fate = 'lost' | 'made' | 'late'

/** Ends before the step `killAt`; from then on nothing that it does has an effect. */
class Mortal {
  killAt = Number.POSITIVE_INFINITY
  steps = 0
  fate: Fate = 'lost'

  get isDead(): boolean {
    return this.steps >= this.killAt
  }

  /** Before each change of the disk or of the metadata. */
  step(): void {
    if (!this.isDead) this.steps++
    if (this.isDead) throw new Error('killed')
  }

  later<T>(action: () => Promise<T>): Promise<T> {
    try {
      this.step()
    } catch {
      return never
    }
    return action().then(value => (this.isDead ? never : value))
  }

  files(disk: FileSystem): FileSystem {
    const now = <T>(action: () => T): T => {
      this.step()
      return action()
    }
    return {
      ...disk,
      open: (path, mode) => {
        const handle = mode === 'r' ? disk.open(path, mode) : now(() => disk.open(path, mode))
        return {
          path,
          writeSync: (buffers, at) => now(() => handle.writeSync(buffers, at)),
          write: (buffers, at) => this.later(() => handle.write(buffers, at)),
          readSync: (buffer, at) => handle.readSync(buffer, at),
          read: (buffer, at) => handle.read(buffer, at),
          size: () => handle.size(),
          truncate: size => now(() => handle.truncate(size)),
          datasync: () => this.later(() => handle.datasync()),
          datasyncSync: () => now(() => handle.datasyncSync()),
          close: () => handle.close(),
        }
      },
      makeDirectory: path => (disk.exists(path) ? undefined : now(() => disk.makeDirectory(path))),
      rename: (from, to) => now(() => disk.rename(from, to)),
      remove: path => now(() => disk.remove(path)),
      removeFile: path => this.later(() => disk.removeFile(path)),
      removeDirectory: path => this.later(() => disk.removeDirectory(path)),
      syncDirectory: path => this.later(() => disk.syncDirectory(path)),
      replaceFile: (path, content) => this.later(() => disk.replaceFile(path, content)),
    }
  }

  metadata(shared: MetadataLog): MetadataLog {
    return {
      append: (expected, records, id) => {
        const make = () => shared.append(expected, records, id)
        try {
          this.step()
        } catch {
          if (this.fate === 'made') make().catch(() => {})
          if (this.fate === 'late')
            sleep(60)
              .then(make)
              .catch(() => {})
          return never
        }
        return make().then(value => (this.isDead ? never : value))
      },
      read: from => (this.isDead ? never : shared.read(from)),
      onChanged: callback => shared.onChanged(() => void (this.isDead || callback())),
      close() {},
    }
  }

  system(disk: FileSystem): System {
    const real = realSystem(this.files(disk))
    const run = (callback: () => void) => {
      if (this.isDead) return
      try {
        callback()
      } catch (error) {
        // Nobody hears of what happens in the turn in which it is killed.
        if (!this.isDead) throw error
      }
    }
    const timers = {
      after: (ms: number, callback: () => void) => real.timers.after(ms, () => run(callback)),
      soon: (callback: () => void) => real.timers.soon(() => run(callback)),
    }
    return { ...real, timers }
  }
}

interface Process {
  mortal: Mortal
  log: Log
  metadata: ClusterMetadata
  mover: ProcessMover
}

async function openProcess(disk: FileSystem, brokerId: number, shared?: MetadataLog): Promise<Process> {
  const mortal = new Mortal()
  const system = mortal.system(disk)
  const config = loadBrokerConfig({})
  const directory = directories.get(brokerId)!
  const report = (what: string, error: unknown) => {
    if (!mortal.isDead && process.env['SHOW']) console.log(brokerId, what, error)
  }
  const log = await openLog({
    system,
    directory,
    settings: { ...logSettings(config), tailBytes: 1 << 20, journalFileBytes: 1 << 20 },
    onThisMachine: false,
    report,
    onFatal(error) {
      if (!mortal.isDead) throw error
    },
  })
  const metadata = await openClusterMetadata({
    system,
    log,
    directory,
    brokerId,
    rules: topicRules(config),
    reporter: { info: (details, message) => report(message, details), warn: (details, message) => report(message, details) },
    metadataLog: shared === undefined ? undefined : mortal.metadata(shared),
    directories: new ProcessDirectories({ files: system.files, timers: system.timers, brokerId, directories, report }),
  })
  const answers = async () => true
  const mover = new ProcessMover({ brokerId, log, metadata, timers: system.timers, answers, report })
  return { mortal, log, metadata, mover }
}

async function eventually<T>(what: string, look: () => T | undefined | Promise<T | undefined>): Promise<T> {
  for (let attempt = 0; attempt < 2_000; attempt++) {
    const found = await look()
    if (found !== undefined) return found
    await sleep(5)
  }
  throw new Error(`it did not happen: ${what}`)
}

async function valuesOf(log: PartitionLog): Promise<string[]> {
  const values: string[] = []
  for (let next = log.logStartOffset; next < log.highWatermark; ) {
    const slice = await log.read(next, { maxBytes: 1 << 20, atLeastOne: true, upTo: 'high-watermark' })
    for (const chunk of slice.chunks)
      forEachRecord(chunk, ({ offset, value }) => {
        if (offset >= next) values.push(String(value))
        next = offset + 1
        return true
      })
    slice.release()
  }
  return values
}

/** A producer of one process: sends until it is refused. */
class Producer {
  readonly acknowledged: string[] = []
  #sent = 0

  async send(log: PartitionLog): Promise<void> {
    const value = `v${this.#sent++}`
    const records = buildBatch({ records: [{ key: null, value: Buffer.from(value) }], timestamp: 1 })
    await log.append(records, { origin: 'client' }).durable
    this.acknowledged.push(value)
  }

  /** Until the partition is not there any more. Whether the last one was taken, is not known. */
  async sendWhile(log: PartitionLog, goesOn: () => boolean): Promise<void> {
    try {
      while (goesOn()) {
        await Promise.race([this.send(log), sleep(50)])
        await sleep(1)
      }
    } catch (error) {
      if (goesOn()) assert.equal(toKafkaError(error).name, 'NOT_LEADER_OR_FOLLOWER')
    }
  }
}

/** Whether it was killed at all. */
async function moveAndKill(who: 1 | 2, killAt: number, fate: Fate): Promise<boolean> {
  const disk = memoryFileSystem()
  for (const directory of directories.values()) disk.makeDirectory(directory)
  const keeper = await openProcess(disk, 0)
  const shared = keeper.metadata.sharedLog!
  const processes = new Map<number, Process>()
  for (const id of [1, 2]) processes.set(id, await openProcess(disk, id, shared))
  const at = (id: number) => processes.get(id)!
  for (const id of [0, 1, 2])
    await keeper.metadata.registerBroker({ id, incarnation: zeroUuid, rack: null, fenced: false, endpoints: new Map() })
  const assignments = [{ partitionIndex: 0, brokerIds: [1] }]
  const [created] = await keeper.metadata.createTopics(
    [{ name: 't', numPartitions: -1, replicationFactor: -1, assignments, configs: [] }],
    false,
  )
  assert.ok(created !== undefined && !(created instanceof KafkaError))
  const topicId: Uuid = created.id
  const first = await eventually('open', () => at(1).metadata.partition(topicId, 0))
  const producer = new Producer()
  for (let nth = 0; nth < 3; nth++) await producer.send(first)

  const { mortal } = at(who)
  mortal.steps = 0
  mortal.fate = fate
  mortal.killAt = killAt
  let isOver = false
  const sending = producer.sendWhile(first, () => !isOver && !at(1).mortal.isDead)
  const moving = at(1)
    .mover.move([{ topicId, partition: 0 }], 2)
    .catch(error => assert.ok(mortal.isDead, error))
  await eventually('moved or killed', () => (mortal.isDead || at(2).metadata.partition(topicId, 0) !== undefined ? true : undefined))
  isOver = true
  await Promise.race([sending, sleep(100)])
  const wasKilled = mortal.isDead
  if (wasKilled) processes.set(who, await openProcess(disk, who, shared))
  else mortal.killAt = Number.POSITIVE_INFINITY
  // The one whose process lives on ends its part.
  await Promise.race([moving, sleep(wasKilled ? 20 : 2_000)])
  // What the record says is where it is; a late record is followed, too.
  if (fate === 'late') await sleep(80)
  const leader = async () => {
    const id = keeper.metadata.leaderOf(topicId, 0)!
    const log = at(id).metadata.partition(topicId, 0)
    return log === undefined || log.offline !== null ? undefined : { id, log }
  }
  const { id, log } = await eventually('served again', leader)
  assert.equal(at(3 - id).metadata.partition(topicId, 0), undefined, 'one process has it')
  const values = await valuesOf(log)
  const unsure = values.filter(value => !producer.acknowledged.includes(value))
  assert.ok(unsure.length <= 1, `only the last one may be there without having been acknowledged: ${unsure}`)
  assert.deepEqual(
    values.filter(value => producer.acknowledged.includes(value)),
    producer.acknowledged,
  )
  await producer.send(log)
  assert.equal(disk.exists(`${directories.get(3 - id)!}/t-0`), false, 'one directory has it')
  // And so it is after another start of both.
  for (const each of [1, 2]) {
    at(each).mortal.killAt = 0
    processes.set(each, await openProcess(disk, each, shared))
  }
  const again = await eventually('served after a restart', leader)
  assert.deepEqual([again.id, (await valuesOf(again.log)).length], [id, values.length + 1])
  for (const { mortal: each } of [...processes.values(), keeper]) each.killAt = 0
  return wasKilled
}

for (const who of [1, 2] as const) {
  for (const fate of who === 1 ? (['lost', 'made', 'late'] as const) : (['lost'] as const)) {
    test(`process ${who} is killed at each step of a move, and an append to the metadata that it has sent is ${fate}`, async () => {
      let killAt = 1
      while (await moveAndKill(who, killAt, fate)) killAt++
      assert.ok(killAt > 1, `there are steps to be killed at: ${killAt}`)
    })
  }
}
