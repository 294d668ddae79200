/** The keys of the MongoDB sink: those of MongoDB's own connector, whose strategies may be named by their Java classes. */
import { boolean, choice, int, intMs, list, password, string, type ValuesOf } from '../../connector.ts'
import { templateProblem } from '../template/template.ts'

export const idStrategies = [
  'BsonOidStrategy',
  'KafkaMetaDataStrategy',
  'FullKeyStrategy',
  'PartialKeyStrategy',
  'PartialValueStrategy',
  'ProvidedInKeyStrategy',
  'ProvidedInValueStrategy',
  'UuidStrategy',
] as const

export const writeStrategies = [
  'ReplaceOneDefaultStrategy',
  'InsertOneDefaultStrategy',
  'UpdateOneDefaultStrategy',
  'UpdateOneTimestampsStrategy',
  'ReplaceOneBusinessKeyStrategy',
  'UpdateOneBusinessKeyTimestampStrategy',
  'DeleteOneDefaultStrategy',
] as const

/** The last part of the name of a Java class. */
export function strategyOf<T extends string>(name: string, known: readonly T[]): T | undefined {
  const short = name.slice(name.lastIndexOf('.') + 1)
  return known.find(each => each === short)
}

const oneOf = (known: readonly string[]) => (name: string) =>
  strategyOf(name, known) === undefined ? `String must be one of: ${known.join(', ')}` : null

const projection = (what: string) =>
  [
    choice(['none', 'allowlist', 'whitelist', 'blocklist', 'blacklist'], {
      default: 'none',
      ignoreCase: true,
      doc: `Whether the list below says which fields of the ${what} are taken, or which are not.`,
    }),
    list({ default: '', doc: `Fields of the ${what}.` }),
  ] as const

const [partialKeyType, partialKeyList] = projection('key that are the id')
const [partialValueType, partialValueList] = projection('value that are the id')

export const keys = {
  'connection.uri': password({
    required: true,
    importance: 'high',
    doc: 'The deployment: `mongodb://user:password@host:27017`, `mongodb+srv://…`. It is hidden, because it may have a password.',
  }),
  database: string({ required: true, importance: 'high', doc: 'The database.' }),
  collection: string({ default: '${topic}', importance: 'high', check: templateProblem, doc: 'The collection, as a template.' }),
  'document.id.strategy': string({
    default: 'BsonOidStrategy',
    check: oneOf(idStrategies),
    allowed: `one of ${idStrategies.join(', ')}`,
    doc:
      'Where the `_id` comes from. `BsonOidStrategy` and `UuidStrategy` make it of topic, partition and offset, so that a record that is written again is the same ' +
      'document.',
  }),
  'document.id.strategy.overwrite.existing': boolean({ default: false, doc: 'Whether an `_id` that the value has is replaced.' }),
  'document.id.strategy.partial.key.projection.type': partialKeyType,
  'document.id.strategy.partial.key.projection.list': partialKeyList,
  'document.id.strategy.partial.value.projection.type': partialValueType,
  'document.id.strategy.partial.value.projection.list': partialValueList,
  'writemodel.strategy': string({
    default: 'ReplaceOneDefaultStrategy',
    check: oneOf(writeStrategies),
    allowed: `one of ${writeStrategies.join(', ')}`,
    doc: 'Whether documents are replaced, inserted, updated or deleted; with a business key (`Partial…Strategy`), by the fields of that key.',
  }),
  'delete.on.null.values': boolean({
    default: false,
    doc: 'Whether a record without value deletes the document of its key. Needs an id that comes from the key.',
  }),
  'bulk.write.ordered': boolean({ default: true, doc: 'Whether the documents of a batch are written one after the other, in order.' }),
  'max.batch.size': int({ default: 0, min: 0, doc: 'How many records are written at once; 0: all that are read at once.' }),
  'server.timeout.ms': intMs({
    default: 30_000,
    min: 1,
    importance: 'low',
    doc: 'How long a server is looked for, and an answer waited for.',
  }),
} as const

export type Config = ValuesOf<typeof keys>
