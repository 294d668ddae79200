/** Where records go that are given up: as they are, with why in their headers, to a topic; or to an HTTP endpoint. Else only the log says so. */
import { growingMs } from '../../base.ts'
import { ClientError, isTooLarge, mayPass, type RecordHeader } from '../../client.ts'
import { post, Unavailable } from '../callee.ts'
import { FunctionError } from '../runner/process.ts'
import { withoutQuery } from '../secrets.ts'
import type { Trigger } from '../store.ts'
import type { Entry, GivenUp } from './batch.ts'
import type { Lane } from './lane.ts'
import type { WorkerContext } from './worker.ts'

const pauseMs = { first: 250, last: 30_000 }
const timeoutMs = 30_000
/** Attempts, of which the last ones are 30 seconds apart: a refusal is told once more after about ten minutes. */
const tellEach = 20

/** Tries until they are there: what is given up is not lost because its target is away. Rejects with Stopped. */
export async function sendFailures(
  trigger: Trigger,
  context: WorkerContext,
  lane: Lane,
  entries: readonly Entry[],
  reason: GivenUp,
): Promise<void> {
  const { name, definition } = trigger
  const first = entries[0]!.record.offset
  const last = entries.at(-1)!.record.offset
  context.logs.write(
    trigger,
    'system',
    `${entries.length} records of ${lane.topic}-${lane.partition} are given up (offsets ${first} to ${last}): ${reason.error.message}`,
  )
  const { onFailure } = definition
  if (onFailure === null) return
  // What is there is not sent again when another one is not taken.
  const left = [...entries]
  const send = (some: readonly Entry[]) =>
    'topic' in onFailure
      ? sendLetters(context, onFailure.topic, some, trigger, reason).catch(error =>
          Promise.reject(asRefusal(error, onFailure.topic, trigger)),
        )
      : postFailures(onFailure.url, trigger, context, some, reason)
  for (let attempt = 0; ; attempt++)
    try {
      await sendAll(left, send)
      return lane.settled(entries)
    } catch (error) {
      const isAway = error instanceof Unavailable || (error instanceof ClientError && mayPass(error))
      const { topic, partition } = lane
      if (!isAway && attempt % tellEach === 0)
        context.logger.warn({ trigger: name, topic, partition, err: error }, 'a target for failures refuses them')
      const told = isAway
        ? 'does not take records that are given up'
        : 'refuses records that are given up, and until it takes them all others wait'
      const message = `the target for failures ${told}: ${(error as Error).message}`
      context.logs.write(trigger, 'system', `${message} (it is tried again)`)
      lane.failed(entries, error as Error, message)
      await lane.pause(growingMs(pauseMs, attempt))
    }
}

/** By a target: waiting alone does not help. Its message says what does. */
class Refusal extends Error {}

class TooLarge extends Refusal {}

const another = 'name another target in `onFailure`'

/** What Kafka has refused for good. */
function asRefusal(error: unknown, topic: string, { definition: { principal } }: Trigger): unknown {
  // A topic that is missing may be made, but not by itself.
  const isMissing = error instanceof ClientError && error.code === 'UNKNOWN_TOPIC_OR_PARTITION'
  if (!(error instanceof ClientError) || (mayPass(error) && !isMissing)) return error
  const help = isMissing
    ? `make the topic ${topic}`
    : error.code.endsWith('AUTHORIZATION_FAILED')
      ? `give ${principal ?? "the services' own user"} the right to WRITE to the topic ${topic}`
      : `let the topic ${topic} take them`
  return new Refusal(`${error.message}; ${help}, or ${another}`, { cause: error })
}

/** What an endpoint says by these passes. */
const awayStatuses: ReadonlySet<number> = new Set([408, 425, 429])

function httpError(url: string, status: number): Error {
  const told = `${withoutQuery(url)} has answered HTTP ${status}`
  if (status >= 500 || awayStatuses.has(status)) return new Unavailable(told)
  if (status < 400) return new Refusal(`${told}, and is not followed elsewhere; name the last URL in \`onFailure\``)
  const help =
    status === 401 || status === 403 ? 'let the endpoint accept the trigger (its URL may have a key)' : 'let the endpoint take them'
  return new Refusal(`${told}; ${help}, or ${another}`)
}

/** One by one if they are too large together. Takes away what is sent. */
async function sendAll(left: Entry[], send: (entries: readonly Entry[]) => Promise<void>): Promise<void> {
  try {
    await send(left)
    left.length = 0
  } catch (error) {
    if (!(error instanceof TooLarge) || left.length === 1) throw error
    // What is too large alone waits for a target that takes it, and keeps no other.
    let refusal: TooLarge | null = null
    for (const entry of [...left])
      try {
        await send([entry])
        left.splice(left.indexOf(entry), 1)
      } catch (one) {
        if (!(one instanceof TooLarge)) throw one
        refusal = one
      }
    if (refusal !== null) throw refusal
  }
}

/** What is too large alone is sent with a shorter message. Throws TooLarge. */
async function sendLetters(
  { client }: WorkerContext,
  topic: string,
  entries: readonly Entry[],
  trigger: Trigger,
  reason: GivenUp,
): Promise<void> {
  const send = (mostCharacters: number) =>
    client.send(
      topic,
      entries.map(entry => failed(entry, trigger, reason, mostCharacters)),
    )
  try {
    await send(Number.POSITIVE_INFINITY).catch(error => {
      if (!isTooLarge(error) || entries.length > 1) throw error
      return send(shortMessage)
    })
  } catch (error) {
    if (!isTooLarge(error)) throw error
    throw new TooLarge(`${placeOf(entries)} is too large for the topic ${topic}, whose max.message.bytes must be raised: ${error.message}`)
  }
}

const shortMessage = 200

function placeOf(entries: readonly Entry[]): string {
  const { topic, partition, offset } = entries[0]!.record
  return `the record at offset ${offset} of ${topic}-${partition}`
}

function shortened(message: string, mostCharacters: number): string {
  return message.length <= mostCharacters
    ? message
    : `${message.slice(0, mostCharacters).toWellFormed()}… (shortened, because the record was too large for its topic)`
}

function failed({ record }: Entry, { name, version }: Trigger, { error, attempts }: GivenUp, mostCharacters: number) {
  const told: Record<string, string> = {
    'millrace.trigger.name': name,
    'millrace.trigger.version': String(version),
    'millrace.trigger.topic': record.topic,
    'millrace.trigger.partition': String(record.partition),
    'millrace.trigger.offset': String(record.offset),
    'millrace.trigger.timestamp': String(record.timestampMs),
    'millrace.trigger.attempts': String(attempts),
    'millrace.trigger.error.kind': error instanceof FunctionError ? error.kind : 'result',
    'millrace.trigger.error.type': error instanceof FunctionError ? error.type : error.name,
    'millrace.trigger.error.message': shortened(error.message, mostCharacters),
  }
  const headers: RecordHeader[] = [...record.headers]
  for (const [key, value] of Object.entries(told)) headers.push({ key: Buffer.from(key), value: Buffer.from(value) })
  return { key: record.key, value: record.value, headers }
}

async function postFailures(
  url: string,
  { name, version }: Trigger,
  { system }: WorkerContext,
  entries: readonly Entry[],
  { error, attempts }: GivenUp,
): Promise<void> {
  const body = {
    trigger: name,
    version,
    attempts,
    error: { type: error instanceof FunctionError ? error.type : error.name, message: error.message },
    records: entries.map(({ record: { topic, partition, offset, timestampMs, key, value, headers } }) => ({
      ...{ topic, partition, offset: String(offset), timestamp: String(timestampMs) },
      ...{ key: key?.toString('base64') ?? null, value: value?.toString('base64') ?? null },
      headers: headers.map(header => ({ key: header.key.toString(), value: header.value?.toString('base64') ?? null })),
    })),
  }
  const answer = await post(url, JSON.stringify(body), { headers: { 'content-type': 'application/json' }, timeoutMs, system })
  if (answer.status === 413) throw new TooLarge(`${withoutQuery(url)} has answered HTTP 413: ${placeOf(entries)} is too large for it`)
  if (answer.status >= 300) throw httpError(url, answer.status)
}
