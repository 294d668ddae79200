/** Record batches that no good producer makes, each with what Apache Kafka 4.3.1 does with it. */
import type { RawBatch, RawRecord } from '../../../sim/world/raw-batches.ts'

export type Verdict =
  /** The records are read back, with offsets that count up. */
  | 'taken'
  /** Taken, but its records are written anew. */
  | 'mended'
  /** The same when it is not compressed, or is to be compressed otherwise; else Kafka fails with UNKNOWN_SERVER_ERROR, so it is refused. */
  | 'plainly mended'
  | 'refused'
  /** By INVALID_TIMESTAMP. */
  | 'untimely'

export interface Shape {
  name: string
  verdict: Verdict
  batch: RawBatch
}

/** `nowMs`: what the broker takes for now. */
export function shapes(nowMs: number): Shape[] {
  const base = BigInt(nowMs)
  const two: RawRecord[] = [{}, {}]
  const day = 86_400_000n
  const of = (name: string, verdict: Verdict, batch: Partial<RawBatch>): Shape => ({
    name,
    verdict,
    batch: { records: two, baseTimestamp: base, ...batch },
  })
  return [
    of('sound', 'taken', {}),
    of('count too large', 'refused', { count: 3 }),
    of('count too small', 'refused', { count: 1 }),
    of('last offset delta too large', 'refused', { lastOffsetDelta: 7 }),
    of('last offset delta too small', 'refused', { lastOffsetDelta: 0 }),
    of('bytes behind the records', 'refused', { trailing: Buffer.alloc(3) }),
    of('a record behind the count', 'refused', { trailing: Buffer.from('0e000004010276', 'hex') }),
    of('equal offset deltas', 'plainly mended', { records: [{ offsetDelta: 0 }, { offsetDelta: 0 }] }),
    of('offset deltas backwards', 'plainly mended', { records: [{ offsetDelta: 1 }, { offsetDelta: 0 }] }),
    of('offset deltas with gaps', 'plainly mended', { records: [{ offsetDelta: 0 }, { offsetDelta: 5 }] }),
    of('negative offset deltas', 'plainly mended', { records: [{ offsetDelta: -3 }, { offsetDelta: -2 }] }),
    of('a key of length -2', 'mended', { records: [{ key: -2 }, {}] }),
    of('a value of length -100', 'mended', { records: [{ value: -100 }, {}] }),
    of('a header value of length -2', 'mended', { records: [{ headers: [['h', -2]] }, {}] }),
    of('a header key of length -1', 'refused', { records: [{ headers: [[-1, 'v']] }, {}] }),
    of('a negative number of headers', 'refused', { records: [{ headerCount: -1 }, {}] }),
    of('more headers than there are', 'refused', { records: [{}, { headerCount: 9 }] }),
    of('a record size too small', 'refused', { records: [{ sizeOff: -1 }, {}] }),
    of('a record size too large', 'refused', { records: [{}, { sizeOff: 1 }] }),
    of('a negative record size', 'refused', { records: [{}, { sizeOff: -20 }] }),
    of('a key longer than the record', 'refused', { records: [{}, { key: 1000 }] }),
    of('numbers in more bytes than they need', 'taken', { records: [{ longNumbers: true }, { longNumbers: true }] }),
    of('bits beyond those of a number', 'mended', { records: [{ excessBits: true }, { excessBits: true }] }),
    of('attributes of a record', 'taken', { records: [{ attributes: 0x7f }, {}] }),
    of('unknown flags', 'taken', { attributes: 0x7f80 }),
    of('the delete horizon flag', 'taken', { attributes: 0x40, records: [{ value: -1 }, {}] }),
    of('the control flag', 'refused', { attributes: 0x20 }),
    of('largest timestamp missing', 'taken', { maxTimestamp: -1n, records: [{}, { timestampDelta: 1000n }] }),
    of('largest timestamp too small', 'taken', { maxTimestamp: base, records: [{}, { timestampDelta: 1000n }] }),
    of('largest timestamp too large', 'taken', { maxTimestamp: base + 500n, records: two }),
    of('largest timestamp far too large', 'taken', { maxTimestamp: base + 500n * day, records: two }),
    of('largest timestamp not of the last', 'taken', { records: [{ timestampDelta: 1000n }, {}] }),
    of('base timestamp larger than all', 'taken', { records: [{ timestampDelta: -1000n }, { timestampDelta: -500n }], maxTimestamp: base }),
    of('base timestamp 0', 'taken', {
      baseTimestamp: 0n,
      records: [{ timestampDelta: base }, { timestampDelta: base + 1n }],
      maxTimestamp: 0n,
    }),
    of('no timestamps', 'taken', { baseTimestamp: -1n, maxTimestamp: -1n }),
    of('one record without a timestamp', 'taken', { records: [{ timestampDelta: -base - 1n }, {}] }),
    of('a timestamp below -1', 'taken', { baseTimestamp: -5n, maxTimestamp: -5n }),
    of('a record too new behind a sound header', 'untimely', { records: [{}, { timestampDelta: 2n * day }], maxTimestamp: base }),
    of('a header too new', 'untimely', { baseTimestamp: base + 2n * day }),
    of('timestamp type LogAppendTime', 'taken', { attributes: 0x08 }),
    of('a producer without a sequence', 'refused', { producerId: 7n, producerEpoch: 0 }),
    of('a sequence without a producer', 'taken', { baseSequence: 5 }),
  ]
}
