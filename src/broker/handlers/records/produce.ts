/**
 * Produce, v0–13.
 *
 * v0–1 carry message format 0, v2 format 1 (both converted to format 2 off the event loop, as Kafka up to 3.9 did), v3+ exactly one
 * batch of format 2 per partition (KIP-98), v7 zstd (KIP-110), v8 record errors (KIP-467), v10 the current leader (KIP-951), v13 topic
 * ids (KIP-516); v11 knows TRANSACTION_ABORTABLE, v12 enters partitions into the transaction (KIP-890). Each partition's place in the log is fixed synchronously, so the connection reads on; the response leaves when what
 * `acks` asks for is true: 1 = written, -1 = durable. With `acks=0` there is no response, and an error closes the connection, as in Kafka.
 */
import { checkWrite } from '../../../coordinator.ts'
import type { Appended, PartitionLog } from '../../../log.ts'
import { apis, errorCode, type InputOf, KafkaError, type MessageOf, produceConversion, toKafkaError, type Uuid } from '../../../protocol.ts'
import { manyThings } from '../../dispatch/cost.ts'
import { CloseConnection, type Deferred, defineHandler, type RequestContext } from '../../dispatch/handler.ts'
import { checkTransaction, enterTransaction } from './produce-transaction.ts'

type Request = MessageOf<typeof apis.produce.request>
type Response = InputOf<typeof apis.produce.response>
type PartitionRequest = Request['topicData'][number]['partitionData'][number]
type PartitionResponse = Response['responses'][number]['partitionResponses'][number]

/** A response that may still fail, and the group commit it hangs on. */
interface Waiting {
  response: PartitionResponse
  commit: Promise<void>
}

export const produce = defineHandler<typeof apis.produce>({
  api: apis.produce,
  versions: [0, 13],
  access: [
    ['TOPIC', 'WRITE'],
    ['TRANSACTIONAL_ID', 'WRITE'],
    ['CLUSTER', 'IDEMPOTENT_WRITE'],
  ],
  cost: manyThings(null),
  handle(request, context) {
    if (request.acks < -1 || request.acks > 1) throw new KafkaError('INVALID_REQUIRED_ACKS', `acks=${request.acks}: -1, 0 or 1`)
    const entering = request.transactionalId === null ? null : enterTransaction(request, context)
    return entering === null ? appendAll(request, context, null) : appendEntered(entering, request, context)
  },
  fail: failed,
})

type Outcome = Response | null | Promise<Response | null> | Deferred<Response>

async function appendEntered(entering: Promise<KafkaError | null>, request: Request, context: RequestContext): Promise<Response | null> {
  const outcome = appendAll(request, context, await entering)
  return outcome !== null && 'deferred' in outcome ? outcome.deferred : outcome
}

/** `refused`: why partitions could not be entered into the transaction. */
function appendAll(request: Request, context: RequestContext, refused: KafkaError | null): Outcome {
  const waiting: Waiting[] = []
  const conversions: Promise<void>[] = []
  const responses = request.topicData.map(topic => {
    const name = context.version >= 13 ? (context.broker.metadata.topicName(topic.topicId) ?? null) : topic.name
    return {
      name: topic.name,
      topicId: topic.topicId,
      partitionResponses: topic.partitionData.map(data => {
        const response = emptyResponse(data.index)
        const log = findLog(name, topic.topicId, data, response, context)
        if (log !== null) append(log, data, response, request, context, waiting, conversions, refused)
        return response
      }),
    }
  })
  const response: Response = { responses }
  if (conversions.length > 0) return Promise.all(conversions).then(() => finish(request, response, waiting))
  if (waiting.length === 0) return answer(request, response)
  return { deferred: finish(request, response, waiting) } satisfies Deferred<Response>
}

function failed(request: Request, error: KafkaError): Response {
  if (request.acks === 0) throw new CloseConnection(`produce with acks=0 failed: ${error.message}`)
  const responses = request.topicData.map(topic => ({
    name: topic.name,
    topicId: topic.topicId,
    partitionResponses: topic.partitionData.map(data => fail(emptyResponse(data.index), error)),
  }))
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
  if (log === undefined) response.errorCode = errorCode('UNKNOWN_TOPIC_OR_PARTITION')
  return log ?? null
}

function append(
  log: PartitionLog,
  data: PartitionRequest,
  response: PartitionResponse,
  request: Request,
  context: RequestContext,
  waiting: Waiting[],
  conversions: Promise<void>[],
  refused: KafkaError | null,
): void {
  const store = (records: Buffer): void => {
    checkTransaction(log, records, request.transactionalId, refused, context)
    const appended = log.append(records, { origin: 'client' })
    context.broker.metrics.produced(log.topic, appended.lastOffset - appended.baseOffset + 1, records.length)
    const { producerByteRate } = log.config
    if (producerByteRate !== undefined) {
      context.throttle(context.broker.quotas.topicProduced(log.topic, producerByteRate, records.length))
    }
    accept(response, appended, request.acks, waiting)
  }
  try {
    checkWrite(log.topic, context.clientId)
    const stored = toStoredFormat(data.records, log, context)
    if (stored instanceof Promise) conversions.push(stored.then(store).catch((error: unknown) => reject(response, error, log, context)))
    else store(stored)
  } catch (error) {
    reject(response, error, log, context)
  }
}

/** Nearly always the very same bytes. */
function toStoredFormat(records: Buffer | null, log: PartitionLog, context: RequestContext): Buffer | Promise<Buffer> {
  if (records === null) throw new KafkaError('INVALID_RECORD', 'a partition without records')
  const { compressionType, compressionLevel, cleanupPolicy } = log.config
  const conversion = produceConversion(records, {
    version: context.version,
    compression: compressionType === 'uncompressed' ? 'none' : compressionType,
    level: compressionLevel,
    compacted: cleanupPolicy.compact,
  })
  return conversion === null ? records : context.broker.converter.convert(conversion)
}

function accept(response: PartitionResponse, appended: Appended, acks: number, waiting: Waiting[]): void {
  response.baseOffset = appended.baseOffset
  response.logAppendTimeMs = appended.logAppendTimeMs
  response.logStartOffset = appended.logStartOffset
  const commit = acks === -1 ? appended.durable : appended.written
  if (commit !== null) waiting.push({ response, commit })
}

function reject(response: PartitionResponse, error: unknown, log: PartitionLog, context: RequestContext): void {
  // Never UNKNOWN_SERVER_ERROR: Java's producer takes it for a failure and its next attempt duplicates what may have been appended.
  const kafkaError = toKafkaError(error, 'KAFKA_STORAGE_ERROR')
  if (!(error instanceof KafkaError))
    context.broker.logger.error({ err: error, topic: log.topic, partition: log.partition }, 'produce failed')
  context.broker.metrics.produceFailed(log.topic)
  fail(response, kafkaError)
}

async function finish(request: Request, response: Response, waiting: Waiting[]): Promise<Response | null> {
  for (const { response: partition, commit } of waiting) {
    try {
      await commit
    } catch (error) {
      fail(partition, toKafkaError(error, 'KAFKA_STORAGE_ERROR'))
    }
  }
  return answer(request, response)
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
