/**
 * Sends transaction markers to the brokers that lead the partitions (WriteTxnMarkers), batched for each broker.
 *
 * Hides how markers share requests, and which answers mean that a marker is not needed any more; Kafka's TransactionMarkerChannelManager has
 * the same rules. Each call is one attempt: the coordinator tries again, so that markers follow a leader that moves.
 */
import { joinedKey } from '../../base.ts'
import type { Place, RemoteMarker, RemoteMarkers } from '../../coordinator.ts'
import { apis, type ErrorName, errorName, type InputOf, KafkaError, toKafkaError } from '../../protocol.ts'
import { Batches } from './batches.ts'
import type { Leaders } from './leaders.ts'
import type { Peers } from './peers.ts'

type RequestMarker = InputOf<typeof apis.writeTxnMarkers.request>['markers'][number]

interface Item {
  marker: RemoteMarker
  place: Place
  done(place: Place, failure: KafkaError | null): void
}

/** The markers of one transaction in a request, and what they are answered by. */
interface Entry {
  marker: RemoteMarker
  topics: Map<string, number[]>
}

const mostMarkers = 2_000
/**
 * The marker is not needed: a newer epoch has written there, so that an older one has nothing left to end, or the topic belongs to the broker.
 * A topic that was deleted is not among them: the other broker may not know yet that the topic exists.
 */
const needless: ReadonlySet<string> = new Set<ErrorName>(['INVALID_PRODUCER_EPOCH', 'INVALID_TOPIC_EXCEPTION'])

export class MarkersToPeers implements RemoteMarkers {
  readonly #leaders: Leaders
  readonly #peers: Peers
  readonly #batches = new Batches<Item>(
    waiting => waiting.splice(0, mostMarkers),
    (broker, items) => this.#deliver(broker, items),
  )

  constructor(leaders: Leaders, peers: Peers) {
    this.#leaders = leaders
    this.#peers = peers
  }

  write(marker: RemoteMarker, places: readonly Place[], done: Item['done']): void {
    for (const place of places) {
      try {
        const broker = this.#leaders.elsewhere(...place)
        if (broker === null) throw new KafkaError('NOT_LEADER_OR_FOLLOWER', `${place.join('-')} is led by this broker by now`)
        this.#batches.add(broker, { marker, place, done })
      } catch (error) {
        queueMicrotask(() => done(place, toKafkaError(error)))
      }
    }
  }

  async #deliver(broker: number, items: readonly Item[]): Promise<void> {
    const entries = entriesOf(items)
    let codes: ReadonlyMap<string, number>
    try {
      const request = { markers: Array.from(entries.values(), requestMarker) }
      const { markers } = await this.#peers.request(broker, apis.writeTxnMarkers, apis.writeTxnMarkers.maxVersion, request)
      codes = codesOf([...entries.keys()], markers)
    } catch (error) {
      for (const { place, done } of items) done(place, toKafkaError(error))
      return
    }
    for (const { marker, place, done } of items) {
      const code = codes.get(joinedKey(transactionOf(marker), place[0], String(place[1])))
      const name = code === undefined ? 'UNKNOWN_SERVER_ERROR' : errorName(code)
      done(place, name === 'NONE' || needless.has(name) ? null : new KafkaError(name))
    }
  }
}

function transactionOf({ producerId, producerEpoch, coordinatorEpoch, committed, transactionVersion }: RemoteMarker): string {
  return `${producerId} ${producerEpoch} ${coordinatorEpoch} ${committed} ${transactionVersion}`
}

function entriesOf(items: readonly Item[]): Map<string, Entry> {
  const entries = new Map<string, Entry>()
  for (const { marker, place } of items) {
    const key = transactionOf(marker)
    let entry = entries.get(key)
    if (entry === undefined) entries.set(key, (entry = { marker, topics: new Map() }))
    const [topic, partition] = place
    const partitions = entry.topics.get(topic)
    if (partitions === undefined) entry.topics.set(topic, [partition])
    else partitions.push(partition)
  }
  return entries
}

function requestMarker({ marker, topics }: Entry): RequestMarker {
  const { producerId, producerEpoch, coordinatorEpoch, committed, transactionVersion } = marker
  return {
    producerId,
    producerEpoch,
    transactionResult: committed,
    topics: Array.from(topics, ([name, partitionIndexes]) => ({ name, partitionIndexes })),
    coordinatorEpoch,
    transactionVersion,
  }
}

interface Answered {
  topics: readonly { name: string; partitions: readonly { partitionIndex: number; errorCode: number }[] }[]
}

/** The answers come in the order of the request. */
function codesOf(transactions: readonly string[], answers: readonly Answered[]): Map<string, number> {
  const codes = new Map<string, number>()
  for (const [index, { topics }] of answers.entries()) {
    for (const { name, partitions } of topics)
      for (const { partitionIndex, errorCode } of partitions)
        codes.set(joinedKey(transactions[index] ?? '', name, String(partitionIndex)), errorCode)
  }
  return codes
}
