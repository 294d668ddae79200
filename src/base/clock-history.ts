/**
 * The one rule for everything that expires by the wall clock: only time that was seen passing makes anything older.
 *
 * Wall clocks jump: somebody types a wrong year, a machine starts before it has asked for the time, a virtual machine sleeps. What would go
 * for its age (records, offsets, transactional ids, tokens, …) must not vanish for that. So the history of the clock is kept as eras:
 * stretches of wall-clock time in which it went as the monotonic clock did. The age of a time stamp is what was left of its era, plus the
 * lengths of all later eras. Where two eras could have made a stamp, the younger one counts. So nothing expires early, however often
 * the clock is wrong, and once it is set right everything has its true age again.
 */
import type { Int64 } from './int64.ts'

/** From wall-clock time to wall-clock time. The first era usually has no beginning: what happened before it is taken for true. */
export interface Era {
  readonly from: number
  readonly to: number
}

/** Oldest first; the last one goes on until now. */
export type ClockHistory = readonly Era[]

/** Milliseconds that were seen passing since the wall clock showed `stampMs`. Below 0 for a time that it has never shown. */
export function ageOf(stampMs: Int64, history: ClockHistory): number {
  const stamp = Number(stampMs)
  const last = history.length - 1
  if (last === 0 && stamp >= history[0]!.from) return history[0]!.to - stamp
  let nth = history.findLastIndex(({ from, to }) => from <= stamp && stamp <= to)
  // The clock has never shown it: another machine's clock did.
  if (nth < 0) nth = history.findLastIndex(({ from }) => from <= stamp)
  let age = 0
  for (const { from, to } of history.slice(nth + 1)) age += to - from
  if (nth < 0) return age
  const left = history[nth]!.to - stamp
  return age + (nth === last ? left : Math.max(0, left))
}
