/**
 * Reads the metadata of a stopped Kafka (KRaft) from its `__cluster_metadata-0`.
 *
 * Hides how the log and its snapshots are combined to one state, Kafka's metadata transactions, and which of its records are of brokers that
 * are gone. Does not change the source.
 */
import { type FileSystem, MalformedInput } from '../../base.ts'
import {
  batchesIn,
  decodeMetadataRecord as decodeAny,
  forEachRecordOf,
  intactBatchSize,
  type MetadataRecord as KafkaRecord,
  type Offset,
} from '../../protocol.ts'
import { ClusterImage } from './image.ts'
import { clusterMetadataTopic } from './internal-topics.ts'
import { MetadataCopy } from './metadata-copy.ts'
import { decodeMetadataRecord } from './metadata-records.ts'
import { isWholeSnapshot, listSnapshots } from './snapshot-file.ts'

/** Nothing larger is ever written into a metadata log: a length beyond it is damage. */
const largestBatchBytes = 64 << 20

/** `directory`: the one that holds `__cluster_metadata-0`. Throws an Error that says what is wrong with it. */
export function readKafkaMetadata(files: FileSystem, directory: string): MetadataCopy {
  const source = `${directory}/${clusterMetadataTopic}-0`
  const replay = new Replay()
  try {
    const from = restoreSnapshot(files, source, replay)
    const endOffset = replayLog(files, source, from, replay)
    // What this broker's features are, its own first start decides.
    return new MetadataCopy(replay.image, endOffset, { withFeatures: false })
  } catch (error) {
    if (error instanceof MalformedInput)
      throw new Error(`${source}: ${error.message}: it comes from a newer version of Kafka, or is damaged`, { cause: error })
    throw error
  }
}

class Replay {
  readonly image = new ClusterImage()
  /** Records of a metadata transaction that has not ended. */
  #held: Buffer[] | null = null

  record(bytes: Buffer): void {
    const record = decodeAny(bytes)
    if (record.type === 'beginTransaction') this.#held = []
    else if (record.type === 'abortTransaction') this.#held = null
    else if (record.type === 'endTransaction') {
      const held = this.#held ?? []
      this.#held = null
      for (const each of held) this.#apply(decodeAny(each), each)
    } else if (this.#held !== null) this.#held.push(Buffer.from(bytes))
    else this.#apply(record, bytes)
  }

  #apply(record: KafkaRecord, bytes: Buffer): void {
    switch (record.type) {
      // Of brokers and controllers that no longer exist.
      case 'registerBroker':
      case 'unregisterBroker':
      case 'fenceBroker':
      case 'unfenceBroker':
      case 'brokerRegistrationChange':
      case 'registerController':
      case 'unregisterController':
      case 'clearElr':
      case 'zkMigrationState':
        return
      default:
        this.image.replay(decodeMetadataRecord(bytes))
    }
  }
}

/** Replays the newest whole snapshot; returns the first offset that it does not contain. */
function restoreSnapshot(files: FileSystem, source: string, replay: Replay): Offset {
  for (const { name, offset } of listSnapshots(files, source)) {
    const bytes = files.readFile(`${source}/${name}`)
    if (bytes === null || !isWholeSnapshot(bytes)) continue
    for (const batch of batchesIn(bytes)) if (!batch.header.isControl) forEachRecordOf(batch, ({ value }) => replayValue(replay, value))
    return offset
  }
  return 0
}

function replayValue(replay: Replay, value: Buffer | null): void {
  if (value === null) throw new Error('a record of the metadata has no value')
  replay.record(value)
}

/** Replays the log from `from` on; returns where it ends. What a crash tore off at the very end was never committed. */
function replayLog(files: FileSystem, source: string, from: Offset, replay: Replay): Offset {
  const segments = files
    .list(source)
    .filter(({ name, kind }) => kind === 'file' && /^\d{20}\.log$/.test(name))
    .map(({ name }) => ({ path: `${source}/${name}`, base: Number(name.slice(0, 20)) }))
  let next = segments[0]?.base ?? from
  if (next > from) throw new Error(`${source} begins at offset ${next}, and there is no snapshot of the state before it`)
  for (const [nth, { path, base }] of segments.entries()) {
    if (base !== next) throw new Error(`${path}: offsets from ${next} to ${base} are missing`)
    const intact = eachBatch(files, path, bytes => {
      for (const batch of batchesIn(bytes)) {
        if (batch.header.baseOffset !== next) throw new Error(`${path}: offset ${batch.header.baseOffset} follows ${next - 1}`)
        next = batch.header.lastOffset + 1
        if (batch.header.isControl) continue
        forEachRecordOf(batch, record => {
          if (record.offset >= from) replayValue(replay, record.value)
        })
      }
    })
    if (!intact && nth < segments.length - 1) throw new Error(`${path} is damaged after offset ${next - 1}`)
  }
  return Math.max(next, from)
}

/** False when something follows the last whole batch. */
function eachBatch(files: FileSystem, path: string, visit: (batch: Buffer) => void): boolean {
  const file = files.open(path, 'r')
  try {
    const size = file.size()
    const head = Buffer.alloc(12)
    let position = 0
    while (position < size) {
      if (file.readSync(head, position) < head.length) return false
      const bytes = head.length + head.readInt32BE(8)
      if (bytes <= head.length || bytes > largestBatchBytes || position + bytes > size) return false
      const batch = Buffer.allocUnsafe(bytes)
      file.readSync(batch, position)
      if (intactBatchSize(batch, 0) !== bytes) return false
      visit(batch)
      position += bytes
    }
    return true
  } finally {
    file.close()
  }
}
