/** InsertField: fields with what is known about the record, or with a fixed text. */
import { string } from '../../base.ts'
import {
  type ConnectRecord,
  type ConnectValue,
  DataError,
  type Field,
  logical,
  type Schema,
  type SchemaType,
  type SinkRecord,
  struct,
} from '../../connector.ts'
import { exactNumber } from '../values/java.ts'
import { basicsOf, cachedBySchema, fieldsOf, optionalIf } from '../values/schemas.ts'
import { replaceNullWithDefault, requireMap, requireStruct } from './require.ts'
import { defineTransform } from './transform.ts'

const purpose = 'field insertion'
const suffixes = 'With ! behind the name it is required, with ? or nothing optional.'

interface Insertion {
  readonly name: string
  readonly schema: Schema
  /** null: nothing is inserted. */
  readonly value: (record: ConnectRecord) => ConnectValue
}

export const insertField = defineTransform({
  name: 'InsertField',
  sides: true,
  summary: 'inserts topic, partition, offset, time or a fixed text as fields',
  keys: {
    'topic.field': string({ default: null, doc: `Field for the topic. ${suffixes}` }),
    'partition.field': string({ default: null, doc: `Field for the partition. ${suffixes}` }),
    'offset.field': string({ default: null, doc: `Field for the offset, only in sinks. ${suffixes}` }),
    'timestamp.field': string({ default: null, doc: `Field for the time of the record. ${suffixes}` }),
    'static.field': string({ default: null, doc: `Field for a fixed text. ${suffixes}` }),
    'static.value': string({ default: null, doc: 'The fixed text.' }),
    'replace.null.with.default': replaceNullWithDefault,
  },
  open(values, { part, refuse }) {
    const insertions = insertionsOf(values)
    if (insertions.length === 0) throw refuse('static.field', null, 'No field insertion configured', 'No field insertion configured')
    const staticField = values['static.field']
    if (staticField !== null && values['static.value'] === null)
      throw refuse('static.value', null, `No value specified for static field: ${staticField}`)
    const withDefault = values['replace.null.with.default']
    const withFields = cachedBySchema((schema: Schema): Schema => {
      const inserted: Field[] = insertions.map(each => ({ name: each.name, schema: each.schema }))
      return { type: 'struct', ...basicsOf(schema), fields: [...(schema.fields ?? []), ...inserted] }
    })
    return {
      apply(record) {
        const value = part.value(record)
        if (value === null) return record
        const schema = part.schema(record)
        const before = schema === null ? requireMap(value, purpose) : requireStruct(value, schema, purpose)
        const after = schema === null ? struct(Object.entries(before)) : fieldsOf(schema, before, withDefault)
        for (const insertion of insertions) {
          const inserted = insertion.value(record)
          if (inserted !== null) after[insertion.name] = schema === null && typeof inserted === 'bigint' ? exactNumber(inserted) : inserted
          else if (schema !== null) after[insertion.name] = null
        }
        return part.with(record, schema === null ? null : withFields(schema), after)
      },
    }
  },
})

function insertionsOf(values: Readonly<Record<string, unknown>>): Insertion[] {
  const insertions: Insertion[] = []
  const add = (key: string, schema: Schema, value: Insertion['value']) => {
    const spec = values[key]
    if (typeof spec !== 'string') return
    const [, name, suffix] = /^(.*?)([?!]?)$/s.exec(spec)!
    insertions.push({ name: name!, schema: { ...schema, ...optionalIf(suffix !== '!') }, value })
  }
  const plain = (type: SchemaType): Schema => ({ type })
  add('topic.field', plain('string'), record => record.topic)
  add('partition.field', plain('int32'), record => record.partition)
  add('offset.field', plain('int64'), record => offsetOf(record))
  add('timestamp.field', { type: 'int64', name: logical.timestamp, version: 1 }, record => record.timestampMs)
  add('static.field', plain('string'), () => values['static.value'] as string)
  return insertions
}

function offsetOf(record: ConnectRecord): bigint {
  const { offset } = record as Partial<SinkRecord>
  if (typeof offset !== 'bigint')
    throw new DataError(`Only SinkRecord supported for [${purpose}], found: org.apache.kafka.connect.source.SourceRecord`)
  return offset
}
