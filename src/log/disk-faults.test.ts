/**
 * Any call for the files of some partitions fails once, or from then on. Acknowledged records are there after a restart, other partitions
 * are not affected, and no start fails. If a call for shared files fails, all requests may be rejected, but nothing is lost.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type FileSystem, memoryFileSystem } from '../base.ts'
import type { Log, PartitionLog, TopicConfig } from '../log.ts'
import { buildBatch, forEachRecord, type Uuid } from '../protocol.ts'
import { copyOf, type Fault, FaultyDisk } from './disk-faults.testing.ts'
import { openTestLog, refusable, type TestLog, topicConfig, turn } from './log.testing.ts'

const quick = {
  durability: 'fsync',
  retentionCheckIntervalMs: 2,
  cleanerBackoffMs: 2,
  journalFileBytes: 8 << 10,
  tailBytes: 1 << 20,
} as const

interface Subject {
  topic: string
  topicId: Uuid
  config: Partial<TopicConfig>
}

const small = { segmentBytes: 1500, indexIntervalBytes: 100, fileDeleteDelayMs: 1 }
const plain: Subject = { topic: 'victim-plain', topicId: 'AAAAAAAAAAAAAAAAAAAB0Q' as Uuid, config: small }
const compacted: Subject = {
  topic: 'victim-compacted',
  topicId: 'AAAAAAAAAAAAAAAAAAAB1Q' as Uuid,
  config: { ...small, cleanupPolicy: { delete: false, compact: true }, minCleanableDirtyRatio: 0.01 },
}
const retained: Subject = {
  topic: 'victim-retained',
  topicId: 'AAAAAAAAAAAAAAAAAAAB2Q' as Uuid,
  config: { ...small, retentionBytes: 4000 },
}
/** Long, so that its directory cannot have just something added to its name. */
const deleted: Subject = { topic: `victim-${'x'.repeat(242)}`, topicId: 'AAAAAAAAAAAAAAAAAAAB3Q' as Uuid, config: small }
const successor: Subject = { ...deleted, topicId: 'AAAAAAAAAAAAAAAAAAAB4Q' as Uuid }
const bystander: Subject = { topic: 'bystander', topicId: 'AAAAAAAAAAAAAAAAAAAB5Q' as Uuid, config: small }

const isVictims = (path: string) => path.includes('/victim-')
const isShared = (path: string) => !isVictims(path) && !path.includes('/bystander-')

interface Acknowledged {
  offset: number
  key: string
  value: string
}

/** What was acknowledged, by topic id. */
class Promises {
  readonly #of = new Map<Uuid, Acknowledged[]>()

  of({ topicId }: Subject): Acknowledged[] {
    let all = this.#of.get(topicId)
    if (all === undefined) this.#of.set(topicId, (all = []))
    return all
  }
}

function open(log: Log, { topic, topicId, config }: Subject): PartitionLog {
  return log.create({ topic, topicId, partition: 0, config: topicConfig(config) })
}

class Run {
  readonly #promises: Promises
  readonly #test: TestLog
  readonly #faulty: FaultyDisk | null
  #sent = 0

  constructor(test: TestLog, promises: Promises, faulty: FaultyDisk | null = null) {
    this.#test = test
    this.#promises = promises
    this.#faulty = faulty
  }

  async append(subject: Subject, bytes = 250): Promise<boolean> {
    const partition = open(this.#test.log, subject)
    const key = `k${this.#sent++ % 5}`
    const value = `${subject.topic.slice(0, 20)} ${this.#sent} `.padEnd(bytes, '.')
    return await refusable(async () => {
      const records = [{ key: Buffer.from(key), value: Buffer.from(value) }]
      const appended = partition.append(buildBatch({ records, timestamp: Date.now() }), { origin: 'client' })
      await appended.durable
      this.#promises.of(subject).push({ offset: appended.baseOffset, key, value })
    })
  }

  /** The others go on, whatever happens to the victims: unless a sync failed, and the process has to stop. */
  async checkBystander(): Promise<void> {
    if (this.#test.failures.length > 0) return
    let served = await this.append(bystander)
    // A start refuses clients until its first checkpoint has succeeded. If that lacks descriptors for what it has to sync, it is tried again a second later.
    for (let tries = 0; !served && this.#mayBeRetried && tries < 30; tries++) {
      await this.pass(100)
      served = await this.append(bystander)
    }
    assert.ok(served || this.#faulty?.about === isShared, 'the bystander is served')
    await checkKept(this.#test.log, bystander, this.#promises)
  }

  /** But for what is derived from the log no checkpoint fails. */
  get #mayBeRetried(): boolean {
    const [struck] = this.#faulty?.struck ?? []
    const isShortage = ['ENOSPC', 'EMFILE'].includes(this.#faulty?.fault?.code ?? '')
    return isShortage && struck !== undefined && !/(\.(index|timeindex|snapshot)|leader-epoch-checkpoint)$/.test(struck)
  }

  /** Until retention and compaction have had their turns. */
  async pass(ms: number): Promise<void> {
    await new Promise(resolve => setTimeout(resolve, ms))
  }

  async everything(): Promise<void> {
    const { log } = this.#test
    for (let round = 0; round < 8; round++) {
      for (const subject of [plain, compacted, retained, deleted]) await this.append(subject)
      if (round % 3 === 0) await this.append(plain, 60_000)
      await this.checkBystander()
    }
    await this.pass(8)
    await refusable(() => open(log, plain).deleteBefore(Math.min(4, open(log, plain).highWatermark)))
    await refusable(() => open(log, plain).offsetForTimestamp(Date.now() - 1000, 'high-watermark'))
    await refusable(() => open(log, plain).offsetOfMaxTimestamp())
    await refusable(async () => (await open(log, plain).read(open(log, plain).logStartOffset, all)).release())
    await this.checkBystander()
    await log.delete(deleted.topicId, 0)
    for (let round = 0; round < 3; round++) await this.append(successor)
    await this.pass(8)
    for (let round = 0; round < 4; round++) for (const subject of [plain, compacted, retained]) await this.append(subject)
    await this.pass(4)
    await this.checkBystander()
  }
}

const all = { maxBytes: 10_000, atLeastOne: true, upTo: 'last-stable' } as const

async function contentOf(partition: PartitionLog): Promise<Map<number, { key: string; value: string }>> {
  const found = new Map<number, { key: string; value: string }>()
  for (let next = partition.logStartOffset; next < partition.highWatermark; ) {
    const before = next
    const slice = await partition.read(next, all)
    for (const chunk of slice.chunks)
      forEachRecord(chunk, record => {
        found.set(record.offset, { key: String(record.key), value: String(record.value) })
        next = record.offset + 1
        return true
      })
    slice.release()
    if (next === before) break
  }
  return found
}

/** All that was acknowledged is there, but for what its topic's policy removes. */
async function checkKept(log: Log, subject: Subject, promises: Promises): Promise<void> {
  const partition = open(log, subject)
  assert.equal(partition.offline, null, subject.topic)
  const content = await contentOf(partition)
  const promised = promises.of(subject)
  const newest = new Map(promised.map(({ key, offset }) => [key, offset]))
  for (const { offset, key, value } of promised) {
    const isWanted = subject === compacted ? newest.get(key) === offset : offset >= partition.logStartOffset
    if (isWanted) assert.deepEqual(content.get(offset), { key, value }, `${subject.topic} at offset ${offset}`)
  }
  const last = promised.at(-1)?.offset ?? -1
  assert.ok(partition.logEndOffset > last)
  if (subject !== retained) assert.ok(partition.logStartOffset <= 4)
  else if (promised.length > 0) assert.ok(partition.logStartOffset <= last)
}

async function checkAll(disk: FileSystem, promises: Promises): Promise<void> {
  for (const _ of ['after the fault', 'after a clean close']) {
    const test = await openTestLog(disk, { ...quick, retentionCheckIntervalMs: 1e9, cleanerBackoffMs: 1e9 })
    // Where a failed sync had stopped the log before, the metadata still says so.
    await test.log.delete(deleted.topicId, 0)
    for (const subject of [plain, compacted, retained, successor, bystander]) {
      await checkKept(test.log, subject, promises)
      assert.ok(await new Run(test, promises).append(subject))
    }
    assert.deepEqual(test.log.strays(), [])
    await test.log.close()
    assert.deepEqual(test.failures, [])
  }
}

/** The log lives through a fault, is killed or closed, and starts again. */
async function liveWith(faulty: FaultyDisk, end: 'kill' | 'close'): Promise<void> {
  const promises = new Promises()
  let test: TestLog
  try {
    test = await openTestLog(faulty.files, quick)
  } catch {
    assert.equal(faulty.about, isShared)
    return
  }
  await new Run(test, promises, faulty).everything()
  if (end === 'close' && test.failures.length === 0) await test.log.close()
  test.kill()
  faulty.fault = null
  await checkAll(faulty.files, promises)
}

/** The log starts with a fault on what a kill left, is killed again, and starts once more. */
async function startWith(faulty: FaultyDisk, left: Promises): Promise<void> {
  const promises = new Promises()
  for (const subject of [plain, compacted, retained, successor, bystander]) promises.of(subject).push(...left.of(subject))
  let test: TestLog | null = null
  try {
    test = await openTestLog(faulty.files, quick)
  } catch (error) {
    // The log does not start on a disk that does not sync.
    if (faulty.about === isVictims) assert.match(String(error), /fsync|fdatasync/)
  }
  if (test !== null) {
    const run = new Run(test, promises, faulty)
    await run.checkBystander()
    for (const subject of [plain, compacted, retained, successor]) await run.append(subject)
    await run.pass(4)
    await run.checkBystander()
    test.kill()
  }
  faulty.fault = null
  await checkAll(faulty.files, promises)
}

/** Every `step`th call. Answers how many there are. */
async function everyCall(
  disk: () => FileSystem,
  about: (path: string) => boolean,
  run: (faulty: FaultyDisk) => Promise<void>,
  fault: Omit<Fault, 'nth'>,
  step: number,
): Promise<number> {
  for (let nth = 1 + (fault.code.length % step); ; nth += step) {
    const faulty = new FaultyDisk(disk(), about)
    faulty.fault = { ...fault, nth }
    const time = new Promise<never>((_, reject) => setTimeout(() => reject(new Error('it does not end')), 20_000).unref())
    await Promise.race([run(faulty), time]).catch(error => {
      throw new Error(`${fault.code} at call ${nth}, ${faulty.struck.slice(0, 5).join(', ')}: ${(error as Error).message}`, {
        cause: error,
      })
    })
    if (faulty.struck.length === 0) return nth
  }
}

const faults = [
  { code: 'EIO', forGood: 'no' },
  { code: 'EIO', forGood: 'file' },
  { code: 'EIO', forGood: 'directory' },
  { code: 'ENOSPC', forGood: 'no' },
  { code: 'EACCES', forGood: 'directory' },
  { code: 'EMFILE', forGood: 'no' },
] as const
/** Of the calls of a life and of a start one in so many: all of them take minutes. */
const steps = { life: 37, start: 11 }

for (const [about, whose] of [
  [isVictims, 'one partition'],
  [isShared, 'all'],
] as const)
  for (const [index, fault] of faults.entries()) {
    const name = `${fault.code} ${fault.forGood === 'no' ? 'once' : `for good, for the ${fault.forGood}`}, in the files of ${whose}`
    test(`${name}: create, append, roll, retention, compaction, checkpoint, delete, close`, async () => {
      const end = index % 2 === 0 ? 'close' : 'kill'
      const calls = await everyCall(memoryFileSystem, about, faulty => liveWith(faulty, end), fault, steps.life)
      assert.ok(calls > 100, `${calls} calls`)
    })

    test(`${name}: start`, async () => {
      const disk = memoryFileSystem()
      const promises = new Promises()
      const test = await openTestLog(disk, quick)
      await new Run(test, promises).everything()
      await turn()
      test.kill()
      const calls = await everyCall(
        () => copyOf(disk),
        about,
        faulty => startWith(faulty, promises),
        fault,
        steps.start,
      )
      assert.ok(calls > 30, `${calls} calls`)
    })
  }
