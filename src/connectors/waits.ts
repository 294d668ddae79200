/** Waiting, by the System's clock, until a task is to end. */
import { type GrowingPause, growingMs, pause as pauseOrEnd, type System } from '../base.ts'
import { RetriableError } from '../connector.ts'

/** Resolves after this time. Rejects with the signal's reason as soon as it is aborted. */
export async function pause(system: System, ms: number, signal: AbortSignal): Promise<void> {
  await pauseOrEnd(system, ms, signal)
  signal.throwIfAborted()
}

/** So that the worker can look after a task that asks only from time to time. */
const longestPollMs = 1_000

/** Whether it is due; until then, waits for as long as one poll may take. Ends early when `signal` is aborted. */
export async function untilDue(system: System, dueMs: number, signal: AbortSignal): Promise<boolean> {
  const waitMs = dueMs - system.clock.monotonic()
  if (waitMs > 0) await pauseOrEnd(system, Math.min(waitMs, longestPollMs), signal)
  return system.clock.monotonic() >= dueMs
}

/** Twice as long each time, up to a bound, and between half and all of it, so that many do not come back at once. */
export function backoffMs(system: System, pauseMs: GrowingPause, attempt: number): number {
  const whole = growingMs(pauseMs, attempt)
  return Math.ceil(whole / 2 + system.random.below(Math.floor(whole / 2) + 1))
}

/**
 * What `work` gives, if it does so in time and before the task is to end. Otherwise rejects with a RetriableError or the signal's reason, and `giveUp` ends what still goes on: the
 * libraries of databases only look at how long nothing comes.
 */
export async function within<T>(
  { system, signal }: { readonly system: Pick<System, 'timers'>; readonly signal: AbortSignal },
  ms: number,
  giveUp: () => void,
  work: () => Promise<T>,
): Promise<T> {
  signal.throwIfAborted()
  const late = Promise.withResolvers<never>()
  const end = (error: unknown) => {
    late.reject(error)
    giveUp()
  }
  const ended = () => end(signal.reason)
  signal.addEventListener('abort', ended, { once: true })
  const timer = system.timers.after(ms, () => end(new RetriableError(`no answer within ${ms} ms`)))
  try {
    return await Promise.race([work(), late.promise])
  } finally {
    timer.cancel()
    signal.removeEventListener('abort', ended)
  }
}
