/** Events as Confluent's Avro serializer writes them, by a library that the converters do not use. */
import assert from 'node:assert/strict'
import avro from 'avsc'
import type { RecordToSend } from '../../src/client.ts'
import type { Decimal, Struct } from '../../src/connector.ts'
import { recordAt } from './records.ts'

const schema = {
  type: 'record',
  name: 'Event',
  namespace: 'org.example',
  fields: [
    { name: 'partition', type: 'int' },
    { name: 'n', type: 'long' },
    { name: 'large', type: 'long' },
    { name: 'price', type: { type: 'bytes', logicalType: 'decimal', precision: 20, scale: 2 } },
    { name: 'day', type: { type: 'int', logicalType: 'date' } },
    { name: 'at', type: { type: 'long', logicalType: 'timestamp-millis' } },
    { name: 'text', type: 'string' },
    { name: 'raw', type: 'bytes' },
    { name: 'nothing', type: ['null', 'string'], default: null },
    { name: 'inner', type: { type: 'record', name: 'Inner', fields: [{ name: 'list', type: { type: 'array', items: 'int' } }] } },
    { name: 'kind', type: 'string' },
  ],
}

const long = avro.types.LongType.__with({
  fromBuffer: (buffer: Buffer) => buffer.readBigInt64LE(),
  toBuffer(value: bigint) {
    const buffer = Buffer.alloc(8)
    buffer.writeBigInt64LE(value)
    return buffer
  },
  fromJSON: BigInt,
  toJSON: Number,
  isValid: (value: unknown) => typeof value === 'bigint',
  compare: (a: bigint, b: bigint) => (a < b ? -1 : a > b ? 1 : 0),
})

/** The library takes `long` from its registry only where no logical type is beside it; the bytes are the same. */
const plain = { ...schema, fields: schema.fields.map(field => (field.name === 'at' ? { ...field, type: 'long' } : field)) }

export class EventEncoder {
  readonly #head: Buffer
  readonly #type = avro.Type.forSchema(plain as never, { registry: { long } })

  static async register(registry: string, subject: string): Promise<EventEncoder> {
    const answer = await fetch(`${registry}/subjects/${subject}/versions`, {
      method: 'POST',
      headers: { 'content-type': 'application/vnd.schemaregistry.v1+json' },
      body: JSON.stringify({ schema: JSON.stringify(schema) }),
    })
    assert(answer.ok, `the schema is refused: ${answer.status}`)
    return new EventEncoder(((await answer.json()) as { id: number }).id)
  }

  private constructor(id: number) {
    this.#head = Buffer.alloc(5)
    this.#head.writeUInt32BE(id, 1)
  }

  record(partition: number, n: number): RecordToSend {
    const { key, value, timestampMs } = recordAt(partition, n)
    const event = value as Struct
    const body = this.#type.toBuffer({ ...event, price: twosComplement((event['price'] as Decimal).unscaled) })
    return {
      partition,
      key: Buffer.from(key as string),
      value: Buffer.concat([this.#head, body]),
      timestampMs: timestampMs!,
    }
  }
}

function twosComplement(value: bigint): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigInt64BE(value)
  return bytes
}
