/**
 * MongoDB sink, by the official driver: bulk writes of documents whose ids are the same when a record is written again.
 */
import type { AnyBulkWriteOperation, Collection, MongoClient } from 'mongodb'
import {
  DataError,
  defineSink,
  type OpenedPartition,
  RetriableError,
  type SinkContext,
  type SinkRecord,
  type SinkTask,
} from '../../connector.ts'
import { Batches } from '../batches/batches.ts'
import { missing, requireNone } from '../required.ts'
import { parseTemplate, type Template } from '../template/template.ts'
import { TopicNames } from '../topic-names.ts'
import { within } from '../waits.ts'
import { Documents } from './documents.ts'
import { type Config, idStrategies, keys, strategyOf } from './keys.ts'
import { refuses } from './refusals.ts'

function check(config: Config): Map<string, string> {
  const problems = missing(config, ['collection'])
  const id = strategyOf(config['document.id.strategy'], idStrategies)!
  if (!/^mongodb(?:\+srv)?:\/\//.test(config['connection.uri']))
    problems.set('connection.uri', 'must begin with mongodb:// or mongodb+srv://')
  if (config['delete.on.null.values'] && !['FullKeyStrategy', 'PartialKeyStrategy', 'ProvidedInKeyStrategy'].includes(id))
    problems.set('delete.on.null.values', 'needs document.id.strategy FullKeyStrategy, PartialKeyStrategy or ProvidedInKeyStrategy')
  for (const what of ['key', 'value'] as const) {
    const type = `document.id.strategy.partial.${what}.projection.type` as const
    if (id === (what === 'key' ? 'PartialKeyStrategy' : 'PartialValueStrategy') && config[type] === 'none')
      problems.set(type, `must be allowlist or blocklist with ${id}`)
  }
  return problems
}

export const mongodb = defineSink({
  name: 'mongodb',
  classes: ['com.mongodb.kafka.connect.MongoSinkConnector'],
  version: '1',
  summary: 'Writes records as documents of MongoDB collections.',
  example: {
    'connection.uri': 'mongodb://127.0.0.1:27017',
    database: 'shop',
    collection: '${topic}',
    'document.id.strategy': 'FullKeyStrategy',
    'delete.on.null.values': 'true',
  },
  config: keys,
  refuses,
  check,
  async open(config, context): Promise<SinkTask> {
    requireNone(check(config))
    const { MongoClient, ...bson } = await import('mongodb')
    const timeout = config['server.timeout.ms']
    const connect = () =>
      new MongoClient(config['connection.uri'], {
        appName: 'millrace connect',
        serverSelectionTimeoutMS: timeout,
        socketTimeoutMS: timeout,
        connectTimeoutMS: timeout,
        maxPoolSize: 2,
      })
    const names = new TopicNames()
    const documents = new Documents(config, bson, () => new Date(context.system.clock.now()), names)
    return new MongoTask(config, context, connect, documents, names)
  },
})

class MongoTask implements SinkTask {
  readonly #config: Config
  readonly #context: SinkContext
  readonly #connect: () => MongoClient
  /** null: the last one is broken. One that could not connect never does. */
  #client: MongoClient | null
  readonly #documents: Documents
  readonly #names: TopicNames
  readonly #collection: Template
  readonly #batches: Batches

  constructor(config: Config, context: SinkContext, connect: () => MongoClient, documents: Documents, names: TopicNames) {
    this.#config = config
    this.#context = context
    this.#connect = connect
    // A text that is no URI is refused now.
    this.#client = connect()
    this.#documents = documents
    this.#names = names
    this.#collection = parseTemplate(config.collection)
    this.#batches = new Batches(config['max.batch.size'] === 0 ? Number.POSITIVE_INFINITY : config['max.batch.size'])
  }

  async opened(partitions: readonly OpenedPartition[]): Promise<void> {
    this.#names.opened(partitions)
  }

  put(records: readonly SinkRecord[]): Promise<void> {
    return this.#batches.write(records, batch => this.#write(batch))
  }

  async #write(batch: readonly SinkRecord[]): Promise<void> {
    const refused: { record: SinkRecord; error: DataError }[] = []
    const writes = new Map<string, { record: SinkRecord; operation: AnyBulkWriteOperation }[]>()
    for (const record of batch) {
      try {
        const operation = this.#documents.of(record)
        if (operation === null) continue
        const name = this.#collection.render(record)
        const list = writes.get(name)
        if (list === undefined) writes.set(name, [{ record, operation }])
        else list.push({ record, operation })
      } catch (error) {
        if (!(error instanceof DataError)) throw error
        refused.push({ record, error })
      }
    }
    for (const [name, list] of writes) await this.#guarded(collections => this.#bulk(collections(name), list, refused))
    for (const { record, error } of refused) await this.#context.report(record, error)
  }

  async #bulk(
    collection: Collection,
    list: readonly { record: SinkRecord; operation: AnyBulkWriteOperation }[],
    refused: { record: SinkRecord; error: DataError }[],
  ): Promise<void> {
    const ordered = this.#config['bulk.write.ordered']
    for (let rest = list; rest.length > 0; ) {
      try {
        await collection.bulkWrite(
          rest.map(({ operation }) => operation),
          { ordered },
        )
        return
      } catch (error) {
        const errors = writeErrorsOf(error)
        if (errors === null) throw sortedError(error as Error)
        for (const { index, code, errmsg } of errors) {
          const { record, operation } = rest[index]!
          // Of an insert that is done again, the document is there.
          if (code === duplicateKey && 'insertOne' in operation && /\b_id_?\b/.test(errmsg ?? '')) continue
          refused.push({ record, error: new DataError(`MongoDB refuses the document: ${errmsg ?? code}`) })
        }
        // In order it stops at the first one.
        if (!ordered) return
        rest = rest.slice(errors[0]!.index + 1)
      }
    }
  }

  /** After an error that passes, the client is another one. A server is looked for, and then answers: each in its time. */
  async #guarded(work: (collections: (name: string) => Collection) => Promise<void>): Promise<void> {
    const client = (this.#client ??= this.#connect())
    try {
      const collections = (name: string) => client.db(this.#config.database).collection(name)
      await within(
        this.#context,
        2 * this.#config['server.timeout.ms'],
        () => this.#disconnect(),
        () => work(collections),
      )
    } catch (error) {
      if (error instanceof RetriableError) this.#disconnect()
      throw error
    }
  }

  #disconnect(): void {
    void this.#client?.close(true).catch(() => {})
    this.#client = null
  }

  async flush(): Promise<undefined> {
    return undefined
  }

  async closed(): Promise<void> {
    this.#batches.forget()
  }

  async close(): Promise<void> {
    this.#disconnect()
  }
}

const duplicateKey = 11_000

interface WriteErrorOf {
  readonly index: number
  readonly code: number
  readonly errmsg?: string
}

/** null: it is not about documents. */
function writeErrorsOf(error: unknown): readonly WriteErrorOf[] | null {
  const { writeErrors, name } = error as { writeErrors?: WriteErrorOf | readonly WriteErrorOf[]; name?: string }
  if (name !== 'MongoBulkWriteError' || writeErrors === undefined) return null
  const errors = Array.isArray(writeErrors) ? (writeErrors as readonly WriteErrorOf[]) : [writeErrors as WriteErrorOf]
  return errors.length === 0 ? null : errors
}

/** Network, elections, time-outs, write concerns and a full disk pass; authentication and what is wrong with the command do not. */
export function sortedError(error: Error): Error {
  const { name, code, errorResponse: cause } = error as { name: string; code?: number; errorResponse?: unknown }
  // Of a bulk write, what ended it.
  if (name === 'MongoBulkWriteError' && cause instanceof Error) return sortedError(cause)
  const isServers = name === 'MongoServerError' || name === 'MongoBulkWriteError'
  const labels = (error as { hasErrorLabel?: (label: string) => boolean }).hasErrorLabel
  const isLabelled =
    typeof labels === 'function' && (labels.call(error, 'RetryableWriteError') || labels.call(error, 'TransientTransactionError'))
  const isNetwork = /Network|ServerSelection|Timeout|PoolClosed|PoolCleared|NotConnected|TopologyClosed/.test(name)
  const isConcern =
    name === 'MongoWriteConcernError' ||
    (isServers && (code === 64 || code === 100 || code === 50 || code === 91 || code === 189 || code === 262 || code === 14_031))
  return isNetwork || isLabelled || isConcern ? new RetriableError(`MongoDB: ${error.message}`, { cause: error }) : error
}
