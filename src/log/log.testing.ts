/** Shared by the tests of the log: a system that can be "killed", batches, and reading everything back. */
import assert from 'node:assert/strict'
import { type FileHandle, type FileSystem, memoryFileSystem, realSystem, type System } from '../base.ts'
import { type Log, type LogSettings, openLog, type PartitionLog, parseTopicValues, type TopicConfig, topicConfigOf } from '../log.ts'
import { buildBatch, forEachRecord, KafkaError, type NewBatch, type Uuid } from '../protocol.ts'

export const settings: LogSettings = {
  durability: 'os',
  journalFileBytes: 256 << 10,
  journalFiles: 3,
  tailBytes: 2 << 20,
  retentionCheckIntervalMs: 1e9,
  cleanerBackoffMs: 1e9,
  cleanerDedupeBufferBytes: 1 << 20,
  producerIdExpirationMs: 86_400_000,
  maxProducerIdsPerPartition: 10_000,
  freeBytesFloor: 0,
}

export function topicConfig(overrides: Partial<TopicConfig> = {}): TopicConfig {
  return { ...topicConfigOf(parseTopicValues(new Map()), new Map()), durability: null, ...overrides }
}

export const topicId = 'AAAAAAAAAAAAAAAAAAAB0Q' as Uuid

/** A process on a disk: after `kill` none of its file operations does anything any more, and the disk can be opened by the next one. */
export interface Process {
  system: System
  kill(): void
  /** After `kill`: its files are closed, and no call of the disk is under way any more. */
  ended(): Promise<void>
}

export function processOn(disk: FileSystem): Process {
  let dead = false
  const never = new Promise<never>(() => {})
  const alive = <T>(action: () => T): T => {
    if (dead) throw new Error('killed')
    return action()
  }
  const underWay = new Set<Promise<unknown>>()
  const open = new Set<FileHandle>()
  const later = <T>(action: () => Promise<T>): Promise<T> => {
    if (dead) return never
    const running: Promise<T> = action().finally(() => underWay.delete(running))
    underWay.add(running)
    return running.then(value => (dead ? never : value))
  }
  const wrap = (handle: FileHandle): FileHandle => ({
    path: handle.path,
    writeSync: (buffers, position) => alive(() => handle.writeSync(buffers, position)),
    write: (buffers, position) => later(() => handle.write(buffers, position)),
    readSync: (buffer, position) => alive(() => handle.readSync(buffer, position)),
    read: (buffer, position) => later(() => handle.read(buffer, position)),
    size: () => alive(() => handle.size()),
    truncate: size => alive(() => handle.truncate(size)),
    datasync: () => later(() => handle.datasync()),
    datasyncSync: () => alive(() => handle.datasyncSync()),
    close: () => {
      if (open.delete(handle) || !dead) handle.close()
    },
  })
  const files: FileSystem = {
    ...disk,
    open: (path, mode) => {
      const handle = alive(() => disk.open(path, mode))
      open.add(handle)
      return wrap(handle)
    },
    removeFile: path => later(() => disk.removeFile(path)),
    removeDirectory: path => later(() => disk.removeDirectory(path)),
    syncDirectory: path => later(() => disk.syncDirectory(path)),
    replaceFile: (path, content) => later(() => disk.replaceFile(path, content)),
  }
  const real = realSystem(files)
  const run = (callback: () => void) => {
    try {
      if (!dead) callback()
    } catch (error) {
      // Nobody hears of what happens in the turn in which it is killed.
      if (!dead) throw error
    }
  }
  const timers = {
    after: (ms: number, callback: () => void) => real.timers.after(ms, () => run(callback)),
    soon: (callback: () => void) => real.timers.soon(() => run(callback)),
  }
  return {
    system: { ...real, timers },
    kill() {
      dead = true
    },
    async ended() {
      while (underWay.size > 0) await Promise.allSettled(underWay)
      for (const handle of open) handle.close()
      open.clear()
    },
  }
}

export interface TestLog {
  log: Log
  kill(): void
  ended(): Promise<void>
  failures: Error[]
}

export async function openTestLog(
  disk: FileSystem = memoryFileSystem(),
  changes: Partial<LogSettings> = {},
  report: (what: string) => void = () => {},
  directory = '/data',
): Promise<TestLog> {
  const process = processOn(disk)
  const failures: Error[] = []
  const onFatal = (error: Error) => void failures.push(error)
  const log = await openLog({
    system: process.system,
    directory,
    settings: { ...settings, ...changes },
    onFatal,
    onThisMachine: false,
    report,
  })
  return { log, kill: process.kill, ended: process.ended, failures }
}

export function partitionOf(log: Log, partition = 0, config: Partial<TopicConfig> = {}): PartitionLog {
  return log.create({ topic: 'orders', topicId, partition, config: topicConfig(config) })
}

export type TestBatch = Omit<NewBatch, 'records'> & { values: string[] }

export function batchOf({ values, ...batch }: TestBatch): Buffer {
  return buildBatch({
    timestamp: realSystem().clock.now(),
    ...batch,
    records: values.map(value => ({ key: null, value: Buffer.from(value) })),
  })
}

export function append(partition: PartitionLog, ...values: string[]): ReturnType<PartitionLog['append']> {
  return partition.append(batchOf({ values }), { origin: 'client' })
}

/** Offset and value of every record that a consumer sees from `from` on. */
export async function readAll(partition: PartitionLog, from = partition.logStartOffset, maxBytes = 100_000): Promise<[number, string][]> {
  const records: [number, string][] = []
  for (let next = from; ; ) {
    const slice = await partition.read(next, { maxBytes, atLeastOne: true, upTo: 'high-watermark' })
    const before = next
    for (const chunk of slice.chunks)
      forEachRecord(chunk, record => {
        if (record.offset >= from) records.push([record.offset, record.value?.toString() ?? ''])
        next = record.offset + 1
        return true
      })
    slice.release()
    if (next === before) return records
  }
}

export const turn = () => new Promise<void>(resolve => realSystem().timers.soon(resolve))

/** A client may be refused, but only with an error that the protocol has. */
export async function refusable(action: () => unknown): Promise<boolean> {
  try {
    await action()
    return true
  } catch (error) {
    assert.ok(error instanceof KafkaError, `not for clients: ${(error as Error).stack}`)
    return false
  }
}
