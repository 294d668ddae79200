/** Debezium's ByLogicalTableRouter: the tables of a shard, or partitions, share one topic; their keys say from which they are. */
import { boolean, choice, string } from '../../base.ts'
import { type ConnectValue, type Field, isStruct, type Schema, type Struct, struct } from '../../connector.ts'
import { basicsOf, cachedBySchema, optionalIf } from '../values/schemas.ts'
import { requireStruct } from './require.ts'
import { openRouting } from './routing.ts'
import { defineTransform } from './transform.ts'

const purpose = 'Updating schema'
const text: Schema = { type: 'string' }

export const byLogicalTableRouter = defineTransform({
  name: 'ByLogicalTableRouter',
  package: 'io.debezium.transforms.',
  sides: false,
  summary: 'makes several tables one, in one topic',
  keys: {
    'topic.regex': string({
      required: true,
      mayBeEmpty: true,
      importance: 'high',
      doc: 'A Java regular expression that matches whole topics.',
    }),
    'topic.replacement': string({ required: true, mayBeEmpty: true, importance: 'high', doc: 'The new topic.' }),
    'key.enforce.uniqueness': boolean({ default: true, doc: 'Whether keys get a field that says from which table they are.' }),
    'key.field.name': string({ default: '__dbz__physicalTableIdentifier', doc: 'The name of this field.' }),
    'key.field.regex': string({ default: '', doc: 'A Java regular expression that matches whole old topics.' }),
    'key.field.replacement': string({ default: '', doc: 'What the field is then. Default: the old topic.' }),
    'schema.name.adjustment.mode': choice(['none', 'avro'], {
      default: 'none',
      ignoreCase: true,
      doc: 'Whether names of schemas are made such as Avro allows: what it does not allow becomes `_`.',
    }),
  },
  open(values, { refuse }) {
    const [regex, replacement] = [values['topic.regex'], values['topic.replacement']]
    const route = openRouting({ keys: ['topic.regex', 'topic.replacement'], regex, replacement }, refuse)
    const [keyRegex, keyReplacement] = [values['key.field.regex'].trim(), values['key.field.replacement'].trim()]
    if (keyRegex !== '' && keyReplacement === '')
      throw refuse('key.field.replacement', '', 'key.field.replacement must be non-empty if key.field.regex is set.')
    const ofKey =
      keyRegex === ''
        ? () => null
        : openRouting({ keys: ['key.field.regex', 'key.field.replacement'], regex: keyRegex, replacement: keyReplacement }, refuse)
    const isUnique = values['key.enforce.uniqueness']
    const keyField = values['key.field.name']
    const named = (name: string) =>
      values['schema.name.adjustment.mode'].toLowerCase() === 'none' ? name : name.replace(/[^\w.]/g, '_').replace(/(^|\.)(?=\d)/g, '$1_')

    const keySchema = perTopic((schema, topic) => {
      const more: Field[] = isUnique ? [{ name: keyField, schema: text }] : []
      return renamed(schema, named(`${topic}.Key`), [...(schema.fields ?? []), ...more])
    })
    const valueSchema = perTopic((schema, topic) => {
      const fields = (schema.fields ?? []).map(field =>
        field.name === 'before' || field.name === 'after'
          ? { ...field, schema: renamed(field.schema, named(`${topic}.Value`), field.schema.fields ?? []) }
          : field,
      )
      return renamed(schema, named(`${topic}.Envelope`), fields)
    })
    const keyOf = (old: ConnectValue, schema: Schema, from: string): Struct => {
      const key = struct(Object.entries(requireStruct(old, schema, purpose)))
      if (isUnique) key[keyField] = ofKey(from) ?? from
      return key
    }
    return {
      apply(record) {
        const { topic: from, key, keySchema: oldKeySchema, value, valueSchema: oldValueSchema } = record
        const topic = route(from)
        if (topic === null || topic === '') return record
        const hasKey = key !== null && oldKeySchema !== null
        const isEvent = isStruct(value) && oldValueSchema?.name?.endsWith('.Envelope') === true
        return {
          ...record,
          topic,
          ...(hasKey && { keySchema: keySchema(oldKeySchema, topic), key: keyOf(key, oldKeySchema, from) }),
          ...(isEvent && { valueSchema: valueSchema(oldValueSchema, topic) }),
        }
      },
    }
  },
})

function renamed(schema: Schema, name: string, fields: readonly Field[]): Schema {
  return { type: 'struct', ...basicsOf(schema), name, ...optionalIf(schema.optional), fields }
}

const mostTopics = 100

/** Of a schema another one for each topic, made once. */
function perTopic(make: (schema: Schema, topic: string) => Schema): (schema: Schema, topic: string) => Schema {
  const known = cachedBySchema(() => new Map<string, Schema>())
  return (schema, topic) => {
    const made = known(schema)
    let found = made.get(topic)
    if (found === undefined) {
      if (made.size >= mostTopics) made.clear()
      found = make(schema, topic)
      made.set(topic, found)
    }
    return found
  }
}
