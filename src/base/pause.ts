/** Waiting by the System's clock. */
import type { System } from './system.ts'

/** Resolves after this time, or as soon as `signal` is aborted. */
export function pause({ timers }: Pick<System, 'timers'>, ms: number, signal: AbortSignal): Promise<void> {
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
