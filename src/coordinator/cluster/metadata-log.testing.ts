/** For tests of the metadata log: the simplest implementation, and connections in memory that can be cut. */
import { Duplex } from 'node:stream'
import { KafkaError, type Offset } from '../../protocol.ts'
import type { LogRecord } from '../shard.ts'
import { ClusterImage } from './image.ts'
import { type MetadataLog, type MetadataSlice, markOf, newImage } from './metadata-log.ts'
import { decodeMetadataRecord, encodeMetadataRecord } from './metadata-records.ts'

/** A list, and nothing that could go wrong. */
export class NaiveMetadataLog implements MetadataLog {
  readonly records: LogRecord[] = []
  readonly #callbacks = new Set<{ call(): void }>()
  /** The records before it are only in a snapshot. */
  #start: Offset = 0
  readonly #mostBytes = 8 * 1024 * 1024

  async append(expected: Offset, records: readonly LogRecord[], id: Buffer): Promise<boolean> {
    const mark = markOf(id)
    if (expected > this.records.length) throw new KafkaError('OFFSET_OUT_OF_RANGE')
    if (records.reduce((bytes, { value }) => bytes + value!.length, 0) > this.#mostBytes) throw new KafkaError('RECORD_LIST_TOO_LARGE')
    if (expected < this.records.length) return this.records[expected + records.length]?.value?.equals(mark.value!) === true
    this.records.push(...records, mark)
    for (const { call } of [...this.#callbacks]) call()
    return true
  }

  async read(from: Offset): Promise<MetadataSlice> {
    if (from > this.records.length) throw new KafkaError('OFFSET_OUT_OF_RANGE')
    if (from === newImage || from < this.#start) return this.#snapshot()
    const records = this.records.slice(from).map((record, index) => ({ offset: from + index, record }))
    return { isSnapshot: false, records, end: this.records.length }
  }

  #snapshot(): MetadataSlice {
    const image = new ClusterImage()
    for (const { value } of this.records.slice(0, this.#start)) image.replay(decodeMetadataRecord(value!))
    const records = Array.from(image.records(), (record, offset) => ({ offset, record: encodeMetadataRecord(record) }))
    return { isSnapshot: true, records, end: this.#start }
  }

  trim(): void {
    this.#start = this.records.length
  }

  onChanged(callback: () => void): { cancel(): void } {
    const entry = { call: callback }
    this.#callbacks.add(entry)
    return { cancel: () => void this.#callbacks.delete(entry) }
  }

  close(): void {
    this.#callbacks.clear()
  }
}

export function brokerConfig(name: string, value: string): LogRecord {
  return encodeMetadataRecord({ type: 'ConfigRecord', resourceType: 'BROKER', resourceName: '', name, value })
}

/** Two ends of one connection. What one writes arrives in pieces of at most `pieceBytes`; destroying one end destroys the other. */
export function connection(pieceBytes = 1_000): [Duplex, Duplex] {
  const one = new End(pieceBytes)
  const other = new End(pieceBytes)
  one.other = other
  other.other = one
  return [one, other]
}

class End extends Duplex {
  other: End | null = null
  readonly #pieceBytes: number

  constructor(pieceBytes: number) {
    super()
    this.#pieceBytes = pieceBytes
  }

  override _read(): void {}

  override _write(bytes: Buffer, _encoding: string, done: () => void): void {
    const { other } = this
    for (let at = 0; at < bytes.length; at += this.#pieceBytes) {
      if (other?.destroyed === false) other.push(Buffer.from(bytes.subarray(at, at + this.#pieceBytes)))
    }
    done()
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.other?.destroy()
    done(error)
  }
}
