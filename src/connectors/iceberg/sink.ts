/**
 * Sink: tables of Apache Iceberg in a REST catalogue, with files in S3, and with the keys of Iceberg's own sink for Kafka Connect.
 *
 * Rows are appended and committed each iceberg.control.commit.interval-ms, together with the offsets that they reach to: exactly once.
 */
import {
  boolean,
  choice,
  DataError,
  defineSink,
  int,
  intBytes,
  list,
  long,
  ms,
  type Offsets,
  type OpenedPartition,
  password,
  type SinkContext,
  type SinkRecord,
  type SinkTask,
  string,
  type TopicPartition,
  type ValuesOf,
} from '../../connector.ts'
import { firstProblem } from '../entries.ts'
import { inferredFrom, knownOnly, settled } from '../formats/infer.ts'
import { accepted } from '../storage/keys.ts'
import { TopicNames } from '../topic-names.ts'
import { Catalogue, type Loaded, type TableName } from './catalog.ts'
import { type ObjectStore, openStore } from './objects.ts'
import type { PartitionField, PartitionSpec } from './partitions.ts'
import { refuses } from './refusals.ts'
import { Table } from './table.ts'
import { Ids, type StructType, structFrom } from './types.ts'

const url = (value: string) =>
  /^https?:\/\/./.test(value) && URL.canParse(value) ? null : 'must be a URL that begins with http:// or https://'

const keys = {
  'iceberg.tables': string({
    required: true,
    importance: 'high',
    doc: 'The table, as in db.events; ${topic} stands for the topic.',
    check: value => (/^[^.,\s]+(\.[^.,\s]+)+$/.test(value.replaceAll('${topic}', 'topic')) ? null : 'must be one namespace.table'),
  }),
  'iceberg.tables.auto-create-enabled': boolean({
    default: false,
    importance: 'medium',
    doc: 'Whether a table that is not there is made, from the schema of its first record.',
  }),
  'iceberg.tables.evolve-schema-enabled': boolean({
    default: false,
    importance: 'medium',
    doc: 'Whether new fields of records become columns, and numbers wider; otherwise they are left out.',
  }),
  'iceberg.tables.default-partition-by': list({
    default: '',
    importance: 'medium',
    doc: 'Partitions of tables that are made: columns, or year(c), month(c), day(c), hour(c).',
    check: partitionsCheck,
  }),
  'iceberg.control.commit.interval-ms': ms({
    default: 300_000,
    min: 0,
    importance: 'high',
    doc: 'How often rows are committed to the table; looked at when offsets are committed.',
  }),
  'iceberg.catalog.type': choice(['rest'] as const, { default: 'rest', doc: 'Kind of the catalogue.' }),
  'iceberg.catalog.uri': string({
    required: true,
    importance: 'high',
    doc: 'Address of the REST catalogue.',
    check: url,
    allowed: 'an http or https URL',
  }),
  'iceberg.catalog.warehouse': string({ default: '', importance: 'medium', doc: 'Warehouse that the catalogue is asked for.' }),
  'iceberg.catalog.token': password({ importance: 'medium', doc: 'Token for the catalogue.' }),
  'iceberg.catalog.credential': password({
    importance: 'medium',
    doc: 'client:secret, for which the catalogue, or oauth2-server-uri, gives a token.',
  }),
  'iceberg.catalog.oauth2-server-uri': string({ default: '', importance: 'low', doc: 'Address that gives tokens. Empty: the catalogue.' }),
  'iceberg.catalog.scope': string({ default: 'catalog', importance: 'low', doc: 'Scope that is asked for.' }),
  'iceberg.catalog.timeout.ms': ms({
    default: 60_000,
    min: 100,
    importance: 'low',
    doc: 'How long a request to the catalogue, or to the store of the files, may take.',
  }),
  'iceberg.catalog.client.region': string({ default: null, importance: 'medium', doc: 'Region of the files.' }),
  'iceberg.catalog.s3.endpoint': string({
    default: null,
    importance: 'medium',
    doc: 'Address of the service of the files, for services other than Amazon’s.',
    check: url,
    allowed: 'an http or https URL',
  }),
  'iceberg.catalog.s3.access-key-id': string({
    default: null,
    importance: 'medium',
    doc: 'Access key for the files. By default what the catalogue hands out, or the environment.',
  }),
  'iceberg.catalog.s3.secret-access-key': password({ importance: 'medium', doc: 'Secret of the access key.' }),
  'iceberg.parquet.codec': choice(['snappy', 'gzip', 'zstd', 'uncompressed'] as const, { default: 'zstd', doc: 'Compression of pages.' }),
  'iceberg.target-file-size-bytes': long({
    default: 128 * 2 ** 20,
    min: 2 ** 16,
    unit: 'bytes',
    doc: 'Size at which a file is finished and another one begun.',
  }),
  'iceberg.row.group.bytes': int({
    default: 16 * 2 ** 20,
    min: 2 ** 10,
    max: 2 ** 28,
    unit: 'bytes',
    doc: 'Size of a row group in memory, about.',
  }),
  'iceberg.part.size': intBytes({ default: 8 * 2 ** 20, min: 5 * 2 ** 20, doc: 'Size of the parts of an upload.' }),
  'max.buffered.bytes': long({
    default: 256 * 2 ** 20,
    min: 2 ** 20,
    unit: 'bytes',
    doc: 'Memory of the task for what is not written yet; beyond it, rows are committed early.',
  }),
  'behavior.on.null.values': choice(['ignore', 'fail'] as const, {
    default: 'ignore',
    ignoreCase: true,
    doc: 'What becomes of tombstones: left out, or reported.',
  }),
  'iceberg.control.topic': accepted('each task commits its own partitions'),
  'iceberg.catalog.io-impl': accepted('files are written by this package'),
} as const

export type IcebergConfig = ValuesOf<typeof keys>

export const iceberg = defineSink({
  name: 'iceberg',
  classes: ['org.apache.iceberg.connect.IcebergSinkConnector', 'io.tabular.iceberg.connect.IcebergSinkConnector'],
  version: '1.0.0',
  summary: 'Appends records as rows to tables of Apache Iceberg in a REST catalogue, exactly once.',
  example: {
    'iceberg.tables': 'db.events',
    'iceberg.catalog.uri': 'http://127.0.0.1:8181',
    'iceberg.tables.auto-create-enabled': 'true',
    'iceberg.tables.evolve-schema-enabled': 'true',
    'iceberg.control.commit.interval-ms': '60000',
  },
  config: keys,
  refuses,
  completesLater: true,
  async open(config, context) {
    return new IcebergTask(config, context)
  },
})

class IcebergTask implements SinkTask {
  readonly #config: IcebergConfig
  readonly #context: SinkContext
  readonly #catalogue: Catalogue
  #store: ObjectStore | null = null
  readonly #tables = new Map<string, Table>()
  readonly #names = new TopicNames()
  /** By partition of the topic: what was put, and what may be committed. */
  readonly #reached = new Map<string, Offsets[number]>()
  #safe: Offsets = []
  #committedMs: number

  constructor(config: IcebergConfig, context: SinkContext) {
    this.#config = config
    this.#context = context
    this.#catalogue = new Catalogue(config, context.system, context.signal)
    this.#committedMs = context.system.clock.monotonic()
  }

  async opened(partitions: readonly OpenedPartition[]): Promise<void> {
    await this.#forget()
    this.#names.opened(partitions)
  }

  async put(records: readonly SinkRecord[]): Promise<void> {
    for (const record of records) await this.#take(record)
  }

  async flush(): Promise<Offsets> {
    if (this.#context.system.clock.monotonic() - this.#committedMs >= this.#config['iceberg.control.commit.interval-ms'])
      await this.#commit()
    return this.#safe
  }

  async closed(_: readonly TopicPartition[]): Promise<void> {
    await this.#forget()
  }

  async close(): Promise<void> {
    await this.#forget()
    this.#store?.close()
    this.#catalogue.close()
  }

  async #take(record: SinkRecord): Promise<void> {
    const { topic, partition, offset } = record.original
    const key = `${partition} ${topic}`
    if (offset < (this.#reached.get(key)?.offset ?? 0n)) return
    if (record.value !== null || this.#config['behavior.on.null.values'] === 'fail') {
      try {
        const table = await this.#tableFor(record)
        await table.add(record)
      } catch (error) {
        if (!(error instanceof DataError)) throw error
        await this.#context.report(record, error)
      }
    }
    this.#reached.set(key, { topic, partition, offset: offset + 1n })
    if (this.#held > this.#config['max.buffered.bytes']) await this.#commit()
  }

  get #held(): number {
    let held = 0
    for (const table of this.#tables.values()) held += table.held
    return held
  }

  async #commit(): Promise<void> {
    const reached = [...this.#reached.values()]
    for (const table of this.#tables.values()) await table.commit()
    this.#safe = reached
    this.#committedMs = this.#context.system.clock.monotonic()
  }

  /** What is not committed is read again. */
  async #forget(): Promise<void> {
    for (const table of this.#tables.values()) await table.discard()
    this.#tables.clear()
    this.#reached.clear()
    this.#safe = []
  }

  async #tableFor(record: SinkRecord): Promise<Table> {
    const full = this.#config['iceberg.tables'].replaceAll('${topic}', () => record.topic.replaceAll('.', '_'))
    const known = this.#tables.get(full)
    if (known !== undefined) return known
    const name = nameOf(full)
    const loaded = (await this.#catalogue.load(name)) ?? (await this.#create(name, record))
    this.#store ??= openStore(this.#config, loaded.config, this.#context)
    const table = new Table(name, loaded, this.#config, this.#catalogue, this.#store, this.#context, this.#names)
    this.#tables.set(full, table)
    return table
  }

  async #create(name: TableName, { value, valueSchema }: SinkRecord): Promise<Loaded> {
    if (!this.#config['iceberg.tables.auto-create-enabled'])
      throw new Error(`there is no table ${name.namespace.join('.')}.${name.name}; iceberg.tables.auto-create-enabled=true makes it`)
    const schema = valueSchema ?? settled(knownOnly(inferredFrom(value)))
    if (schema.type !== 'struct') throw new DataError('a row of a table has fields; the value has none')
    const struct = structFrom(schema, new Ids(0))
    return await this.#catalogue.create(name, struct, specOf(struct, this.#config['iceberg.tables.default-partition-by']))
  }
}

function nameOf(full: string): TableName {
  const parts = full.split('.')
  return { namespace: parts.slice(0, -1), name: parts.at(-1)! }
}

const partitionPattern = /^(?:(year|month|day|hour)\(([^()]+)\)|([^()]+))$/

function partitionsCheck(text: string): string | null {
  return firstProblem(text, each =>
    each === '' || partitionPattern.test(each) ? null : `${each} is neither a column nor year, month, day or hour of one`,
  )
}

function specOf(struct: StructType, parts: readonly string[]): PartitionSpec {
  const fields = parts.map((part, index): PartitionField => {
    const [, transform = 'identity', inner, whole] = partitionPattern.exec(part)!
    const column = (inner ?? whole)!
    const source = struct.fields.find(field => field.name === column)
    if (source === undefined) throw new DataError(`the record has no field ${column}, by which the table would be partitioned`)
    return {
      'source-id': source.id,
      'field-id': 1_000 + index,
      name: transform === 'identity' ? column : `${column}_${transform}`,
      transform,
    }
  })
  return { 'spec-id': 0, fields }
}
