/**
 * The records with which mirrors tell each other and their readers what they do, in the format of MirrorMaker 2 (org.apache.kafka.connect.mirror: OffsetSync,
 * Checkpoint, Heartbeat), so that Java's mirrors and their clients read ours, and the reverse.
 */
import { ByteReader, ByteWriter, toInt64 } from '../../base.ts'
import { type SourceRecord, type Struct, struct } from '../../connector.ts'

const version = 0

/** `count` records from `upstream` on are `count` records from `downstream` on, and none is between them in either cluster. */
export interface Run {
  readonly upstream: bigint
  readonly downstream: bigint
  count: number
}

export interface Place {
  readonly topic: string
  readonly partition: number
}

export function nameOf({ topic, partition }: Place): string {
  return `${topic} ${partition}`
}

/** `place`: in the source. Java's have no count, and stand for one record; its readers pass over ours. */
export function encodeOffsetSync({ topic, partition }: Place, { upstream, downstream, count }: Run): { key: Buffer; value: Buffer } {
  const key = bytes(writer => {
    writer.writeString(topic)
    writer.writeInt32(partition)
  })
  const value = bytes(writer => {
    writer.writeInt64(toInt64(upstream))
    writer.writeInt64(toInt64(downstream))
    writer.writeInt32(count)
  })
  return { key, value }
}

/** Throws for what is not in this format. */
export function decodeOffsetSync(key: Buffer, value: Buffer): Place & Run {
  const [place, run] = [new ByteReader(key), new ByteReader(value)]
  const [topic, partition] = [place.readString(), place.readInt32()]
  const [upstream, downstream] = [BigInt(run.readInt64()), BigInt(run.readInt64())]
  const count = run.remaining >= 4 ? run.readInt32() : 1
  if (partition < 0 || upstream < 0n || downstream < 0n || count < 1) throw new RangeError('an offset sync has a negative number')
  return { topic, partition, upstream, downstream, count }
}

/** `topic`: as the target calls it. */
export interface Checkpoint extends Place {
  readonly group: string
  readonly upstream: bigint
  readonly downstream: bigint
  readonly metadata: string
}

export function encodeCheckpoint({ group, topic, partition, upstream, downstream, metadata }: Checkpoint): { key: Buffer; value: Buffer } {
  const key = bytes(writer => {
    writer.writeString(group)
    writer.writeString(topic)
    writer.writeInt32(partition)
  })
  const value = bytes(writer => {
    writer.writeInt16(version)
    writer.writeInt64(toInt64(upstream))
    writer.writeInt64(toInt64(downstream))
    writer.writeString(metadata)
  })
  return { key, value }
}

/** Throws for what is not in this format. */
export function decodeCheckpoint(key: Buffer, value: Buffer): Checkpoint {
  const [who, what] = [new ByteReader(key), new ByteReader(value)]
  const [group, topic, partition] = [who.readString(), who.readString(), who.readInt32()]
  const found = what.readInt16()
  if (found !== version) throw new RangeError(`checkpoints of version ${found} are not known`)
  const [upstream, downstream] = [BigInt(what.readInt64()), BigInt(what.readInt64())]
  return { group, topic, partition, upstream, downstream, metadata: what.readString() }
}

export function encodeHeartbeat(source: string, target: string, timestampMs: bigint): { key: Buffer; value: Buffer } {
  const key = bytes(writer => {
    writer.writeString(source)
    writer.writeString(target)
  })
  const value = bytes(writer => {
    writer.writeInt16(version)
    writer.writeInt64(toInt64(timestampMs))
  })
  return { key, value }
}

/** One that is not a copy. No task goes on from its offset, but every record of a source has one. */
export function ownRecord(
  topic: string,
  timestampMs: bigint,
  { key, value }: { readonly key: Buffer; readonly value: Buffer },
  sourcePartition: Struct,
): SourceRecord {
  return {
    ...{ topic, partition: 0, timestampMs, headers: [] },
    ...{ keySchema: { type: 'bytes' }, key, valueSchema: { type: 'bytes' }, value },
    ...{ sourcePartition, sourceOffset: struct([['offset', 0]]) },
  }
}

function bytes(write: (writer: ByteWriter) => void): Buffer {
  const writer = new ByteWriter(64)
  write(writer)
  return writer.toBuffer()
}
