/**
 * The one rule for everything that expires by the wall clock: only time that the broker has observed makes anything older.
 *
 * Wall clocks jump: somebody enters a wrong year, a machine starts before it has synchronized its clock, a virtual machine sleeps. Nothing
 * that expires by age (records, offsets, transactional ids, tokens, …) may be lost because of that. So the history of the clock is kept as
 * eras: periods in which the wall clock advanced with the monotonic clock. The age of a timestamp is the rest of its era after the
 * timestamp, plus the lengths of all later eras. If a timestamp fits into two eras, the later one counts. So nothing expires early, however
 * often the clock is wrong, and once the clock is corrected every age is correct again.
 */
import type { Int64 } from './int64.ts'

/** From and to are wall-clock times. The first era usually has no beginning: times before the history are taken as they are. */
export interface Era {
  readonly from: number
  readonly to: number
}

/** Oldest first; the last one lasts until now. */
export type ClockHistory = readonly Era[]

/** Observed milliseconds since the wall clock showed `stampMs`. Negative if it has never shown that time. */
export function ageOf(stampMs: Int64, history: ClockHistory): number {
  const stamp = Number(stampMs)
  const last = history.length - 1
  if (last === 0 && stamp >= history[0]!.from) return history[0]!.to - stamp
  let nth = history.findLastIndex(({ from, to }) => from <= stamp && stamp <= to)
  // This clock has never shown it; the timestamp comes from another machine.
  if (nth < 0) nth = history.findLastIndex(({ from }) => from <= stamp)
  let age = 0
  for (const { from, to } of history.slice(nth + 1)) age += to - from
  if (nth < 0) return age
  const left = history[nth]!.to - stamp
  return age + (nth === last ? left : Math.max(0, left))
}
