/**
 * The client, built on the library: one Admin for requests, a sender and a Consumer created when first needed. Listing topics
 * needs only one connection.
 */
import { promisify } from 'node:util'
import { realSystem, type System, type Timer, Turns } from '../base.ts'
import { ClientError, connectionSecurity, settled, toClientError } from '../channel.ts'
import { Admin, kGetApi, kGetBootstrapConnection } from '../library.ts'
import { administration } from './administer.ts'
import { StoredBatchReader } from './batch-reader.ts'
import { SingleBatchSender } from './batch-sender.ts'
import { openBatchWriter } from './batch-writer.ts'
import { CheckedConsumer } from './checked-consumer.ts'
import { classicGroups } from './classic-groups.ts'
import type { Client, ClientOptions } from './client.ts'
import { configMethods } from './configs.ts'
import type { FencedWriterOptions, TransactionalWriterOptions } from './coordination.ts'
import { openFencedWriter } from './fenced-writer.ts'
import { groupMethods } from './groups.ts'
import { commitOffsets, join } from './membership.ts'
import { PollingReader } from './poll.ts'
import { readBatches, readRecords } from './read.ts'
import { RecordSender } from './record-sender.ts'
import { SequencedWriter } from './record-writer.ts'
import { type Ask, Requests } from './requests.ts'
import { rights } from './rights.ts'
import { topicSizes } from './sizes.ts'
import { subscribe } from './subscribe.ts'
import { summaryMethods } from './summaries.ts'
import { topicMethods } from './topics.ts'
import { openTransactionalWriter } from './transactional-writer.ts'
import type {
  BatchWriterOptions,
  Cluster,
  CommittedOffset,
  PartitionOffset,
  ProduceOptions,
  RecordToSend,
  RecordWriterOptions,
} from './types.ts'
import { WriterConnections } from './writer-connections.ts'

/** Enough for a change of leaders, few enough to report soon that no broker answers. */
const retries = 3
const retryDelayMs = 250
const connectTimeoutMs = 5_000
const defaultTimeoutMs = 30_000
/** The time limit of the first response, which costs a broker nothing. */
const longestGreetingMs = 15_000

export function openClient(options: ClientOptions): Client {
  const { bootstrap } = options
  const system = realSystem(options.files)
  const turns = new Turns(system)
  const bootstrapBrokers = parseBootstrap(bootstrap)
  const security = securityOf(options, bootstrapBrokers.map(hostOf), system)
  const base = {
    clientId: options.clientId ?? 'millrace-client',
    bootstrapBrokers,
    retries,
    retryDelay: retryDelayMs,
    connectTimeout: connectTimeoutMs,
    timeout: options.timeoutMs ?? defaultTimeoutMs,
    requestTimeout: options.timeoutMs ?? defaultTimeoutMs,
    ...security,
  }
  const opened = new Set<{ close(): Promise<void> }>()
  const keep = <T extends { close(): Promise<void> }>(part: T): T => {
    opened.add(part)
    return part
  }
  const admin = lazily(() => keep(new Admin(base)))
  const requests = lazily(() => new Requests(admin(), system))
  // Fetches wait at the broker, and what comes behind them on the same connection waits as well.
  const reader = lazily(() => new Requests(keep(new Admin(base)), system))
  const greetingMs = Math.min(base.timeout, longestGreetingMs)
  let greeting: Promise<void> | null = null
  const greetNow = async () => {
    if (security.tls !== undefined || security.sasl !== undefined) await logIn(admin(), bootstrap)
    await greet(admin(), bootstrap, system, greetingMs)
  }
  // After a failure, the next attempt may succeed.
  const forget = (error: unknown): never => {
    greeting = null
    throw error
  }
  const greeted = () => (greeting ??= greetNow().catch(forget))
  const run = async <T>(work: () => Promise<T>): Promise<T> => {
    await greeted()
    return settled(bootstrap, work())
  }
  const askOver =
    (over: () => Requests): Ask =>
    work =>
      run(() => over().retrying(bootstrap, () => work(over())))
  const ask = askOver(requests)
  const parts = { system, turns, bootstrap, run, ask }
  const connecting = { ...parts, admin: () => keep(new Admin(base)), forget: (own: Admin) => void opened.delete(own) }

  const client: Client = {
    cluster: () => run(() => cluster(admin())),
    topicSizes: () => ask(topicSizes),
    deleteTopics: names => run(() => admin().deleteTopics({ topics: [...names] })),
    setPartitions: (name, count) => run(() => admin().createPartitions({ topics: [{ name, count, assignments: null as never }] })),
    read: reading => readRecords(askOver(reader), reading, turns),
    readBatches: reading => readBatches(askOver(reader), reading),
    subscribe: subscribing =>
      run(() => subscribe(keep(new CheckedConsumer({ ...base, groupId: subscribing.group })), subscribing, { system, ask, bootstrap })),
    ...ownConnections(connecting, admin),
    join: async joining => {
      await greeted()
      const consumer = keep(new CheckedConsumer({ ...base, groupId: joining.group }))
      return join(consumer, joining, { system, ask, bootstrap, forget: () => opened.delete(consumer) })
    },
    setGroupOffsets: (name, offsets) => run(() => setGroupOffsets(admin(), name, offsets)),
    ...topicMethods(ask),
    ...summaryMethods(ask),
    ...configMethods(ask),
    ...groupMethods(ask),
    ...administration(ask, system),
    ...coordination(connecting),
    close: async () => {
      await Promise.allSettled(Array.from(opened, part => part.close()))
    },
    [Symbol.asyncDispose]: () => client.close(),
  }
  return client
}

function securityOf({ properties, token, delegationToken }: ClientOptions, hosts: readonly string[], system: System) {
  const security = connectionSecurity(properties ?? {}, hosts, system, delegationToken)
  if (token !== undefined && security.sasl !== undefined) security.sasl.token = async () => token()
  return security
}

/**
 * Logs in once, before any work, because the library would try a wrong password again and again. Whatever else fails is left to the
 * work itself, which the library does repeat.
 */
async function logIn(admin: Admin, bootstrap: string): Promise<void> {
  try {
    await promisify(done => admin[kGetBootstrapConnection](done as never))()
  } catch (error) {
    const told = toClientError(error, bootstrap)
    if (told.code !== 'UNREACHABLE' && told.code !== 'TIMEOUT') throw told
  }
}

/** Requests the API versions once: if a listener never responds, the library would repeat the request again and again. */
async function greet(admin: Admin, bootstrap: string, { timers }: System, greetingMs: number): Promise<void> {
  const greeting = settled(bootstrap, promisify(done => admin[kGetApi]('Metadata', done as never))())
  greeting.catch(() => {})
  let deadline: Timer | undefined
  const late = new Promise<never>((_, reject) => {
    const error = new ClientError('TIMEOUT', `no answer in time from ${bootstrap}`)
    deadline = timers.after(greetingMs, () => reject(error))
  })
  await Promise.race([greeting, late]).finally(() => deadline!.cancel())
}

function lazily<T>(make: () => T): () => T {
  let made: T | undefined
  return () => (made ??= make())
}

function parseBootstrap(text: string): string[] {
  const addresses = text
    .split(',')
    .map(part => part.trim())
    .filter(part => part !== '')
  for (const address of addresses) {
    const port = /^(?:\[[0-9a-fA-F:.%]+\]|[^\s:[\]]+):(\d{1,5})$/.exec(address)?.[1]
    if (port === undefined || Number(port) > 65_535 || Number(port) === 0) {
      throw new ClientError('INVALID', `"${address}" is not a broker address (host:port)`)
    }
  }
  if (addresses.length === 0) throw new ClientError('INVALID', 'the list of brokers is empty')
  return addresses
}

function hostOf(address: string): string {
  return address.slice(0, address.lastIndexOf(':'))
}

async function cluster(admin: Admin): Promise<Cluster> {
  // The library would repeat what it heard up to five minutes ago.
  const { id, controllerId, brokers } = await admin.metadata({ topics: [], forceUpdate: true })
  return {
    id,
    controllerId,
    brokers: Array.from(brokers, ([brokerId, { host, port, rack }]) => ({ id: brokerId, host, port, rack: rack ?? null })),
  }
}

async function setGroupOffsets(admin: Admin, groupId: string, offsets: readonly PartitionOffset[]): Promise<void> {
  const topics = Array.from(
    Map.groupBy(offsets, each => each.topic),
    ([name, rows]) => ({ name, partitionOffsets: rows.map(({ partition, offset }) => ({ partition, offset })) }),
  )
  await admin.alterConsumerGroupOffsets({ groupId, topics })
}

interface OwnConnections {
  readonly system: System
  readonly turns: Turns
  readonly bootstrap: string
  /** When it is known that a broker answers. */
  run<T>(work: () => Promise<T>): Promise<T>
  readonly ask: Ask
  /** A new one. */
  admin(): Admin
  /** It was closed. */
  forget(admin: Admin): void
}

/** What sends so much, or waits so long, that nothing else should wait behind it. */
function ownConnections({ system, turns, bootstrap, run, ask, admin, forget }: OwnConnections, common: () => Admin) {
  const shared = lazily(() => new WriterConnections(common(), { system, turns, bootstrap }))
  const withOwn = <T>(open: (own: Admin, forgetOwn: () => void) => T): T => {
    const own = admin()
    return open(own, () => forget(own))
  }
  const withClosed = <T>(open: (own: WriterConnections, close: () => Promise<void>) => T): T =>
    withOwn((own, forgetOwn) => {
      const close = () => {
        forgetOwn()
        return own.close()
      }
      return open(new WriterConnections(own, { system, turns, bootstrap }), close)
    })
  const sender = lazily(() => new RecordSender(new WriterConnections(admin(), { system, turns, bootstrap }), ask))
  return {
    send: (topic: string, records: readonly RecordToSend[], sending?: ProduceOptions) =>
      run(() => sender().send(topic, records, sending ?? {})),
    sendEach: (topic: string, records: readonly RecordToSend[], sending?: ProduceOptions) =>
      run(() => sender().sendEach(topic, records, sending ?? {})),
    openReader: () => withOwn((own, forgetOwn) => new PollingReader(own, { system, turns, bootstrap }, forgetOwn)),
    openBatchReader: () => withOwn((own, forgetOwn) => new StoredBatchReader(own, { system, turns, bootstrap }, forgetOwn)),
    openBatchSender: (acks: 'all' | 1) => withOwn((own, forgetOwn) => new SingleBatchSender(own, system, bootstrap, acks, forgetOwn)),
    openBatchWriter: (writing: BatchWriterOptions) =>
      withOwn((own, forgetOwn) => openBatchWriter(own, ask, system, { ...writing, bootstrap, forget: forgetOwn })),
    openRecordWriter: (writing: RecordWriterOptions) => withClosed((own, close) => new SequencedWriter(own, ask, { ...writing, close })),
    openTransactionalWriter: (writing: TransactionalWriterOptions) => {
      if (writing.isShared === true) return openTransactionalWriter(shared(), ask, { ...writing, async close() {} })
      return withClosed((own, close) => openTransactionalWriter(own, ask, { ...writing, close }))
    },
  }
}

/** For services, which agree on who leads, and act within the rights of others. */
function coordination({ system, bootstrap, ask, admin, forget }: OwnConnections) {
  const aside: Ask = async work => {
    const own = admin()
    try {
      return await settled(bootstrap, work(new Requests(own, system)))
    } finally {
      forget(own)
      await own.close()
    }
  }
  return {
    ...classicGroups(ask, aside),
    ...rights(ask),
    commit: (group: string, offsets: readonly CommittedOffset[]) => commitOffsets(ask, group, offsets),
    openFencedWriter: (writing: FencedWriterOptions) => openFencedWriter(ask, system, writing),
  }
}
