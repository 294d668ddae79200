/**
 * Which offset of the target stands for one of the source: exact within what the runs tell, and between them never behind a record that its reader has not had.
 *
 * Of each partition a bounded number of runs is kept, more of them the newer they are.
 */
import { nameOf, type Place, type Run } from './formats.ts'

/** Of one partition. */
const mostRuns = 1_024

export class Translation {
  readonly #runs = new Map<string, Run[]>()

  /** In the order in which they were written. */
  add(place: Place, run: Run): void {
    const name = nameOf(place)
    const runs = this.#runs.get(name)
    const last = runs?.at(-1)
    // The topic was made again, or records are there twice: what was known says nothing about them.
    if (runs === undefined || last === undefined || run.upstream < last.upstream || run.downstream < last.downstream) {
      this.#runs.set(name, [{ ...run }])
      return
    }
    if (run.upstream === last.upstream && run.downstream === last.downstream) runs.pop()
    extend(runs, run)
    if (runs.length > mostRuns) this.#runs.set(name, thinned(runs))
  }

  /** null: it is before all that is known. */
  of(place: Place, upstream: bigint): bigint | null {
    const runs = this.#runs.get(nameOf(place)) ?? []
    const run = runs.findLast(each => each.upstream <= upstream)
    if (run === undefined) return null
    const distance = upstream - run.upstream
    return run.downstream + (distance < BigInt(run.count) ? distance : BigInt(run.count))
  }
}

/** The first one stays: it is what groups far behind are translated by. */
function thinned(runs: readonly Run[]): Run[] {
  const half = runs.length >> 1
  return runs.filter((_, at) => at >= half || at % 2 === 0)
}

/** Puts it behind those that are there; what continues the last one is made part of it. */
export function extend(runs: Run[], { upstream, downstream, count }: Run): void {
  const last = runs.at(-1)
  if (last !== undefined && last.upstream + BigInt(last.count) === upstream && last.downstream + BigInt(last.count) === downstream)
    last.count += count
  else runs.push({ upstream, downstream, count })
}
