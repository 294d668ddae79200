/**
 * The client: connections for requests, made when they are first needed, and the library's consumer for `subscribe` and `join`. The library is large, so it is
 * loaded when one of these is first called; most clients never do. Listing topics needs only one connection.
 */
import { realSystem, type System, type Timer, Turns } from '../base.ts'
import { type Address, ClientError, Connections, connectionSecurity, settled } from '../channel.ts'
import { administration } from './administer.ts'
import { StoredBatchReader } from './batch-reader.ts'
import { SingleBatchSender } from './batch-sender.ts'
import { openBatchWriter } from './batch-writer.ts'
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
import type { BatchWriterOptions, Cluster, CommittedOffset, ProduceOptions, RecordToSend, RecordWriterOptions } from './types.ts'
import { WriterConnections } from './writer-connections.ts'

/** Enough for a change of leaders, few enough to report soon that no broker answers. */
const retries = 3
const retryDelayMs = 250
const connectTimeoutMs = 5_000
/** Requests under way on one connection. */
const mostInFlight = 5
const defaultTimeoutMs = 30_000
/** The time limit of the first response, which costs a broker nothing. */
const longestGreetingMs = 15_000

export function openClient(options: ClientOptions): Client {
  const { bootstrap } = options
  const system = realSystem(options.files)
  const turns = new Turns(system)
  const bootstrapBrokers = parseBootstrap(bootstrap)
  const addresses = bootstrapBrokers.map(addressOf)
  const security = securityOf(options, addresses, system)
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
  const { clientId, requestTimeout: requestTimeoutMs } = base
  const connecting = { bootstrap: addresses, clientId, security, connectTimeoutMs, requestTimeoutMs, mostInFlight, system }
  const connect = () => keep(new Connections(connecting))
  const common = lazily(connect)
  const consumer = async (group: string) => keep(new (await import('./checked-consumer.ts')).CheckedConsumer({ ...base, groupId: group }))
  const requests = lazily(() => new Requests(common(), system))
  // Fetches wait at the broker, and what comes behind them on the same connection waits as well.
  const reader = lazily(() => new Requests(connect(), system))
  const greetingMs = Math.min(base.timeout, longestGreetingMs)
  let greeting: Promise<void> | null = null
  const greetNow = () => greet(common(), bootstrap, system, greetingMs)
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
  const own: OwnConnections = { system, turns, bootstrap, run, ask, connect, forget: closed => void opened.delete(closed) }

  const client: Client = {
    cluster: () => run(() => cluster(common())),
    topicSizes: () => ask(topicSizes),
    read: reading => readRecords(askOver(reader), reading, turns),
    readBatches: reading => readBatches(askOver(reader), reading),
    subscribe: subscribing => run(async () => subscribe(await consumer(subscribing.group), subscribing, { system, ask, bootstrap })),
    ...ownConnections(own, common),
    join: async joining => {
      await greeted()
      const member = await consumer(joining.group)
      return join(member, joining, { system, ask, bootstrap, forget: () => opened.delete(member) })
    },
    setGroupOffsets: (name, offsets) => commitOffsets(ask, name, offsets),
    ...topicMethods(ask),
    ...summaryMethods(ask),
    ...configMethods(ask),
    ...groupMethods(ask),
    ...administration(ask, system),
    ...coordination(own),
    close: async () => {
      await Promise.allSettled(Array.from(opened, part => part.close()))
    },
    [Symbol.asyncDispose]: () => client.close(),
  }
  return client
}

function securityOf({ properties, token, delegationToken }: ClientOptions, addresses: readonly Address[], system: System) {
  const hosts = addresses.map(({ host }) => host)
  const security = connectionSecurity(properties ?? {}, hosts, system, delegationToken)
  if (token !== undefined && security.sasl !== undefined) security.sasl.token = async () => token()
  return security
}

/** Logs in, and asks for the API versions, before any work: the library would try a wrong password, or a listener that never responds, again and again. */
async function greet(connections: Connections, bootstrap: string, { timers }: System, greetingMs: number): Promise<void> {
  const greeting = settled(bootstrap, connections.versions())
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

function addressOf(text: string): Address {
  const at = text.lastIndexOf(':')
  return { host: text.slice(0, at).replace(/^\[|\]$/g, ''), port: Number(text.slice(at + 1)) }
}

async function cluster(connections: Connections): Promise<Cluster> {
  const { clusterId, controllerId, brokers } = await connections.metadata(true)
  return { id: clusterId ?? '', controllerId, brokers: Array.from(brokers, ([id, { host, port, rack }]) => ({ id, host, port, rack })) }
}

interface OwnConnections {
  readonly system: System
  readonly turns: Turns
  readonly bootstrap: string
  /** When it is known that a broker answers. */
  run<T>(work: () => Promise<T>): Promise<T>
  readonly ask: Ask
  /** New ones. */
  connect(): Connections
  /** They were closed. */
  forget(connections: Connections): void
}

/** What sends so much, or waits so long, that nothing else should wait behind it. */
function ownConnections({ system, turns, bootstrap, run, ask, connect, forget }: OwnConnections, common: () => Connections) {
  const shared = lazily(() => new WriterConnections(common(), { system, turns, bootstrap }))
  const withOwn = <T>(open: (own: Connections, forgetOwn: () => void) => T): T => {
    const own = connect()
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
  const sender = lazily(() => new RecordSender(new WriterConnections(connect(), { system, turns, bootstrap }), ask))
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
function coordination({ system, bootstrap, ask, connect, forget }: OwnConnections) {
  const aside: Ask = async work => {
    const own = connect()
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
