/** Delivery reports: what became of each record, as Confluent's v3 tells it. Written by hand, because there is one for each record. */
import { ClientError } from '../../client.ts'
import { HttpError } from '../../http.ts'
import { ofKafka, toHttpError } from '../errors.ts'
import type { ReadRecord } from './record.ts'
import type { Outcome } from './send.ts'

/** The members of a success, without braces. `place` is the same for all records of a request; see `placeOf`. */
export function successOf(place: string, { record, key, value }: ReadRecord, { partition, offset }: { partition: number; offset: bigint }) {
  const time = new Date(Number(record.timestampMs)).toISOString().replace('.000Z', 'Z')
  return `${place},"partition_id":${partition},"offset":${offset},"timestamp":"${time}"${toldOf('key', key)}${toldOf('value', value)}`
}

function toldOf(name: string, data: ReadRecord['key']): string {
  if (data === null) return ''
  const { type, size, schema } = data
  const used =
    schema === null ? '' : `,"subject":${JSON.stringify(schema.subject)},"schema_id":${schema.id},"schema_version":${schema.version}`
  return `,"${name}":{"type":"${type}"${used},"size":${size}}`
}

export function placeOf(clusterId: string, topic: string): string {
  return `"cluster_id":${JSON.stringify(clusterId)},"topic_name":${JSON.stringify(topic)}`
}

/** The members of a failure, without braces. */
export function failureOf(error: unknown): string {
  const { status, code, message } = asHttpError(error)
  // Within an answer Confluent's proxy tells these codes in words.
  const isOdd = status === 422 && code !== 422
  return `"error_code":${isOdd ? 422 : code},"message":${JSON.stringify(isOdd ? `Error: ${code} : ${message}` : message)}`
}

export function isFailure(outcome: Outcome): outcome is ClientError | HttpError {
  return outcome instanceof Error
}

function asHttpError(error: unknown): HttpError {
  // A producer waits in vain for the metadata of what is not there; the proxy tells that as a topic that is missing.
  if (error instanceof ClientError && error.code === 'UNKNOWN_TOPIC_OR_PARTITION')
    return new HttpError(404, 40_401, `${error.message} (not present in metadata)`)
  if (error instanceof ClientError) return ofKafka(error)
  const told = toHttpError(error)
  return told instanceof HttpError ? told : new HttpError(500, 500, 'Internal Server Error', { cause: error })
}
