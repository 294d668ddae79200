/**
 * How Confluent's serializers say which schema a value has: magic 0 and an id in front of it, or, since 8.0, in a header of the record, there also as
 * magic 1 and a guid. Behind the id stand the message indexes of protobuf: which message of the file it is, in Kafka's signed varints.
 */
import { Input } from './input.ts'
import type { Output } from './output.ts'
import { type Place, SerdeError } from './types.ts'

export interface Frame {
  readonly id: number | null
  readonly guid: string | null
  /** Where message indexes begin if the schema is of protobuf: in the header, or in front of the payload. */
  readonly after: Input
  /** From its first byte on, but for the indexes. */
  readonly payload: Input
}

const prefixBytes = 5
const guidBytes = 17
const mostIndexes = 100

/** null: nothing says that a schema was used. */
export function readFrame(bytes: Buffer, { part, headers }: Place): Frame | null {
  const header = headers?.findLast(({ key }) => key.toString('latin1') === `__${part}_schema_id`)?.value
  if (header !== undefined && header !== null) {
    const said = readId(header)
    if (said !== null) return { ...said, payload: new Input(bytes) }
  }
  const said = bytes[0] === 0 ? readId(bytes) : null
  return said === null ? null : { ...said, payload: said.after }
}

function readId(bytes: Buffer): Omit<Frame, 'payload'> | null {
  if (bytes[0] === 0 && bytes.length >= prefixBytes) return { id: bytes.readInt32BE(1), guid: null, after: new Input(bytes, prefixBytes) }
  if (bytes[0] !== 1 || bytes.length < guidBytes) return null
  const hex = bytes.toString('hex', 1, guidBytes)
  const guid = hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
  return { id: null, guid, after: new Input(bytes, guidBytes) }
}

/** A single 0 stands for the first message. */
export function readIndexes(input: Input): number[] {
  const count = Number(input.zigzag())
  if (count === 0) return [0]
  if (count < 0 || count > mostIndexes) throw new SerdeError(`${count} message indexes`)
  return Array.from({ length: count }, () => Number(input.zigzag()))
}

export function writePrefix(id: number, output: Output): void {
  output.byte(0)
  output.int32(id)
}

export function writeIndexes(indexes: readonly number[], output: Output): void {
  const isFirst = indexes.length === 1 && indexes[0] === 0
  output.zigzag(isFirst ? 0n : BigInt(indexes.length))
  if (!isFirst) for (const index of indexes) output.zigzag(BigInt(index))
}
