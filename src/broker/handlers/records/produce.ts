/**
 * Produce, v0–13.
 *
 * v0–1 carry message format 0, v2 format 1 (both converted to format 2, as Kafka up to 3.9 did; at most 16 MiB or two million messages per
 * partition, where Kafka has no limit), v3+ exactly one batch of format 2 per partition (KIP-98), v7 zstd (KIP-110), v8 record errors
 * (KIP-467, the first 10,000 of a request), v10 the current leader (KIP-951), v13 topic ids (KIP-516); v11 supports TRANSACTION_ABORTABLE,
 * v12 adds partitions to the transaction (KIP-890).
 *
 * The header of a batch is derived from its records, so compressed batches are decompressed: immediately if that is little work,
 * otherwise on a worker thread while the connection waits. It also waits, for a moment, for a partition that this broker is just taking over.
 * Then each partition's place in the log is fixed synchronously and the connection reads on. The response is sent when the batches have the
 * state that `acks` requires: 1 = written, -1 = durable. With `acks=0` there is no response, and an error closes the connection, as in Kafka.
 */
import { freeIfLarge, runInSlices, settledWithin } from '../../../base.ts'
import { type Arrival, checkWrite } from '../../../coordinator.ts'
import type { PartitionLog } from '../../../log.ts'
import {
  apis,
  type Contents,
  errorCode,
  type InputOf,
  InvalidRecords,
  KafkaError,
  type MessageOf,
  OddRecords,
  type Opening,
  openingOf,
  toKafkaError,
  type Uuid,
  workOf,
} from '../../../protocol.ts'
import { fewEntries, manyThings, promptly } from '../../dispatch/cost.ts'
import { nestedResultsOf } from '../../dispatch/failed.ts'
import { CloseConnection, type Deferred, defineHandler, type RequestContext } from '../../dispatch/handler.ts'
import { absence, CurrentLeaders } from '../cluster/cluster-view.ts'
import { checkTransaction, enterTransaction, ownBytes, RemoteEntry } from './produce-transaction.ts'

type Request = MessageOf<typeof apis.produce.request>
type Response = InputOf<typeof apis.produce.response>
type PartitionRequest = Request['topicData'][number]['partitionData'][number]
type PartitionResponse = Response['responses'][number]['partitionResponses'][number]

/** A response that may still fail, and the group commit it hangs on. */
interface Waiting {
  response: PartitionResponse
  commit: Promise<void>
}

const produced = { origin: 'client', gather: true } as const
/** What an entry and its append cost, and what is done before others are served: see `workOf`. */
const entryWork = 2 << 10
const stepWork = 1 << 20
/** Of one response: more would make it far larger than its request. */
const mostRecordErrors = 10_000
const namesLeadersFrom = 10
/** From the beginning of a take-over. One that takes longer holds up nothing else on the connections of its producers. */
const awaitedMs = 500
const notLeader = errorCode('NOT_LEADER_OR_FOLLOWER')

export const produce = defineHandler<typeof apis.produce>({
  api: apis.produce,
  versions: [0, 13],
  access: [
    ['TOPIC', 'WRITE'],
    ['TRANSACTIONAL_ID', 'WRITE'],
    ['CLUSTER', 'IDEMPOTENT_WRITE'],
  ],
  cost: promptly(manyThings(null, fewEntries)),
  handle(request, context) {
    if (request.acks < -1 || request.acks > 1) throw new KafkaError('INVALID_REQUIRED_ACKS', `acks=${request.acks}; it must be -1, 0 or 1`)
    const entering = request.transactionalId === null ? null : enterTransaction(request, context)
    return entering === null ? appendAll(request, context, null) : appendEntered(entering, request, context)
  },
  fail: failed,
})

type Outcome = Response | null | Promise<Response | null> | Deferred<Response>

async function appendEntered(
  entering: Promise<KafkaError | RemoteEntry | null>,
  request: Request,
  context: RequestContext,
): Promise<Response | null> {
  const entry = await entering
  if (!(entry instanceof RemoteEntry)) return settledOutcome(appendAll(request, context, entry))
  try {
    return await settledOutcome(appendAll(request, context, entry))
  } finally {
    entry.release()
  }
}

function settledOutcome(outcome: Outcome): Response | null | Promise<Response | null> {
  return outcome !== null && 'deferred' in outcome ? outcome.deferred : outcome
}

/** `refused`: why partitions could not be entered into the transaction. */
function appendAll(request: Request, context: RequestContext, refused: KafkaError | RemoteEntry | null): Outcome {
  const appends = new ProduceAppends(request, context, refused)
  const steps = appends.steps()
  if (steps.next().done) {
    if (appends.opening.size > 0) return appends.settled()
    if (appends.waiting.length === 0) return answer(request, appends.response)
    return { deferred: finish(request, appends) } satisfies Deferred<Response>
  }
  if (context.borrowed) ownBytes(request)
  return runInSlices(context.broker.turns, steps).then(() => appends.settled())
}

function* failed(request: Request, error: KafkaError): Generator<void, Response> {
  if (request.acks === 0) throw new CloseConnection(`produce with acks=0 failed: ${error.message}`)
  const responses = yield* nestedResultsOf(
    request.topicData,
    ({ partitionData }) => partitionData,
    ({ index }) => fail(emptyResponse(index), error),
    ({ name, topicId }, partitionResponses) => ({ name, topicId, partitionResponses }),
  )
  return { responses }
}

function emptyResponse(index: number): PartitionResponse {
  return {
    index,
    errorCode: 0,
    baseOffset: -1,
    logAppendTimeMs: -1,
    logStartOffset: -1,
    errorMessage: null,
  }
}

function fail(response: PartitionResponse, error: KafkaError): PartitionResponse {
  response.errorCode = error.code
  response.errorMessage = error.message
  response.baseOffset = -1
  response.logAppendTimeMs = -1
  return response
}

function findLog(
  name: string | null,
  topicId: Uuid,
  data: PartitionRequest,
  response: PartitionResponse,
  context: RequestContext,
): PartitionLog | null {
  const byId = context.version >= 13
  if (name === null || !context.allowed('WRITE', 'TOPIC', name)) {
    response.errorCode = errorCode(name === null ? 'UNKNOWN_TOPIC_ID' : 'TOPIC_AUTHORIZATION_FAILED')
    return null
  }
  const { metadata } = context.broker
  const log = byId ? metadata.partition(topicId, data.index) : metadata.partitionByName(name!, data.index)
  if (log === undefined) response.errorCode = errorCode(absence(metadata.topic(name)?.partitions[data.index]))
  return log ?? null
}

/** The appends of one request, each as soon as its batch is known to be sound. */
class ProduceAppends {
  readonly #topics: Response['responses'][number][] = []
  readonly response: Response = { responses: this.#topics }
  readonly waiting: Waiting[] = []
  /** Partitions whose batches are looked at on the thread, or that arrive: what follows for them waits, so that its order holds. Nothing rejects. */
  readonly opening = new Map<PartitionLog | Arrival, Promise<void>>()
  readonly #request: Request
  readonly #context: RequestContext
  readonly #refused: KafkaError | RemoteEntry | null
  #work = 0
  #recordErrors = 0
  #leaders: CurrentLeaders | null = null

  constructor(request: Request, context: RequestContext, refused: KafkaError | RemoteEntry | null) {
    this.#request = request
    this.#context = context
    this.#refused = refused
  }

  /** Works on the request, and yields where others may have to be served. */
  *steps(): Generator<void, void> {
    const { version, broker } = this.#context
    for (const { name: given, topicId, partitionData } of this.#request.topicData) {
      const name = version >= 13 ? (broker.metadata.topicName(topicId) ?? null) : given
      const partitionResponses: PartitionResponse[] = []
      this.#topics.push({ name: given, topicId, partitionResponses })
      for (const data of partitionData) {
        if (this.#work >= stepWork) {
          this.#work = 0
          yield
        }
        this.#work += entryWork
        const response = emptyResponse(data.index)
        partitionResponses.push(response)
        const log = findLog(name, topicId, data, response, this.#context)
        if (log !== null) this.#add(log, data.records, response)
        else if (response.errorCode === notLeader) this.#await(name!, topicId, data, response)
      }
    }
  }

  /** If this broker is taking the partition over: who comes from the leader before would only go back and forth until that is done. */
  #await(name: string, topicId: Uuid, data: PartitionRequest, response: PartitionResponse): void {
    const { metadata, system } = this.#context.broker
    const arrival = metadata.topic(name)?.partitions[data.index]?.arrival ?? null
    const leftMs = arrival === null ? 0 : arrival.sinceMs + awaitedMs - system.clock.monotonic()
    if (arrival === null || leftMs <= 0) {
      this.#nameLeader(name, response)
      return
    }
    // The request's bytes are gone by then.
    const own = { ...data, records: data.records === null ? null : Buffer.from(data.records) }
    const before = this.opening.get(arrival) ?? settledWithin(system.timers, leftMs, [arrival.over])
    this.opening.set(
      arrival,
      before.then(() => this.#arrived(name, topicId, own, response)),
    )
  }

  #arrived(name: string, topicId: Uuid, data: PartitionRequest, response: PartitionResponse): Promise<void> | undefined {
    response.errorCode = 0
    const log = findLog(name, topicId, data, response, this.#context)
    if (log !== null) return this.#take(log, data.records, response) ?? undefined
    if (response.errorCode === notLeader) this.#nameLeader(name, response)
    return undefined
  }

  async settled(): Promise<Response | null> {
    await Promise.all(this.opening.values())
    return finish(this.#request, this)
  }

  #add(log: PartitionLog, records: Buffer | null, response: PartitionResponse): void {
    const before = this.opening.get(log)
    if (before === undefined) {
      const opening = this.#take(log, records, response)
      if (opening !== null) this.opening.set(log, opening)
      return
    }
    // The request's bytes are gone by then.
    const own = records === null ? null : Buffer.from(records)
    this.opening.set(
      log,
      before.then(() => this.#take(log, own, response) ?? undefined),
    )
  }

  /** null when the batch is appended or refused already. */
  #take(log: PartitionLog, records: Buffer | null, response: PartitionResponse): Promise<void> | null {
    try {
      checkWrite(log.topic, this.#context.clientId)
      const job = this.#openingOf(log, records)
      const { converter } = this.#context.broker
      this.#work += workOf(job.records)
      if (converter.mayStay(job)) {
        try {
          this.#append(log, job.records, undefined, response)
          return null
        } catch (error) {
          if (!(error instanceof OddRecords)) throw error
        }
      }
      // What is refused, or goes to the thread, may have cost all that is done at once.
      this.#work += stepWork
      const opened = converter.open(job, this.#context.connection)
      if (opened instanceof Promise)
        return opened
          .then(({ records, contents }) => {
            this.#append(log, records, contents, response)
            // They came from the thread, with memory of their own, and the log is done with them.
            freeIfLarge(records)
          })
          .catch((error: unknown) => this.#reject(response, error, log))
      this.#work += opened.contents.work - stepWork
      this.#append(log, opened.records, opened.contents, response)
    } catch (error) {
      this.#reject(response, error, log)
    }
    return null
  }

  #openingOf(log: PartitionLog, records: Buffer | null): Opening {
    if (records === null) throw new KafkaError('INVALID_RECORD', 'A partition has no records.')
    const { compressionType, compressionLevel } = log.config
    return openingOf(records, {
      version: this.#context.version,
      compression: compressionType === 'uncompressed' ? 'none' : compressionType,
      level: compressionLevel,
      batch: log.produceRules(),
    })
  }

  #append(log: PartitionLog, records: Buffer, contents: Contents | undefined, response: PartitionResponse): void {
    const { broker } = this.#context
    const isFirst = checkTransaction(log, records, this.#request.transactionalId, this.#refused, this.#context)
    const options = contents === undefined ? produced : ({ origin: 'client', contents } as const)
    const appended = log.append(records, isFirst ? { ...options, isFirst } : options)
    broker.metrics.produced(log.topic, appended.lastOffset - appended.baseOffset + 1, records.length)
    const { producerByteRate } = log.config
    if (producerByteRate !== undefined) {
      this.#context.throttle(broker.quotas.topicProduced(log.topic, producerByteRate, records.length))
    }
    response.baseOffset = appended.baseOffset
    response.logAppendTimeMs = appended.logAppendTimeMs
    response.logStartOffset = appended.logStartOffset
    const commit = this.#request.acks === -1 ? appended.durable : appended.written
    if (commit !== null) this.waiting.push({ response, commit })
  }

  #reject(response: PartitionResponse, error: unknown, log: PartitionLog): void {
    const { logger, metrics } = this.#context.broker
    if (!(error instanceof KafkaError)) logger.error({ err: error, topic: log.topic, partition: log.partition }, 'produce failed')
    metrics.produceFailed(log.topic)
    // Never UNKNOWN_SERVER_ERROR: Java's producer takes it for a failure and its next attempt duplicates what may have been appended.
    fail(response, toKafkaError(error, 'KAFKA_STORAGE_ERROR'))
    if (response.errorCode === notLeader) this.#nameLeader(log.topic, response)
    if (!(error instanceof InvalidRecords)) return
    response.logStartOffset = log.logStartOffset
    const named = error.recordErrors.slice(0, mostRecordErrors - this.#recordErrors)
    this.#recordErrors += named.length
    response.recordErrors = named.map(({ batchIndex, message }) => ({ batchIndex, batchIndexErrorMessage: message }))
  }

  /** Of the wait for a commit. A disk commits, or fails; but the database of a cluster may be away for long. null: there is none. */
  deadline(): { passed: Promise<never>; cancel(): void } | null {
    const { cluster, system } = this.#context.broker
    if (cluster === null) return null
    const { timeoutMs } = this.#request
    const { promise, reject } = Promise.withResolvers<never>()
    promise.catch(() => {})
    const late = () => reject(new KafkaError('REQUEST_TIMED_OUT', `The records were not committed within ${timeoutMs} ms`))
    const timer = system.timers.after(timeoutMs, late)
    return { passed: promise, cancel: () => timer.cancel() }
  }

  nameLeaderOf(response: PartitionResponse): void {
    const topic = this.#topics.find(({ partitionResponses }) => partitionResponses.includes(response))!
    const name = this.#context.version >= 13 ? this.#context.broker.metadata.topicName(topic.topicId!) : topic.name
    if (name != null) this.#nameLeader(name, response)
  }

  /** Where the client has to go instead (KIP-951). */
  #nameLeader(topic: string, response: PartitionResponse): void {
    if (this.#context.version < namesLeadersFrom) return
    this.#leaders ??= new CurrentLeaders(this.#context)
    const leader = this.#leaders.of(this.#context.broker.metadata.topic(topic)?.partitions[response.index])
    if (leader === null) return
    response.currentLeader = leader
    this.response.nodeEndpoints = this.#leaders.endpoints()
  }
}

async function finish(request: Request, appends: ProduceAppends): Promise<Response | null> {
  const deadline = appends.deadline()
  for (const { response: partition, commit } of appends.waiting) {
    try {
      await (deadline === null ? commit : Promise.race([commit, deadline.passed]))
    } catch (error) {
      fail(partition, toKafkaError(error, 'KAFKA_STORAGE_ERROR'))
      // It was given to another broker meanwhile.
      if (partition.errorCode === notLeader) appends.nameLeaderOf(partition)
    }
  }
  deadline?.cancel()
  return answer(request, appends.response)
}

/** With acks=0 a producer learns of an error only by losing its connection. */
function answer(request: Request, response: Response): Response | null {
  if (request.acks !== 0) return response
  for (const { partitionResponses } of response.responses) {
    const bad = partitionResponses.find(partition => partition.errorCode !== 0)
    if (bad !== undefined) throw new CloseConnection(`produce with acks=0 failed: ${bad.errorMessage ?? bad.errorCode}`)
  }
  return null
}
