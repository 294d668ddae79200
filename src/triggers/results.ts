/** What a function returns: records for an output, or the offsets of a batch that have failed. */
import { stringifyLossless } from '../base.ts'
import type { RecordHeader, RecordToSend } from '../client.ts'

const longestMessage = 1_000

/** The function has returned something that is no answer: it counts as a failure of the function. */
export class BadResult extends Error {
  constructor(message: string, cause?: unknown) {
    // It may name what was returned, and goes into logs and headers.
    super(message.slice(0, longestMessage), { cause })
    this.name = 'BadResult'
  }
}

const recordFields = new Set(['key', 'value', 'keyBase64', 'valueBase64', 'headers', 'timestamp', 'partition'])

/**
 * A list is a list of records, anything else is one; nothing is none. An object that has a `value` and no other field than those of a record is one;
 * everything else is the value of one: text as it is, the rest as JSON. Throws BadResult.
 */
export function recordsOf(result: unknown): RecordToSend[] {
  if (result === null || result === undefined) return []
  if (Array.isArray(result)) return result.filter(each => each !== null).map(recordOf)
  return [recordOf(result)]
}

function recordOf(given: unknown): RecordToSend {
  if (!isRecord(given)) return { key: null, value: bytesOf(given) }
  const { key, value, keyBase64, valueBase64, headers, timestamp, partition } = given
  return {
    key: keyBase64 === undefined ? bytesOf(key) : base64(keyBase64, 'keyBase64'),
    value: valueBase64 === undefined ? bytesOf(value) : base64(valueBase64, 'valueBase64'),
    headers: headersOf(headers),
    ...(timestamp === undefined ? {} : { timestampMs: BigInt(wholeNumber(timestamp, 'timestamp')) }),
    ...(partition === undefined ? {} : { partition: wholeNumber(partition, 'partition') }),
  }
}

function isRecord(given: unknown): given is Record<string, unknown> {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) return false
  const names = Object.keys(given)
  return names.some(name => name === 'value' || name === 'valueBase64') && names.every(name => recordFields.has(name))
}

function bytesOf(value: unknown): Buffer | null {
  if (value === null || value === undefined) return null
  return Buffer.from(typeof value === 'string' ? value : stringifyLossless(value))
}

function base64(value: unknown, name: string): Buffer | null {
  if (value === null) return null
  if (typeof value !== 'string') throw new BadResult(`${name} of a record must be a string`)
  return Buffer.from(value, 'base64')
}

function headersOf(headers: unknown): RecordHeader[] {
  if (headers === undefined || headers === null) return []
  if (typeof headers !== 'object' || Array.isArray(headers)) throw new BadResult('headers of a record must be an object')
  return Object.entries(headers).flatMap(([name, value]) =>
    (Array.isArray(value) ? value : [value]).map(each => ({ key: Buffer.from(name), value: bytesOf(each) })),
  )
}

function wholeNumber(value: unknown, name: string): number {
  if (!Number.isSafeInteger(value) || (value as number) < 0) throw new BadResult(`${name} of a record must be a whole number`)
  return value as number
}

/**
 * The first offset that has failed, as Lambda's partial batch response says; null: none. Throws BadResult: then all of the batch has failed.
 */
export function firstFailure(result: unknown, topic: string, partition: number, offsets: ReadonlySet<bigint>): bigint | null {
  if (!isBatchResponse(result)) return null
  const { batchItemFailures: failures } = result
  if (failures === null) return null
  if (!Array.isArray(failures)) throw new BadResult('batchItemFailures must be a list')
  let first: bigint | null = null
  for (const each of failures) {
    const { partition: place, offset } =
      (each as { itemIdentifier?: { partition?: unknown; offset?: unknown } } | null)?.itemIdentifier ?? {}
    if (place !== `${topic}-${partition}` || !Number.isSafeInteger(offset) || !offsets.has(BigInt(offset as number)))
      throw new BadResult(`batchItemFailures names ${JSON.stringify(each)}, which is not in the batch`)
    const failed = BigInt(offset as number)
    if (first === null || failed < first) first = failed
  }
  return first
}

/** Lambda's partial batch response: it says what has failed, and is nothing that an output gets. */
export function isBatchResponse(result: unknown): result is { batchItemFailures: unknown } {
  return typeof result === 'object' && result !== null && Object.hasOwn(result, 'batchItemFailures')
}
