/**
 * What becomes of errors of single records: `errors.*` of a connector, as in Kafka Connect.
 *
 * What may pass is tried again for `errors.retry.timeout`. What is left is logged, goes to the dead-letter topic, and, unless it is tolerated, fails the task.
 */
import { growingMs, type MaybePromise, pause, type System, stringifyLossless } from '../../base.ts'
import { ClientError, mayPass, type ReceivedRecord } from '../../client.ts'
import { RetriableError, type SinkRecord } from '../../connector.ts'
import { TransformError } from '../transforms.ts'
import type { DeadLetters } from './dead-letters.ts'

export type Stage =
  | 'TASK_POLL'
  | 'TASK_PUT'
  | 'TRANSFORMATION'
  | 'KEY_CONVERTER'
  | 'VALUE_CONVERTER'
  | 'HEADER_CONVERTER'
  | 'KAFKA_PRODUCE'
  | 'KAFKA_CONSUME'

export interface Step {
  readonly stage: Stage
  /** Java's, of the converter, the transform or the sink. */
  readonly className: string
}

export interface Where extends Step {
  /** As it was read; null: of a source, or not kept. */
  readonly raw: ReceivedRecord | null
  /** Where it was read, if `raw` was not kept. */
  readonly place?: SinkRecord['original']
}

/** Fails the task. Kafka Connect says the words before the colon, and not which record it was. */
class NotTolerated extends Error {
  constructor({ stage, className }: Step, place: SinkRecord['original'] | undefined, cause: unknown) {
    const where = place === undefined ? '' : `, offset ${place.offset} of ${place.topic}-${place.partition}`
    super(`Tolerance exceeded in error handler: ${stage} (${className})${where}`, { cause })
    this.name = 'ConnectException'
  }
}

export interface ErrorSettings {
  readonly retryTimeoutMs: number
  readonly longestRetryMs: number
  readonly tolerated: boolean
  readonly logged: boolean
  readonly logsRecords: boolean
}

/** Instead of a result: the record is left out. */
export const skipped = Symbol('skipped')

const firstRetryMs = 300
const longestRetryMs = 60_000

export interface ErrorsOptions {
  readonly settings: ErrorSettings
  readonly deadLetters: DeadLetters | null
  readonly system: Pick<System, 'clock' | 'timers'>
  readonly log: { error(fields: object, message: string): void }
  readonly signal: AbortSignal
  count(name: string, by?: number): void
}

export class Errors {
  readonly #options: ErrorsOptions

  constructor(options: ErrorsOptions) {
    this.#options = options
  }

  get tolerated(): boolean {
    return this.#options.settings.tolerated
  }

  /** Whether anybody wants to see a record as it was read. */
  get wantsRaw(): boolean {
    return this.#options.deadLetters !== null || this.#options.settings.logged
  }

  /**
   * What `work` makes of its subject, at once if it does not wait. Throws {@link NotTolerated}. As this is done for each record, and mostly goes well, it takes
   * what it needs for the other case apart, so that nothing is made for it.
   */
  run<S, T>(step: Step, raw: ReceivedRecord | null, subject: S, work: (subject: S) => MaybePromise<T>): MaybePromise<T | typeof skipped> {
    try {
      const result = work(subject)
      return result instanceof Promise ? this.#watched(step, raw, subject, work, result) : result
    } catch (error) {
      return this.#failed({ ...step, raw }, () => work(subject), error)
    }
  }

  #watched<S, T>(
    step: Step,
    raw: ReceivedRecord | null,
    subject: S,
    work: (subject: S) => MaybePromise<T>,
    coming: Promise<T>,
  ): Promise<T | typeof skipped> {
    return coming.catch(error => this.#failed({ ...step, raw }, () => work(subject), error))
  }

  /** Resolves when it is where it has to be. Throws {@link NotTolerated}. */
  async report(where: Where, thrown: unknown): Promise<void> {
    const { stage, raw } = where
    // Which of several transforms it was, they say themselves.
    const [className, error] = thrown instanceof TransformError ? [thrown.className, thrown.cause] : [where.className, thrown]
    const { settings, log, deadLetters, count } = this.#options
    count('record_errors')
    if (settings.logged) {
      const record = raw === null || !settings.logsRecords ? {} : shown(raw)
      log.error({ stage, class: className, ...record, err: error }, 'a record could not be processed')
    }
    if (deadLetters !== null && raw !== null) await deadLetters.put({ stage, className, raw }, error)
    if (!settings.tolerated) throw new NotTolerated({ stage, className }, raw ?? where.place, error)
    count('records_skipped')
  }

  async #failed<T>(where: Where, work: () => MaybePromise<T>, first: unknown): Promise<T | typeof skipped> {
    const { settings, system, signal, count } = this.#options
    let error = first
    const beganMs = system.clock.monotonic()
    for (
      let attempt = 0;
      error instanceof RetriableError || (error instanceof TransformError && error.cause instanceof RetriableError);
      attempt++
    ) {
      const left = settings.retryTimeoutMs < 0 ? Number.POSITIVE_INFINITY : settings.retryTimeoutMs - (system.clock.monotonic() - beganMs)
      if (left <= 0 || signal.aborted) break
      count('retries')
      await pause(system, Math.min(left, growing(attempt, settings.longestRetryMs)), signal)
      try {
        return await work()
      } catch (again) {
        error = again
      }
    }
    await this.report(where, error)
    return skipped
  }
}

function shown({ topic, partition, offset, timestampMs }: ReceivedRecord): object {
  return { topic, partition, offset: stringifyLossless(offset), timestamp: stringifyLossless(timestampMs) }
}

/** Longer each time, from a moment on. */
export function growing(attempt: number, last: number): number {
  return growingMs({ first: firstRetryMs, last }, attempt)
}

/** Before a connector is asked again: as long as it says, or longer each time. */
export function pauseAfter({ retryAfterMs }: RetriableError, attempt: number): number {
  return retryAfterMs ?? growing(attempt, longestRetryMs)
}

/** Java's names where Kafka Connect has them: tools look for them in dead letters. */
export function classOfError(error: unknown): string {
  const name = error instanceof Error ? error.name : 'Error'
  if (name === 'DataError') return 'org.apache.kafka.connect.errors.DataException'
  if (name === 'RetriableError') return 'org.apache.kafka.connect.errors.RetriableException'
  return name
}

/** Whether it comes from brokers that are away: nobody has done anything wrong, and it is over when they are back. */
export function isOfBrokers(error: unknown): boolean {
  for (let each = error, depth = 0; each instanceof Error && depth < 8; each = each.cause, depth++)
    if (each instanceof ClientError && mayPass(each)) return true
  return false
}

export function traceOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const own = error.stack ?? `${error.name}: ${error.message}`
  return error.cause === undefined ? own : `${own}\nCaused by: ${traceOf(error.cause)}`
}
