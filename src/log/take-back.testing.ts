/**
 * Compares groups of appends with failing disk operations with a naive model: a script of steps runs with the disk failing at one operation,
 * and afterwards the log must contain exactly the acknowledged records, at the offsets in the responses; before and after a crash.
 */
import assert from 'node:assert/strict'
import { DiskError, type FileHandle, type FileSystem, memoryFileSystem } from '../base.ts'
import type { Appended, PartitionLog } from '../log.ts'
import { batchOf, openTestLog, partitionOf, readAll, type TestLog, turn } from './log.testing.ts'
import type { Partition } from './partition/partition.ts'
import type { Tail } from './tail/tail.ts'

/** How an operation of the disk fails: not begun, half done, or done though it says otherwise. */
export type Failure = 'nothing' | 'half' | 'all'

export interface Fault {
  /** Which of the operations fails, counted from 0; those after it do, too, when `stays`. */
  at: number
  failure: Failure
  stays: boolean
}

/** Counts writes and truncations of journal and segments, and fails as told. */
class FailingDisk {
  readonly memory = memoryFileSystem()
  operations = 0
  fault: Fault | null = null
  readonly files: FileSystem = { ...this.memory, open: (path, mode) => this.#wrap(this.memory.open(path, mode)) }

  #wrap(handle: FileHandle): FileHandle {
    if (!/\.(log|journal)$/.test(handle.path) || handle.path.endsWith('state.log')) return handle
    const writeSync = handle.writeSync.bind(handle)
    const truncate = handle.truncate.bind(handle)
    return Object.assign(handle, {
      writeSync: (buffers: readonly Uint8Array[], position: number) => {
        const bytes = Buffer.concat(buffers)
        const failure = this.#next()
        if (failure === 'half') writeSync([bytes.subarray(0, bytes.length >> 1)], position)
        else if (failure !== 'nothing') writeSync([bytes], position)
        if (failure !== null) throw new DiskError('write', handle.path, 'ENOSPC')
      },
      truncate: (size: number) => {
        const failure = this.#next()
        if (failure === null || failure === 'all') truncate(size)
        if (failure !== null) throw new DiskError('ftruncate', handle.path, 'EIO')
      },
    })
  }

  #next(): Failure | null {
    const nth = this.operations++
    if (this.fault === null) return null
    return nth === this.fault.at || (this.fault.stays && nth > this.fault.at) ? this.fault.failure : null
  }
}

interface Producer {
  id: number
  /** Sequence number of the next batch. */
  next: number
  last: { value: string; sequence: number } | null
}

/** What a client waits for. */
class Outcome {
  state: 'unknown' | 'acknowledged' | 'refused' = 'unknown'
  readonly learned: (acknowledged: boolean) => void

  constructor(promise: Promise<void> | null, learned: (acknowledged: boolean) => void) {
    this.learned = learned
    if (promise === null) this.state = 'acknowledged'
    promise?.then(
      () => void (this.state = 'acknowledged'),
      error => {
        assert.match(`${(error as Error).name} ${(error as Error).message}`, refusals)
        this.state = 'refused'
      },
    )
  }
}

const refusals = /ENOSPC|EIO|KAFKA_STORAGE_ERROR/
/** Enough for a group commit and a sync. */
const turnsOfCommit = 4

/**
 * `a`, `b`: a small append of one of two idempotent producers. `A`: a large one. `G`: a large one that is gathered. `f`: what is gathered
 * is written. `d`: the last batch of the first once more. `t`: a look-up by
 * time. `e`: the tail evicts. `r`: the segment rolls. `l`: DeleteRecords. `w`: the end of the turn, and all outcomes are known.
 */
export type Step = 'a' | 'b' | 'A' | 'G' | 'f' | 'd' | 't' | 'e' | 'r' | 'l' | 'w'

const sizes = { os: 9_000, fsync: 50_000 }

export class TakeBackRun {
  readonly #disk = new FailingDisk()
  readonly #durability: 'os' | 'fsync'
  #log!: TestLog
  #partition!: PartitionLog
  readonly #producers: [Producer, Producer] = [
    { id: 1, next: 0, last: null },
    { id: 2, next: 0, last: null },
  ]
  /** Offsets that were acknowledged, by value. */
  readonly #acknowledged = new Map<string, number>()
  #outcomes: Outcome[] = []
  #logStart = 0
  #count = 0

  constructor(durability: 'os' | 'fsync') {
    this.#durability = durability
  }

  /** Answers how many operations the disk was asked for by the script. */
  async run(script: readonly Step[], fault: Fault | null): Promise<number> {
    await this.#open()
    await this.#do('a')
    await this.#do('w')
    const before = this.#disk.operations
    this.#disk.fault = fault === null ? null : { ...fault, at: before + fault.at }
    for (const step of script) await this.#do(step)
    await this.#settle()
    const operations = this.#disk.operations - before
    this.#disk.fault = null
    await this.#check('while it fails')
    return operations
  }

  /** The disk works again: all goes on, and nothing that was refused comes back, also not after a crash. */
  async goOn(): Promise<void> {
    for (const step of ['a', 'w'] as const) await this.#do(step)
    await this.#check('when the disk works again')
    await this.crash(false)
    await this.#open()
    for (const step of ['b', 'w', 'A', 'w'] as const) await this.#do(step)
    assert.equal(this.#acknowledged.has(this.#producers[0].last!.value), true, 'the disk works, but an append is refused')
    assert.equal(this.#outcomes.length, 0, 'somebody waits for ever')
    await this.#check('in the end')
    await this.crash(false)
  }

  /** `mayReturn`: what was refused last may be there, behind all else; nobody can know. */
  async crash(mayReturn: boolean): Promise<void> {
    this.#log.kill()
    await this.#open()
    assert.equal(this.#partition.offline, null)
    await this.#check('after a crash', mayReturn)
    this.#log.kill()
  }

  async #open(): Promise<void> {
    this.#log = await openTestLog(this.#disk.files, { durability: this.#durability, tailBytes: 1 << 20, journalFileBytes: 64 << 10 })
    this.#partition = partitionOf(this.#log.log)
  }

  async #do(step: Step): Promise<void> {
    const [one, two] = this.#producers
    if (step === 'a') this.#append(one, 10)
    else if (step === 'b') this.#append(two, 10)
    else if (step === 'A') this.#append(one, sizes[this.#durability])
    else if (step === 'G') this.#append(one, sizes[this.#durability], true)
    else if (step === 'f') this.#log.log.writeOut()
    else if (step === 'd') this.#repeat(one)
    else if (step === 'l') this.#deleteRecords()
    else if (step === 'w') await this.#settle()
    else if (step === 't') await refusable(async () => void (await this.#partition.offsetForTimestamp(0, 'high-watermark')))
    else if (step === 'e') await refusable(() => this.#evict())
    else await refusable(() => this.#roll())
  }

  #append(producer: Producer, size: number, gather = false): void {
    const value = `${producer.id}/${this.#count++}/`.padEnd(size, 'x')
    const sequence = producer.next
    producer.last = { value, sequence }
    this.#send(producer, value, sequence, gather)
  }

  #repeat(producer: Producer): void {
    const { value, sequence } = producer.last!
    this.#send(producer, value, sequence)
  }

  #send(producer: Producer, value: string, baseSequence: number, gather = false): void {
    const records = batchOf({ values: [value], producerId: producer.id, producerEpoch: 0, baseSequence })
    let appended: Appended
    try {
      appended = this.#partition.append(records, { origin: 'client', gather })
    } catch (error) {
      assert.match((error as Error).name, /KAFKA_STORAGE_ERROR|OUT_OF_ORDER_SEQUENCE_NUMBER/)
      return
    }
    producer.next = Math.max(producer.next, baseSequence + 1)
    const outcome = (acknowledged: boolean) => {
      if (acknowledged) this.#acknowledge(value, appended.baseOffset)
      else producer.next = Math.min(producer.next, baseSequence)
    }
    // acks=all; with acks=1 it is the same or sooner.
    this.#outcomes.push(new Outcome(appended.durable, outcome))
  }

  #deleteRecords(): void {
    const to = this.#partition.highWatermark
    const moved = (acknowledged: boolean) => void (this.#logStart = acknowledged ? Math.max(this.#logStart, to) : this.#logStart)
    this.#outcomes.push(new Outcome(this.#partition.deleteBefore(to), moved))
  }

  #roll(): void {
    const partition = this.#partition as Partition
    if (partition.segments.active?.size !== 0) partition.roll(0)
  }

  /** Asks for as much memory as there is, in another's name. */
  #evict(): void {
    const { tail } = this.#log.log as unknown as { tail: Tail }
    for (let chunk = 0; chunk < 6; chunk++) tail.reserve(256 << 10)
  }

  /** Waits for what is under way, as clients do, who repeat what was refused. */
  async #settle(): Promise<void> {
    for (let count = 0; count < turnsOfCommit; count++) await turn()
    for (const { state, learned } of this.#outcomes) if (state !== 'unknown') learned(state === 'acknowledged')
    this.#outcomes = this.#outcomes.filter(({ state }) => state === 'unknown')
    for (const producer of this.#producers)
      if (producer.last !== null && this.#acknowledged.has(producer.last.value)) producer.next = producer.last.sequence + 1
  }

  #acknowledge(value: string, offset: number): void {
    assert.ok([undefined, offset].includes(this.#acknowledged.get(value)), `${value.slice(0, 9)} was acknowledged at two offsets`)
    this.#acknowledged.set(value, offset)
  }

  async #check(when: string, mayReturn = false): Promise<void> {
    const brief = (records: [number, string][]) => records.map(([offset, value]) => `${offset}: ${value.slice(0, 9)}`)
    const expected = [...this.#acknowledged].map(([value, offset]): [number, string] => [offset, value])
    const visible = expected.filter(([offset]) => offset >= this.#logStart).sort(([a], [b]) => a - b)
    const actual = await readAll(this.#partition)
    const compared = mayReturn ? actual.slice(0, visible.length) : actual
    assert.deepEqual(brief(compared), brief(visible), when)
    assert.equal(this.#partition.logStartOffset, this.#logStart, `log start ${when}`)
    if (!mayReturn) assert.equal(this.#partition.logEndOffset, expected.length, `log end ${when}`)
  }
}

/** The disk may refuse it. */
async function refusable(action: () => void | Promise<void>): Promise<void> {
  try {
    await action()
  } catch (error) {
    assert.match(`${(error as Error).name} ${(error as Error).message}`, refusals)
  }
}
