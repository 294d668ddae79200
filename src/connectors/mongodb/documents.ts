/** Documents of BSON from records, their ids, and how they are written. */
import { createHash } from 'node:crypto'
import type { AnyBulkWriteOperation, Document } from 'mongodb'
import { type ConnectValue, DataError, Decimal, type SinkRecord } from '../../connector.ts'
import { TopicNames } from '../topic-names.ts'
import { typedKey, typedValue } from '../values/json.ts'
import { parsed } from '../values/parsed.ts'
import { fieldsOf, select, type Typed } from '../values/select.ts'
import { floorDivide, temporalOf } from '../values/temporal.ts'
import { type Config, idStrategies, strategyOf, writeStrategies } from './keys.ts'

/** Of the driver, which is loaded late. */
export type Bson = Pick<typeof import('mongodb'), 'Binary' | 'Decimal128' | 'Long' | 'ObjectId' | 'UUID'>

export class Documents {
  readonly #config: Config
  readonly #bson: Bson
  readonly #now: () => Date
  readonly #id: (typeof idStrategies)[number]
  readonly #write: (typeof writeStrategies)[number]
  readonly #names: TopicNames

  constructor(config: Config, bson: Bson, now: () => Date, names = new TopicNames()) {
    this.#names = names
    this.#config = config
    this.#bson = bson
    this.#now = now
    this.#id = strategyOf(config['document.id.strategy'], idStrategies)!
    this.#write = strategyOf(config['writemodel.strategy'], writeStrategies)!
  }

  /** null: nothing is to be done. Throws DataError. */
  of(record: SinkRecord): AnyBulkWriteOperation | null {
    if (record.value === null)
      return this.#config['delete.on.null.values'] ? { deleteOne: { filter: { _id: this.#idOf(record, null) } as Document } } : null
    const document = this.#documentOf(record)
    if (this.#config['document.id.strategy.overwrite.existing'] || !('_id' in document) || this.#id === 'ProvidedInValueStrategy')
      document['_id'] = this.#idOf(record, document)
    const filter: Document = this.#write.includes('BusinessKey') ? businessKey(document) : { _id: document['_id'] }
    const { _id, ...others } = document
    const now = this.#now()
    switch (this.#write) {
      case 'InsertOneDefaultStrategy':
        return { insertOne: { document } }
      case 'UpdateOneDefaultStrategy':
        return { updateOne: { filter, update: { $set: others, $setOnInsert: {} }, upsert: true } }
      case 'UpdateOneTimestampsStrategy':
      case 'UpdateOneBusinessKeyTimestampStrategy':
        return {
          updateOne: { filter, update: { $set: { ...others, _modifiedTS: now }, $setOnInsert: { _insertedTS: now } }, upsert: true },
        }
      case 'DeleteOneDefaultStrategy':
        return { deleteOne: { filter } }
      case 'ReplaceOneBusinessKeyStrategy':
        return { replaceOne: { filter, replacement: others, upsert: true } }
      default:
        return { replaceOne: { filter, replacement: document, upsert: true } }
    }
  }

  #documentOf(record: SinkRecord): Document {
    const { value } = record
    const typed =
      typeof value === 'string' || Buffer.isBuffer(value)
        ? { schema: null, value: parsed(value.toString()) as ConnectValue }
        : typedValue(record)
    if (fieldsOf(typed) === null) throw new DataError('the value has no fields: it must be a struct or a JSON object')
    return this.#bsonOf(typed) as Document
  }

  #idOf(record: SinkRecord, document: Document | null): unknown {
    const { topic, partition, offset } = record.original
    switch (this.#id) {
      case 'KafkaMetaDataStrategy':
        return `${topic}#${partition}#${offset}`
      case 'FullKeyStrategy':
        return this.#bsonOf(this.#keyOf(record))
      case 'PartialKeyStrategy':
        return this.#part(this.#keyOf(record), 'key')
      case 'PartialValueStrategy':
        return this.#part(typedValue(record), 'value')
      case 'ProvidedInKeyStrategy':
        return this.#provided(select(this.#keyOf(record), ['_id']), 'key')
      case 'ProvidedInValueStrategy':
        if (document?.['_id'] === undefined || document['_id'] === null) throw new DataError('the value has no _id')
        return document['_id']
      case 'UuidStrategy':
        return new this.#bson.UUID(uuidOf(this.#hashOf(record)))
      default: {
        const bytes = Buffer.alloc(12)
        bytes.writeUInt32BE(Number(BigInt.asUintN(32, (record.timestampMs ?? 0n) / 1_000n)))
        this.#hashOf(record).copy(bytes, 4, 0, 8)
        return new this.#bson.ObjectId(bytes)
      }
    }
  }

  #hashOf({ original: { topic, partition, offset } }: SinkRecord): Buffer {
    return createHash('sha256')
      .update(`${this.#names.of(topic)} ${partition} ${offset}`)
      .digest()
  }

  #keyOf(record: SinkRecord): Typed {
    if (record.key === null) throw new DataError('the record has no key, and document.id.strategy needs it')
    return typedKey(record)
  }

  #provided(found: Typed | null, where: string): unknown {
    if (found === null || found.value === null) throw new DataError(`the ${where} has no _id`)
    return this.#bsonOf(found)
  }

  #part(typed: Typed, what: 'key' | 'value'): Document {
    const type = this.#config[`document.id.strategy.partial.${what}.projection.type`]
    const names = new Set(this.#config[`document.id.strategy.partial.${what}.projection.list`])
    const fields = fieldsOf(typed)
    if (fields === null) throw new DataError(`the ${what} has no fields, and the id is made of them`)
    const isListed = type === 'allowlist' || type === 'whitelist'
    const part: Document = {}
    for (const [name, field] of fields) if (names.has(name) === isListed) part[name] = this.#bsonOf(field)
    return part
  }

  #bsonOf(typed: Typed): unknown {
    const { schema, value } = typed
    if (value === null || typeof value === 'boolean' || typeof value === 'string') return value
    if (typeof value === 'number' || typeof value === 'bigint') {
      const time = temporalOf(schema, value)
      // A time of day is a date in 1970, as with MongoDB's own connector.
      if (time !== null) return new Date(Number(floorDivide(time.micros, 1_000n)))
      if (typeof value === 'bigint') return this.#long(value)
      return schema?.type === 'float32' || schema?.type === 'float64' || !Number.isInteger(value) || Math.abs(value) < 2 ** 31
        ? value
        : this.#long(BigInt(value))
    }
    if (value instanceof Decimal) return this.#bson.Decimal128.fromStringWithRounding(value.toString())
    if (Buffer.isBuffer(value)) return new this.#bson.Binary(value)
    if (Array.isArray(value)) return value.map(each => this.#bsonOf({ schema: schema?.items ?? null, value: each }))
    const document: Document = {}
    for (const [name, field] of fieldsOf(typed)!)
      Object.defineProperty(document, name, { value: this.#bsonOf(field), enumerable: true, writable: true, configurable: true })
    return document
  }

  #long(value: bigint): unknown {
    if (BigInt.asIntN(64, value) !== value) throw new DataError(`${value} does not fit into 64 bits`)
    return this.#bson.Long.fromBigInt(value)
  }
}

/** The fields of an id that is a document are the business key. */
function businessKey({ _id }: Document): Document {
  if (typeof _id !== 'object' || _id === null || Object.getPrototypeOf(_id) !== Object.prototype)
    throw new DataError('a business key needs an id with fields: set document.id.strategy to PartialValueStrategy or PartialKeyStrategy')
  return _id as Document
}

/** With the bits that a UUID of version 8 has. */
function uuidOf(hash: Buffer): string {
  const bytes = Buffer.from(hash.subarray(0, 16))
  bytes[6] = (bytes[6]! & 0x0f) | 0x80
  bytes[8] = (bytes[8]! & 0x3f) | 0x80
  return bytes.toString('hex').replace(/(.{8})(.{4})(.{4})(.{4})(.{12})/, '$1-$2-$3-$4-$5')
}
