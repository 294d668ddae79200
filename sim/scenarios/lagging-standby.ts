/**
 * PostgreSQL fails over to a standby that lags, and with that loses what it had confirmed. No program can mend that; but each broker whose frames are
 * lost has to say so, as a loss and not as the work of another broker, what is older has to be there, and the cluster has to go on.
 */
import type { Process } from '../world/process.ts'
import type { SeededRandom } from '../world/random.ts'
import { type ClusterOptions, type ClusterResult, inCluster } from './cluster.ts'
import type { ClusterTrouble } from './cluster-trouble.ts'
import { exactlyOnceConfig } from './exactly-once.ts'
import type { Stage } from './exactly-once-stage.ts'
import type { Cast, Play } from './play.ts'
import { Insistent } from './side-shows/insistent.ts'

export interface LaggingStandbyResult extends Omit<ClusterResult, 'committed' | 'aborted' | 'records'> {
  acknowledged: number
  reports: number
}

const topic = 'survivors'
const partitions = 4
const reported = /^the database has lost the frame before \d+ of session \d+, which it had confirmed$/
/** More than the time between two frames of an idle session, so that each loses one. */
const leastLagMs = 700
const mostLagMs = 3_000

/** Throws a Finding when a promise was broken. */
export async function laggingStandby(options: ClusterOptions): Promise<LaggingStandbyResult> {
  const { counts, result, cast } = await inCluster(options, () => {
    let survivors: Survivors | null = null
    return {
      setting: { config: exactlyOnceConfig, assignment: 'assigned', inputs: 0, losses: [[0, 0]] },
      moved: [],
      castOf(run) {
        survivors = new Survivors(run)
        return survivors
      },
      sideShows: () => [],
      story: (trouble, demon, random) => survivors!.failOver(trouble, demon, random),
    }
  })
  return { ...result, ...counts, acknowledged: cast.acknowledged, reports: cast.reports }
}

interface Acknowledged {
  value: string
  /** In between it was committed. */
  sentMs: number
  atMs: number
}

class Survivors implements Cast {
  /** Of brokers that lost frames. */
  reports = 0
  #expected = 0
  readonly #stage: Stage
  readonly #run: Play
  readonly #client: Insistent
  readonly #written: Acknowledged[][] = Array.from({ length: partitions }, () => [])
  #lostMs = { from: 0, to: 0 }

  constructor(run: Play) {
    this.#run = run
    this.#stage = run.stage
    this.#client = new Insistent(run.stage, run.random.fork())
  }

  get acknowledged(): number {
    return this.#written.reduce((sum, each) => sum + each.length, 0)
  }

  async failOver(trouble: ClusterTrouble, demon: Process, random: SeededRandom): Promise<void> {
    await demon.sleep(8_000 + random.fraction() * 8_000)
    const lagMs = leastLagMs + random.fraction() * (mostLagMs - leastLagMs)
    const { nowMs, world } = this.#stage
    world.note(`PostgreSQL fails over to a standby that is ${lagMs.toFixed(0)} behind`)
    this.#lostMs = { from: nowMs - lagMs, to: nowMs }
    this.#expected = trouble.failOver(lagMs)
    await demon.sleep(15_000)
  }

  async begin(): Promise<Promise<void>[]> {
    const topicId = await this.#client.createTopic(topic, partitions)
    return this.#written.map((written, partition) =>
      this.#run.background(this.#produce(written, async value => this.#client.append({ topicId, partition, value, sequence: null }))),
    )
  }

  async #produce(written: Acknowledged[], append: (value: string) => Promise<void>): Promise<void> {
    const { random } = this.#run
    for (let nth = 0; !this.#stage.over; nth++) {
      const value = `${nth}`.padEnd(random.pick([20, 300]), '.')
      const sentMs = this.#stage.nowMs
      await append(value)
      written.push({ value, sentMs, atMs: this.#stage.nowMs })
      await this.#client.sleep(random.fraction() * 200)
    }
  }

  disturb(): void {}

  said(message: string): void {
    if (reported.test(message)) this.reports++
  }

  async unfinished(): Promise<readonly unknown[]> {
    return []
  }

  async finish(): Promise<void> {
    if (this.reports < this.#expected)
      this.#stage.never(`${this.#expected} brokers lost frames that were confirmed, and ${this.reports} said so`)
    const topicId = await this.#client.createTopic(topic, partitions)
    for (const [partition, written] of this.#written.entries()) {
      const there = new Set(((await this.#client.readAll(topicId, partition, 0)) ?? []).map(({ value }) => value))
      for (const { value, sentMs, atMs } of written) {
        const mayBeLost = atMs >= this.#lostMs.from && sentMs <= this.#lostMs.to
        if (!mayBeLost && !there.has(value))
          this.#stage.never(`${value.slice(0, 10)} of partition ${partition} is lost, which was acknowledged at ${atMs.toFixed(0)}`)
      }
    }
    this.#client.close()
  }

  anomalies(): [] {
    return []
  }

  seen(): unknown {
    return this.#written
  }
}
