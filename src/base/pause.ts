/** Waiting by the System's clock, and for how long before something is tried again. */
import type { System } from './system.ts'

/** Resolves after this time, or as soon as `signal` is aborted. */
export function pause({ timers }: Pick<System, 'timers'>, ms: number, signal?: AbortSignal): Promise<void> {
  if (signal === undefined) return new Promise(resolve => void timers.after(ms, resolve))
  if (signal.aborted) return Promise.resolve()
  return new Promise(resolve => {
    const done = () => {
      timer.cancel()
      signal.removeEventListener('abort', done)
      resolve()
    }
    const timer = timers.after(ms, done)
    signal.addEventListener('abort', done, { once: true })
  })
}

/** Of pauses that grow, in milliseconds: the first one, and the longest. */
export interface GrowingPause {
  readonly first: number
  readonly last: number
}

/** Beyond it the longest pause is reached, and numbers are not precise for ever. */
const mostDoublings = 30

/** Twice as long each time. `failures`: that came before the last one, so 0 gives the first pause. */
export function growingMs({ first, last }: GrowingPause, failures: number): number {
  return Math.min(last, first * 2 ** Math.min(failures, mostDoublings))
}
