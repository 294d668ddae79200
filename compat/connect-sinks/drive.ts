/** Drives a sink to its end in a process that is killed in between, again and again. */
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { repository } from '../support/cache.ts'
import { start } from '../support/run.ts'
import type { Order } from './driver.ts'

export interface Drive {
  readonly connector: string
  readonly config: Readonly<Record<string, string>>
  /** kill -9 of the process, so often. */
  readonly kills: number
  /** In the middle: what is done to the target. */
  harm?(): Promise<void>
}

export const partitions = 3
/** In each partition. `SINK_RECORDS=333334` for a million. */
export const records = Number(process.env['SINK_RECORDS'] ?? 20_000)
const longestSeconds = 900

/** Throws when it does not come to its end. */
export async function drive({ connector, config, kills, harm }: Drive): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), `millrace-${connector}-`))
  const order: Order = { connector, config, partitions, records, committed: join(directory, 'committed') }
  writeFileSync(join(directory, 'order'), JSON.stringify(order))
  const log = join(directory, 'log')
  const begin = () => start(process.execPath, [join(repository, 'compat/connect-sinks/driver.ts'), join(directory, 'order')], log)
  const progress = () =>
    existsSync(order.committed) ? (JSON.parse(readFileSync(order.committed, 'utf8')) as number[]).reduce((sum, each) => sum + each, 0) : 0
  const all = partitions * records
  const end = performance.now() + longestSeconds * 1_000
  for (let killed = 0; ; ) {
    const child = begin()
    const ended = once(child, 'exit') as Promise<[number | null]>
    // After so much of the way: the same on fast machines and slow ones.
    const goal = (all * (killed + 1)) / (kills + 1)
    while (child.exitCode === null && child.signalCode === null && (killed >= kills || progress() < goal) && performance.now() < end)
      await sleep(20)
    if (performance.now() >= end) child.kill('SIGKILL')
    else if (killed < kills && child.exitCode === null) {
      if (killed === Math.floor(kills / 2)) await harm?.()
      child.kill('SIGKILL')
    }
    const [code] = await ended
    if (code === 0) break
    if (performance.now() >= end) throw new Error(`not done within ${longestSeconds} s, at ${progress()} of ${all}: ${tail(log)}`)
    // A task that failed is started again, as the worker does it.
    if (code === null) killed++
    else await sleep(500)
  }
  rmSync(directory, { recursive: true, force: true })
}

function tail(log: string): string {
  return readFileSync(log, 'utf8').trim().split('\n').slice(-3).join(' | ')
}
