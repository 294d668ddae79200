/** Measures how long each turn of the event loop is busy. No other client is served meanwhile. */
import { performance } from 'node:perf_hooks'
import type { Timer } from './system.ts'

/**
 * Calls back at the end of each turn with the milliseconds that it worked; waiting for something to do is not counted. Costs half a
 * microsecond a turn, causes no turns of its own, and does not keep the process alive.
 */
export function watchTurns(onTurn: (busyMs: number) => void): Timer {
  const { nodeTiming } = performance
  let endMs = performance.now()
  let idleMs = nodeTiming.idleTime
  const turn = () => {
    const nowMs = performance.now()
    const { idleTime } = nodeTiming
    onTurn(nowMs - endMs - (idleTime - idleMs))
    endMs = nowMs
    idleMs = idleTime
    immediate = setImmediate(turn).unref()
  }
  let immediate = setImmediate(turn).unref()
  return { cancel: () => clearImmediate(immediate) }
}
