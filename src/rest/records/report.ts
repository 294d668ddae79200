/** Delivery reports: what became of each record, as Confluent's v3 tells it. Written by hand, because there is one for each record. */
import { ClientError } from '../../client.ts'
import { HttpError } from '../../http.ts'
import { ofKafka, toHttpError } from '../errors.ts'
import type { ReadRecord } from './record.ts'
import type { Outcome } from './send.ts'

/** The members of a success, without braces. `place` is the same for all records of a request; see `placeOf`. */
export function successOf(place: string, { record, key, value }: ReadRecord, { partition, offset }: { partition: number; offset: bigint }) {
  const time = new Date(Number(record.timestampMs)).toISOString().replace('.000Z', 'Z')
  const told = (name: string, data: ReadRecord['key']) => (data === null ? '' : `,"${name}":{"type":"${data.type}","size":${data.size}}`)
  return `${place},"partition_id":${partition},"offset":${offset},"timestamp":"${time}"${told('key', key)}${told('value', value)}`
}

export function placeOf(clusterId: string, topic: string): string {
  return `"cluster_id":${JSON.stringify(clusterId)},"topic_name":${JSON.stringify(topic)}`
}

/** The members of a failure, without braces. */
export function failureOf(error: unknown): string {
  const { code, message } = asHttpError(error)
  return `"error_code":${code},"message":${JSON.stringify(message.split('\n', 1)[0])}`
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
