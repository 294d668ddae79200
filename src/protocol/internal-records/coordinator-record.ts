/**
 * Records of the coordinators' topics: an int16 in front of the key is the record type, and an int16 in front of the value the version of
 * that type. Each topic has its own types.
 */
import { ByteReader, ByteWriter, MalformedInput } from '../../base.ts'
import { readMessage, writeMessage } from '../codec.ts'
import { defineMessage, type Fields, type InputOf, type Message, type MessageOf, type VersionRange } from '../define.ts'
import { RecordView } from '../records/record-view.ts'

export interface CoordinatorRecord<K extends Fields = Fields, V extends Fields = Fields> {
  readonly id: number
  readonly key: Message<K>
  readonly value: Message<V>
}

/** `versions` and `flexible` are those of the value; keys have version 0 only, and it is not flexible. */
export function defineCoordinatorRecord<K extends Fields, V extends Fields>(spec: {
  id: number
  name: string
  versions: VersionRange
  flexible?: VersionRange
  key: K
  value: V
}): CoordinatorRecord<K, V> {
  const key = defineMessage({ name: `${spec.name}Key`, versions: '0', fields: spec.key })
  const value = defineMessage({ ...spec, name: `${spec.name}Value`, fields: spec.value })
  return { id: spec.id, key, value }
}

/** For all records: reading one neither pauses nor calls anything that reads another. */
const reader = new ByteReader(Buffer.alloc(0))

/** A record of the log, or one that will be. Those of the log are decoded by the million, so no buffers are made for their keys and values. */
interface Undecoded {
  readonly key: Buffer | null
  readonly value: Buffer | null
}

/** Which kind of record the key is of: compare with `id`. */
export function recordId(key: Buffer): number {
  reader.restart(key)
  return reader.readInt16()
}

/** The same of a whole record; null if it has no key. */
export function recordIdOf(record: Undecoded): number | null {
  return hasKey(record) ? reader.readInt16() : null
}

/** The key of a record that is of this kind. */
export function recordKeyOf<K extends Fields>({ key }: CoordinatorRecord<K>, record: Undecoded): MessageOf<K> {
  hasKey(record)
  reader.skip(2)
  return readMessage(key, 0, reader)
}

/** null for a tombstone. */
export function recordValueOf<V extends Fields>({ value }: CoordinatorRecord<Fields, V>, record: Undecoded): MessageOf<V> | null {
  return hasValue(record) ? readVersioned(value) : null
}

/** Then the reader is at its start. */
function hasKey(record: Undecoded): boolean {
  if (record instanceof RecordView) return record.readKey(reader)
  const { key } = record
  if (key !== null) reader.restart(key)
  return key !== null
}

function hasValue(record: Undecoded): boolean {
  if (record instanceof RecordView) return record.readValue(reader)
  const { value } = record
  if (value !== null) reader.restart(value)
  return value !== null
}

export function encodeRecordKey<K extends Fields>(record: CoordinatorRecord<K>, key: InputOf<K>): Buffer {
  return prefixed(record.id, record.key, 0, key)
}

export function encodeRecordValue<V extends Fields>(record: CoordinatorRecord<Fields, V>, version: number, value: InputOf<V>): Buffer {
  return prefixed(version, record.value, version, value)
}

export function decodeRecordKey<K extends Fields>(record: CoordinatorRecord<K>, key: Buffer): MessageOf<K> {
  reader.restart(key)
  const id = reader.readInt16()
  if (id !== record.id) throw new MalformedInput(`a key of kind ${id} is not a ${record.key.name} (${record.id})`)
  return readMessage(record.key, 0, reader)
}

export function decodeRecordValue<V extends Fields>(record: CoordinatorRecord<Fields, V>, value: Buffer): MessageOf<V> {
  return decodeVersioned(record.value, value)
}

/** An int16 with the version, then the message. */
export function encodeVersioned<F extends Fields>(message: Message<F>, version: number, value: InputOf<F>): Buffer {
  return prefixed(version, message, version, value)
}

function decodeVersioned<F extends Fields>(message: Message<F>, bytes: Buffer): MessageOf<F> {
  reader.restart(bytes)
  return readVersioned(message)
}

function readVersioned<F extends Fields>(message: Message<F>): MessageOf<F> {
  const version = reader.readInt16()
  if (version < message.minVersion || version > message.maxVersion) throw new MalformedInput(`${message.name} has no version ${version}`)
  return readMessage(message, version, reader)
}

function prefixed<F extends Fields>(prefix: number, message: Message<F>, version: number, value: InputOf<F>): Buffer {
  const writer = new ByteWriter(128)
  writer.writeInt16(prefix)
  writeMessage(message, version, writer, value)
  return writer.toBuffer()
}
