/**
 * Forged structures that a client may put into record values, so that recovery takes them for the log's own: journal frames and heads, records of
 * the state log, batches, index entries, snapshots and the small text files. Written by the specification, with every number guessed as well as a client
 * can, independently of the code under test.
 */
import { crc32c } from '../../src/base.ts'
import { uuidToBytes } from '../../src/protocol.ts'
import { buildBatch } from '../world/batches.ts'
import type { SeededRandom } from '../world/random.ts'

/** What the client knows of a partition, its own or another's. */
export interface Target {
  topic: string
  topicId: string
  partition: number
  /** Where the log ends, about. */
  end: number
}

const pieces = {
  frames: (random: SeededRandom, target: Target) => frames(random, target),
  heads: (random: SeededRandom) => journalHead(random),
  batches: (random: SeededRandom, target: Target) => batches(random, target),
  state: (random: SeededRandom, target: Target) => stateRecords(random, target),
  offsets: (random: SeededRandom, target: Target) => indexEntries(random, target, 8),
  times: (random: SeededRandom, target: Target) => indexEntries(random, target, 12),
  aborted: (random: SeededRandom, target: Target) => abortedTransactions(random, target),
  snapshots: (random: SeededRandom, target: Target) => producerSnapshot(random, target),
  texts: (random: SeededRandom, target: Target) => Buffer.from(random.pick(texts)(target)),
}

const texts: readonly ((target: Target) => string)[] = [
  ({ end }) => `0\n1\n7 ${end}\n`,
  ({ topicId }) => `version: 0\ntopic_id: ${topicId}`,
  () => '{"version":0,"brokerEpoch":-1}',
]

/** Some kilobytes of them, at every alignment in turn. */
export function plant(random: SeededRandom, targets: readonly Target[], mostBytes: number): Buffer {
  const parts: Buffer[] = []
  const wanted = random.below(mostBytes)
  for (let bytes = 0; bytes < wanted; ) {
    const piece = pieces[random.pick(Object.keys(pieces) as (keyof typeof pieces)[])](random, random.pick(targets))
    const part = Buffer.concat([piece, Buffer.alloc(random.below(8))])
    parts.push(part)
    bytes += part.length
  }
  return Buffer.concat(parts).subarray(0, mostBytes)
}

/** Small numbers are what sequence numbers are at first; a large one is larger than all. */
function guess(random: SeededRandom): number {
  return random.pick([random.below(50), random.below(2000), 2 ** 40 + random.below(100)])
}

function frames(random: SeededRandom, target: Target): Buffer {
  const first = guess(random)
  const durable = random.pick([0, first, first + 10, 2 ** 50])
  return Buffer.concat(Array.from({ length: 1 + random.below(4) }, (_, nth) => frame(random, target, first + nth, durable)))
}

function frame(random: SeededRandom, target: Target, sequence: number, durableSequence: number): Buffer {
  const batch = batches(random, target)
  const attack = random.pick(['deleted', 'logStart', 'inline', 'extent', 'bindOnly'] as const)
  const entries = [bindEntry(target)]
  if (attack === 'deleted') entries.push(entry(5))
  if (attack === 'logStart') entries.push(entry(4, e => e.writeBigInt64BE(BigInt(target.end), 32)))
  if (attack === 'inline' || attack === 'extent') entries.push(shareEntry(attack === 'inline' ? 2 : 3, target, batch))
  const meta = Buffer.concat([Buffer.alloc(48), ...entries])
  meta.writeUInt32BE(0x4d52_4a31, 0)
  meta.writeBigInt64BE(BigInt(sequence), 8)
  meta.writeBigInt64BE(BigInt(durableSequence), 16)
  meta.writeUInt32BE(meta.length - 48, 24)
  meta.writeUInt32BE(attack === 'inline' ? batch.length : 0, 28)
  meta.writeUInt32BE(entries.length, 32)
  // The token of the file's life: none in format 1, unknown in format 2.
  if (random.chance(0.5)) random.fill(meta.subarray(40, 48))
  meta.writeUInt32BE(crc32c(meta.subarray(8)), 4)
  return padded(attack === 'inline' ? Buffer.concat([meta, batch]) : meta)
}

function entry(kind: number, fill: (bytes: Buffer) => void = () => {}): Buffer {
  const bytes = Buffer.alloc(48)
  bytes[0] = kind
  fill(bytes)
  return bytes
}

function bindEntry({ topic, topicId, partition }: Target): Buffer {
  const name = Buffer.from(topic)
  const bytes = entry(1, e => {
    e.writeInt32BE(partition, 8)
    e.writeUInt32BE(name.length, 12)
    uuidToBytes(topicId as Parameters<typeof uuidToBytes>[0]).copy(e, 16)
  })
  return Buffer.concat([bytes, padded(name)])
}

function shareEntry(kind: number, { end }: Target, batch: Buffer): Buffer {
  return entry(kind, e => {
    e[1] = 1
    e.writeUInt32BE(batch.length, 12)
    e.writeBigInt64BE(batch.readBigInt64BE(0), 32)
    e.writeBigInt64BE(batch.readBigInt64BE(0) + 1n, 40)
    e.writeBigInt64BE(BigInt(end > 20 ? end - 20 : 0), 16)
  })
}

function padded(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.alloc((8 - (bytes.length % 8)) % 8)])
}

function journalHead(random: SeededRandom): Buffer {
  const head = Buffer.alloc(random.pick([64, 1024]))
  head.writeUInt32BE(0x4d52_4a46, 0)
  head.writeUInt32BE(random.pick([1, 2]), 8)
  head.writeBigInt64BE(BigInt(guess(random)), 16)
  head.writeBigInt64BE(BigInt(guess(random)), 24)
  head.writeUInt32BE(crc32c(head.subarray(8, 64)), 4)
  if (head.length > 64) head.copy(head, 512, 0, 64)
  return head
}

/** Sound batches at and around the end of the partition. */
function batches(random: SeededRandom, { end }: Target): Buffer {
  const producerId = random.pick([-1, 1000, 1001])
  const batch = buildBatch({
    values: ['forged'],
    producerId,
    producerEpoch: producerId < 0 ? -1 : 0,
    baseSequence: producerId < 0 ? -1 : guess(random) % 2 ** 31,
  })
  batch.writeBigInt64BE(BigInt(Math.max(0, end - 2 + random.below(6))), 0)
  return batch
}

function stateRecords(random: SeededRandom, target: Target): Buffer {
  const key = Buffer.from(`${target.topicId}-${target.partition}`)
  const trimmed = Buffer.alloc(9)
  trimmed[0] = 3
  trimmed.writeBigInt64BE(2n ** 40n, 1)
  const body = random.pick([Buffer.concat([Buffer.of(2), key]), trimmed])
  const record = Buffer.alloc(8 + body.length)
  record.writeUInt32BE(body.length, 0)
  record.writeUInt32BE(crc32c(body), 4)
  body.copy(record, 8)
  if (random.chance(0.5)) return record
  const sealed = Buffer.alloc(16 + body.length)
  sealed.writeUInt32BE(body.length, 4)
  random.fill(sealed.subarray(8, 16))
  body.copy(sealed, 16)
  sealed.writeUInt32BE(crc32c(sealed.subarray(4)), 0)
  return sealed
}

function indexEntries(random: SeededRandom, { end }: Target, bytes: 8 | 12): Buffer {
  const entries = Buffer.alloc(bytes * (1 + random.below(8)))
  for (let at = 0; at < entries.length; at += bytes) {
    if (bytes === 12) entries.writeBigInt64BE(BigInt(guess(random)), at)
    entries.writeUInt32BE(random.below(end + 10), at + bytes - 8)
    entries.writeUInt32BE(random.below(100_000), at + bytes - 4)
  }
  return entries
}

function abortedTransactions(random: SeededRandom, { end }: Target): Buffer {
  const entry = Buffer.alloc(34)
  for (const at of [2, 10, 18, 26]) entry.writeBigInt64BE(BigInt(random.below(end + 10)), at)
  return entry
}

function producerSnapshot(random: SeededRandom, { end }: Target): Buffer {
  const file = Buffer.alloc(10 + 46)
  file.writeInt16BE(1, 0)
  file.writeInt32BE(1, 6)
  file.writeBigInt64BE(1000n, 10)
  file.writeInt32BE(guess(random) % 2 ** 31, 20)
  file.writeBigInt64BE(BigInt(end), 24)
  file.writeUInt32BE(crc32c(file.subarray(6)), 2)
  return file
}
