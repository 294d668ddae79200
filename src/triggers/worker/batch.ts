/**
 * What becomes of a batch: the function is called until all its records are done, which means delivered, or given up.
 *
 * A failure of the function costs a retry; that a batch is split because of one costs none, and that the function cannot be reached does not either. The
 * records keep their order. Nothing here knows Kafka or processes.
 */
import { growingMs } from '../../base.ts'
import type { ReceivedRecord } from '../../client.ts'
import { Unavailable } from '../callee.ts'
import { BadResult } from '../results.ts'
import { FunctionError } from '../runner/process.ts'

export interface Entry {
  readonly record: ReceivedRecord
  /** In the event. */
  readonly item: string
}

export interface BatchSettings {
  /** null: for ever. */
  readonly retries: number | null
  readonly maxAgeMs: number | null
  readonly bisect: boolean
}

export interface BatchActions {
  /** `attempt`: from 1. Throws FunctionError and Unavailable. */
  call(entries: readonly Entry[], attempt: number): Promise<unknown>
  /** The offset from which on a result says that records have failed; null: none has. Throws BadResult. */
  firstFailure(result: unknown, entries: readonly Entry[]): bigint | null
  /** What was returned, if anything is to be done with it; then these are done. Throws BadResult. */
  deliver(result: unknown, entries: readonly Entry[]): Promise<void>
  /** To where failures go; then these are done. */
  giveUp(entries: readonly Entry[], reason: GivenUp): Promise<void>
  /** Rejects when the partition is another worker's, or the trigger ends. */
  pause(ms: number): Promise<void>
  /** What was returned is no answer, or nothing that its target takes. */
  refused(error: BadResult): void
  /** The same records will be called with again. */
  again(error: Error): void
  /** Of the wall clock. */
  now(): number
}

export interface GivenUp {
  readonly error: Error
  readonly attempts: number
}

const pauseMs = { first: 100, last: 30_000 }

export async function processBatch(entries: readonly Entry[], settings: BatchSettings, actions: BatchActions): Promise<void> {
  const parts: Part[] = [{ entries, left: settings.retries, attempts: 0 }]
  for (let part = parts.shift(); part !== undefined; part = parts.shift()) parts.unshift(...(await processPart(part, settings, actions)))
}

interface Part {
  readonly entries: readonly Entry[]
  /** Retries; null: for ever. */
  readonly left: number | null
  /** Calls that have failed. */
  readonly attempts: number
}

/** Resolves to the parts into which it is split, when nothing is left of it itself. */
async function processPart(
  { entries: all, left: retries, attempts: before }: Part,
  settings: BatchSettings,
  actions: BatchActions,
): Promise<Part[]> {
  let entries = all
  let left = retries
  let attempts = before
  let outages = 0
  for (;;) {
    entries = await withoutOld(entries, attempts, settings, actions)
    if (entries.length === 0) return []
    const outcome = await tryOnce(entries, attempts + 1, actions)
    if (outcome === null) return []
    if (outcome instanceof Unavailable) {
      actions.again(outcome)
      // Also where an endpoint asks for no patience at all.
      await actions.pause(Math.max(outcome.retryAfterMs ?? 0, growingMs(pauseMs, outages++)))
      continue
    }
    const { error, rest } = outcome
    if (rest.length < entries.length) {
      // Those before are done, so that the one that has failed begins anew.
      entries = rest
      left = settings.retries
      attempts = 0
    }
    attempts++
    if (settings.bisect && entries.length > 1) {
      actions.again(error)
      const middle = Math.ceil(entries.length / 2)
      return [entries.slice(0, middle), entries.slice(middle)].map(half => ({ entries: half, left, attempts }))
    }
    if (left === 0) {
      await actions.giveUp(entries, { error, attempts })
      return []
    }
    if (left !== null) left--
    actions.again(error)
    await actions.pause(growingMs(pauseMs, attempts - 1))
  }
}

/** null: all are done. `rest`: from the first one that has failed. */
async function tryOnce(
  entries: readonly Entry[],
  attempt: number,
  actions: BatchActions,
): Promise<null | Unavailable | { error: Error; rest: readonly Entry[] }> {
  try {
    const result = await actions.call(entries, attempt)
    const failed = actions.firstFailure(result, entries)
    const at = failed === null ? entries.length : entries.findIndex(({ record }) => record.offset >= failed)
    if (at > 0) await actions.deliver(failed === null ? result : null, entries.slice(0, at))
    if (failed === null) return null
    return {
      error: new FunctionError('error', 'BatchItemFailure', 'the function has named records that have failed'),
      rest: entries.slice(at),
    }
  } catch (error) {
    if (error instanceof Unavailable) return error
    if (error instanceof BadResult) actions.refused(error)
    if (error instanceof FunctionError || error instanceof BadResult) return { error, rest: entries }
    throw error
  }
}

async function withoutOld(
  entries: readonly Entry[],
  attempts: number,
  { maxAgeMs }: BatchSettings,
  actions: BatchActions,
): Promise<readonly Entry[]> {
  if (maxAgeMs === null) return entries
  const oldest = BigInt(actions.now() - maxAgeMs)
  const isOld = ({ record }: Entry) => record.timestampMs >= 0n && record.timestampMs < oldest
  const old = entries.filter(isOld)
  if (old.length === 0) return entries
  await actions.giveUp(old, { error: new FunctionError('error', 'RecordTooOld', `the record is older than ${maxAgeMs} ms`), attempts })
  return entries.filter(entry => !isOld(entry))
}
