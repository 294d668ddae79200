/** What a row of the benchmark is: what is done to a broker, and which ratios are the goals. */
import type { RunningBroker } from '../compat/support/brokers.ts'
import { createTopic, deleteTopic, type Options, type Target, type Throughput } from './clients.ts'
import type { Cost } from './measure.ts'
import type { Protocol } from './secured.ts'

export type Measured = Record<string, number>

export interface Goal {
  metric: string
  label: string
  unit: string
  /** Millrace's figure against Kafka's, against the gathered sink's CPU per GB of the same run, or by itself. */
  against: 'kafka' | 'sink' | 'nothing'
  atLeast?: number
  atMost?: number
  /** The ratio of each round has to meet the goal, not just that of the medians. */
  everyRound?: boolean
}

/** One process of a peer, in one round. `scale` is 1, or less for `--quick`. `topic` is new in each round. */
export interface Stage {
  readonly broker: RunningBroker
  readonly scale: number
  readonly topic: string
}

export interface Row {
  name: string
  /** With every setting: record size, batch, acks, fsync, keys, partitions. */
  settings: string
  /** `fsync`: Millrace as it comes, Kafka with flush.messages=1. `os`: Millrace with durability=os, Kafka as it comes. */
  durability: 'os' | 'fsync'
  goals: readonly Goal[]
  /** Both brokers have this listener, too. */
  secured?: Protocol
  /** Work of the measured kind. Returns its number of requests. The runner repeats it until the broker is warm; see run.ts. */
  warm?(stage: Stage): Promise<number>
  /** The most steps of the warm-up, where a step is slow. */
  warmSteps?: number
  /** Why there is no `warm`: each round then has a new process. */
  cold?: string
  measure(stage: Stage): Promise<Measured>
}

const gigabyte = 1e9
export const megabyte = 1e6

export const megabytesPerSecond = ({ bytes, seconds }: Throughput) => bytes / megabyte / seconds
export const cpuPerGigabyte = (cost: Cost, bytes: number) => cost.cpuSeconds / (bytes / gigabyte)

export const speed = (metric: string, label: string, atLeast: number, unit = 'MB/s'): Goal => ({
  metric,
  label,
  unit,
  against: 'kafka',
  atLeast,
})
export const price = (metric: string, label: string, atMost: number, unit = 's/GB'): Goal => ({
  metric,
  label,
  unit,
  against: 'kafka',
  atMost,
})
export const free = (metric: string, label: string, atMost: number, unit = ''): Goal => ({
  metric,
  label,
  unit,
  against: 'nothing',
  atMost,
})

/** Gives `work` a topic that is deleted, files included, as soon as the work is done, so that rounds do not fill the page cache. */
export async function withTopic<T>(
  broker: Target,
  topic: string,
  partitions: number,
  work: () => Promise<T>,
  configs: Options = {},
): Promise<T> {
  await createTopic(broker, topic, partitions, { 'file.delete.delay.ms': 1000, ...configs })
  try {
    return await work()
  } finally {
    await deleteTopic(broker, topic)
  }
}
