/**
 * A naive model of what a log has guaranteed so far, and the check of a log after a crash.
 *
 * Acknowledged writes survive what their acknowledgement covers: `written` a kill of the process, `durable` a power cut. What a reader
 * below the high watermark has seen never disappears. The rest may or may not be there, but only as a prefix in offset order.
 */
import type { Log, PartitionLog, PartitionSpec } from '../../src/log.ts'
import { buildMarkerBatch, KafkaError } from '../../src/protocol.ts'
import { attribute, buildBatch, readBatches } from '../world/batches.ts'
import type { Cut } from '../world/power-cut.ts'
import type { SeededRandom } from '../world/random.ts'
import { expectThat } from './finding.ts'

export interface ModelBatch {
  baseOffset: number
  values: string[]
  keys: string[]
  /** Bytes behind the first value, which a client made to look like the log's own. */
  plant?: Buffer | undefined
  producerId: number
  producerEpoch: number
  baseSequence: number
  isTransactional?: boolean
  /** It ends the producer's transaction. */
  marker?: 'commit' | 'abort'
}

/** The batch that ends a producer's transaction. */
export function marker(
  baseOffset: number,
  producerId: number,
  committed: boolean,
  timestamp: number,
): { batch: ModelBatch; bytes: Buffer } {
  const batch: ModelBatch = {
    baseOffset,
    // As a marker's record is read.
    values: ['\0'.repeat(6)],
    keys: [`\0\0\0${committed ? '\x01' : '\0'}`],
    producerId,
    producerEpoch: 0,
    baseSequence: -1,
    marker: committed ? 'commit' : 'abort',
  }
  return { batch, bytes: buildMarkerBatch({ producerId, producerEpoch: 0, committed, coordinatorEpoch: 0, timestamp }) }
}

export interface PartitionPromise {
  spec: PartitionSpec
  /** In offset order. */
  batches: ModelBatch[]
  /** The disk refused these, and their offsets may have been given to others since. Where nothing was promised, a crash may leave one. */
  refused: ModelBatch[]
  /** Offsets below these were acknowledged as written, as durable. */
  written: number
  durable: number
  /** Offsets below this were read by a consumer. */
  seen: number
  /** DeleteRecords that was answered, and the highest that was asked for. */
  startAcknowledged: number
  startAsked: number
  /** Its predecessor of the same name was deleted, and it is not created yet. */
  isAbsent: boolean
}

export type Promises = PartitionPromise[]

export function noPromise(spec: PartitionSpec): PartitionPromise {
  return { spec, batches: [], refused: [], written: 0, durable: 0, seen: 0, startAcknowledged: 0, startAsked: 0, isAbsent: false }
}

export function snapshot(promises: Promises): Promises {
  return promises.map(promise => ({ ...promise, batches: promise.batches.slice(), refused: promise.refused.slice() }))
}

export function nameOf({ spec }: PartitionPromise): string {
  return `${spec.topic}-${spec.partition}`
}

export function endOf(batches: readonly ModelBatch[]): number {
  const last = batches.at(-1)
  return last === undefined ? 0 : last.baseOffset + last.values.length
}

export function encode(batch: ModelBatch, timestampMs: number): Buffer {
  return buildBatch({ ...batch, values: valuesOf(batch), timestampMs, attributes: batch.isTransactional ? attribute.transactional : 0 })
}

function valuesOf({ values, plant }: ModelBatch): (string | Buffer)[] {
  return plant === undefined ? values : [Buffer.concat([Buffer.from(values[0]!), plant]), ...values.slice(1)]
}

/** Does `partition`, opened after a crash of this kind, keep what was promised? Returns the batches that are there. */
export async function checkRecovered(partition: PartitionLog, promise: PartitionPromise, cut: Cut): Promise<ModelBatch[]> {
  const kept = checkMarks(partition, promise, cut)
  return await checkBatches(partition, promise, kept)
}

/** The part that needs no time. Answers up to where the log must be what was promised. */
export function checkMarks(partition: PartitionLog, promise: PartitionPromise, cut: Cut): number {
  const name = nameOf(promise)
  expectThat(partition.offline === null, `${name} is online after a crash, but: ${partition.offline}`)
  const { logStartOffset, logEndOffset } = partition
  const osOnly = promise.spec.config.durability === 'os' && cut !== 'process'
  const acknowledged = cut === 'process' ? promise.written : promise.durable
  if (!osOnly) {
    expectThat(logEndOffset >= acknowledged, `${name}: acknowledged up to ${acknowledged}, but the log ends at ${logEndOffset}`)
    expectThat(logEndOffset >= promise.seen, `${name}: read up to ${promise.seen}, but the log ends at ${logEndOffset}`)
    expectThat(
      logStartOffset >= promise.startAcknowledged,
      `${name}: deleted before ${promise.startAcknowledged}, but the log starts at ${logStartOffset}`,
    )
    expectThat(logStartOffset <= promise.startAsked, `${name}: nobody deleted before ${logStartOffset} (only before ${promise.startAsked})`)
  }
  // A log whose beginning was asked for is not taken back behind it, even if a power cut took the batch in which that lies.
  const everything = Math.max(promise.startAsked, endOf(promise.batches), ...promise.refused.map(batch => endOf([batch])))
  expectThat(logEndOffset <= everything, `${name}: the log ends at ${logEndOffset}, after all that was ever appended`)
  expectThat(partition.highWatermark === logEndOffset, `${name}: ${partition.highWatermark} of ${logEndOffset} is visible after recovery`)
  return osOnly ? 0 : Math.max(promise.seen, acknowledged)
}

/** The part that reads everything. */
export async function checkBatches(partition: PartitionLog, promise: PartitionPromise, kept: number): Promise<ModelBatch[]> {
  const batches = await takenOf(promise, partition, kept)
  await checkPartition(promise, partition, batches)
  // Of those at one offset all but the last were refused.
  const taken = [...new Map(batches.map(batch => [batch.baseOffset, batch])).values()]
  if (!promise.spec.config.cleanupPolicy.compact) await checkTransactions(nameOf(promise), partition, taken)
  return batches
}

/** The batches that are in the log. From `kept` on, where nothing was acknowledged or read, they may be ones that were refused. */
async function takenOf(promise: PartitionPromise, partition: PartitionLog, kept: number): Promise<ModelBatch[]> {
  const batches = promise.batches.filter(batch => batch.baseOffset < partition.logEndOffset)
  const doubtful = promise.refused.filter(batch => batch.baseOffset >= kept)
  if (doubtful.length === 0) return batches
  const candidates = [...batches, ...doubtful]
  const taken = batches.filter(batch => batch.baseOffset < Math.max(kept, partition.logStartOffset))
  for (let next = endOf(taken); next < partition.logEndOffset; ) {
    const before = next
    for (const { baseOffset, lastOffset, records } of await readAt(partition, next)) {
      next = lastOffset + 1
      if (baseOffset < before) continue
      const isThis = (batch: ModelBatch) =>
        batch.baseOffset === baseOffset &&
        records.every(({ offset, key, value }) => {
          const nth = offset - baseOffset
          return batch.keys[nth] === key && String(valuesOf(batch)[nth]) === value
        })
      const found = candidates.find(isThis)
      if (found !== undefined) taken.push(found)
    }
    if (next === before) break
  }
  return taken
}

/** What a consumer with read_committed gets: nothing of a transaction that is open or was aborted, and all else below the first open one. */
async function checkTransactions(name: string, partition: PartitionLog, batches: readonly ModelBatch[]): Promise<void> {
  const { open, aborted } = transactionsIn(batches)
  const { logStartOffset, lastStableOffset, highWatermark } = partition
  for (const offset of open)
    expectThat(offset < logStartOffset || lastStableOffset <= offset, `${name}: stable up to ${lastStableOffset}, open from ${offset} on`)
  if (open.size === 0)
    expectThat(lastStableOffset === highWatermark, `${name}: nothing is open, and it is stable up to ${lastStableOffset} only`)
  const wanted = batches.filter(batch => batch.marker === undefined && !aborted.has(batch.baseOffset))
  const expected = wanted.map(({ baseOffset }) => baseOffset).filter(offset => offset >= logStartOffset && offset < lastStableOffset)
  const actual = await readCommitted(partition)
  expectThat(actual.join() === expected.join(), `${name}: committed are the batches at ${expected}, not at ${actual}`)
}

/** Base offsets of the batches of open transactions, and of aborted ones. */
function transactionsIn(batches: readonly ModelBatch[]): { open: Set<number>; aborted: Set<number> } {
  const open = new Map<number, number[]>()
  const aborted = new Set<number>()
  for (const { producerId, baseOffset, isTransactional, marker } of batches) {
    if (marker === 'abort') for (const offset of open.get(producerId) ?? []) aborted.add(offset)
    if (marker !== undefined) open.delete(producerId)
    else if (isTransactional) open.set(producerId, [...(open.get(producerId) ?? []), baseOffset])
  }
  return { open: new Set([...open.values()].flat()), aborted }
}

/** As Kafka's consumer does it: base offsets of the batches that it would hand out. */
async function readCommitted(partition: PartitionLog): Promise<number[]> {
  const handedOut: number[] = []
  for (let next = partition.logStartOffset; next < partition.lastStableOffset; ) {
    const before = next
    const slice = await partition.read(next, { maxBytes: 64 * 1024, atLeastOne: true, upTo: 'last-stable' })
    const aborted = [...slice.abortedTransactions!]
    const ongoing = new Set<unknown>()
    for (const batch of readBatches(Buffer.concat(slice.chunks))) {
      while (aborted[0] !== undefined && aborted[0].firstOffset <= batch.lastOffset) ongoing.add(aborted.shift()!.producerId)
      if (batch.isControl) ongoing.delete(batch.producerId)
      else if (!(batch.isTransactional && ongoing.has(batch.producerId)) && batch.baseOffset >= partition.logStartOffset)
        handedOut.push(batch.baseOffset)
      next = batch.lastOffset + 1
    }
    slice.release()
    if (next === before) break
  }
  return handedOut
}

/** What is below `end` is what the topic's policy leaves of what was appended. */
export function checkPartition(promise: PartitionPromise, partition: PartitionLog, batches = promise.batches, end?: number): Promise<void> {
  const check = promise.spec.config.cleanupPolicy.compact ? checkCompacted : checkContent
  return check(nameOf(promise), partition, batches, end)
}

/** Of every key the newest record is there; whatever else is there is what was appended at its offset. */
async function checkCompacted(
  name: string,
  partition: PartitionLog,
  batches: readonly ModelBatch[],
  end = partition.logEndOffset,
): Promise<void> {
  const appended = new Map<number, { key: string; value: string }>()
  const newest = new Map<string, number>()
  for (const batch of batches)
    for (const [index, value] of valuesOf(batch).entries()) {
      const offset = batch.baseOffset + index
      appended.set(offset, { key: batch.keys[index]!, value: String(value) })
      if (offset < end) newest.set(batch.keys[index]!, offset)
    }
  for (let next = partition.logStartOffset; next < end; ) {
    const before = next
    for (const batch of await readAt(partition, next)) {
      for (const { offset, key, value } of batch.records) {
        const expected = appended.get(offset)
        expectThat(expected?.key === key && expected.value === value, `${name}: the record at ${offset} is not what was appended`)
        if (newest.get(key) === offset) newest.delete(key)
      }
      next = Math.max(next, batch.lastOffset + 1)
    }
    if (next === before) break
  }
  const missing = [...newest].filter(([, offset]) => offset >= partition.logStartOffset)
  expectThat(missing.length === 0, `${name}: the newest records of some keys are gone: ${missing.join(' ')}`)
}

/** Every offset below `end` holds exactly what was appended there; no holes, nothing twice. */
export async function checkContent(
  name: string,
  partition: PartitionLog,
  batches: readonly ModelBatch[],
  end = partition.logEndOffset,
): Promise<void> {
  const byOffset = new Map(batches.map(batch => [batch.baseOffset, batch]))
  let next = partition.logStartOffset
  while (next < end) {
    const before = next
    for (const batch of await readAt(partition, next)) {
      const expected = byOffset.get(batch.baseOffset)
      expectThat(expected !== undefined, `${name}: a batch begins at ${batch.baseOffset}, where none was appended`)
      expectThat(batch.baseOffset <= next, `${name}: a hole between ${next} and ${batch.baseOffset}`)
      const values = batch.records.map(record => record.value)
      expectThat(values.join() === valuesOf(expected).join(), `${name}: the batch at ${batch.baseOffset} is not what was appended`)
      expectThat(
        batch.records.every((record, index) => record.offset === batch.baseOffset + index),
        `${name}: offsets within the batch at ${batch.baseOffset}`,
      )
      expectThat(
        batch.producerId === expected.producerId && batch.baseSequence === expected.baseSequence,
        `${name}: producer of ${batch.baseOffset}`,
      )
      next = Math.max(next, batch.lastOffset + 1)
    }
    expectThat(next > before, `${name}: nothing to read at ${before}, though the log ends at ${end}`)
  }
}

/** Look-ups by time say what reading everything says, whatever a crash did to the files that are derived from the log. */
export async function checkTimes(name: string, partition: PartitionLog, random: SeededRandom): Promise<void> {
  const records: { offset: number; timestampMs: number }[] = []
  for (let next = partition.logStartOffset; next < partition.highWatermark; ) {
    for (const batch of await readAt(partition, next)) {
      for (const { offset } of batch.records) if (offset >= next) records.push({ offset, timestampMs: batch.timestampMs })
      next = batch.lastOffset + 1
    }
  }
  for (let count = 0; count < 5 && records.length > 0; count++) {
    const asked = random.pick(records).timestampMs + random.below(3) - 1
    const expected = records.find(({ timestampMs }) => timestampMs >= asked)?.offset
    const found = (await partition.offsetForTimestamp(asked, 'high-watermark'))?.offset
    expectThat(found === expected, `${name}: the first record at ${asked} is that of ${expected}, not ${found}`)
  }
  const newest = Math.max(-1, ...records.map(({ timestampMs }) => timestampMs))
  const found = (await partition.offsetOfMaxTimestamp())?.timestampMs ?? -1
  expectThat(found === newest, `${name}: the newest record is of ${newest}, not of ${found}`)
}

async function readAt(partition: PartitionLog, offset: number) {
  const slice = await partition.read(offset, { maxBytes: 64 * 1024, atLeastOne: true, upTo: 'high-watermark' })
  try {
    return readBatches(Buffer.concat(slice.chunks))
  } finally {
    slice.release()
  }
}

/**
 * The producers' view: a retry of what is there is a duplicate with the original offset, a gap is refused, the next sequence is taken.
 * Appends to the model what the log takes.
 */
export async function checkProducers(partition: PartitionLog, batches: ModelBatch[], timestampMs: number): Promise<void> {
  const name = `${partition.topic}-${partition.partition}`
  const last = new Map<number, ModelBatch>()
  for (const batch of batches)
    if (batch.producerId >= 0 && batch.marker === undefined && batch.baseOffset >= partition.logStartOffset)
      last.set(batch.producerId, batch)
  for (const batch of last.values()) {
    const again = partition.append(encode(batch, timestampMs), { origin: 'client' })
    expectThat(
      again.duplicate && again.baseOffset === batch.baseOffset,
      `${name}: a retry of ${batch.baseOffset} is a duplicate, but became ${again.baseOffset}`,
    )
    const next: ModelBatch = {
      ...batch,
      baseOffset: partition.logEndOffset,
      baseSequence: batch.baseSequence + batch.values.length,
      values: [`after-${batch.baseOffset}`],
      keys: [batch.keys[0]!],
      plant: undefined,
    }
    const gap = { ...next, baseSequence: next.baseSequence + 1 }
    expectThat(refused(partition, gap, timestampMs) === 'OUT_OF_ORDER_SEQUENCE_NUMBER', `${name}: a gap in the sequence is refused`)
    const appended = partition.append(encode(next, timestampMs), { origin: 'client' })
    expectThat(!appended.duplicate && appended.baseOffset === next.baseOffset, `${name}: the next sequence continues the log`)
    batches.push(next)
    await appended.durable
  }
}

function refused(partition: PartitionLog, batch: ModelBatch, timestampMs: number): string | null {
  try {
    partition.append(encode(batch, timestampMs), { origin: 'client' })
    return null
  } catch (error) {
    if (error instanceof KafkaError) return error.name
    throw error
  }
}

/** Opens every partition of the model in a log that was just opened. */
export function openAll(log: Log, promises: Promises): PartitionLog[] {
  return promises.map(({ spec }) => log.create(spec))
}

/** Those that there are. */
export function present(promises: Promises): Promises {
  return promises.filter(({ isAbsent }) => !isAbsent)
}
