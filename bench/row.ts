/** What a row of the benchmark is: what is done to a broker or a cluster, and which ratios are the goals. */
import type { RunningBroker } from '../compat/support/brokers.ts'
import { createTopic, deleteTopic, type Options, type Target, type Throughput } from './clients.ts'
import type { Cost, Pids } from './measure.ts'
import type { Protocol } from './secured.ts'

export type Measured = Record<string, number>

export interface Goal {
  metric: string
  label: string
  unit: string
  /** Millrace's figure against Kafka's, against the gathered sink's CPU per GB of the same run, or by itself. */
  against: 'kafka' | 'sink' | 'nothing'
  /** With neither bound the figure is only shown. */
  atLeast?: number
  atMost?: number
  /** The ratio of each round has to meet the goal, not just that of the medians. */
  everyRound?: boolean
}

/** A broker or a cluster. */
export interface Peer {
  readonly pid: Pids
  remove(): Promise<void>
}

export type Side = 'millrace' | 'kafka'

/** Kafka, or the Millrace of a checkout. */
export type Wanted = 'kafka' | { readonly checkout: string }

/** A peer in one round. `scale` is 1, or less for `--quick`. `topic` is new in each round. */
export interface Stage<P extends Peer = RunningBroker> {
  readonly broker: P
  readonly scale: number
  readonly topic: string
}

export interface RowOf<P extends Peer> {
  name: string
  /** With every setting: record size, batch, acks, fsync, keys, partitions. */
  settings: string
  goals: readonly Goal[]
  /** Why Kafka is not measured. */
  alone?: string
  start(wanted: Wanted): Promise<P>
  /** Work of the measured kind. Returns its number of requests. The runner repeats it until the peer is warm; see rounds.ts. */
  warm?(stage: Stage<P>): Promise<number>
  /** The most steps of the warm-up, where a step is slow. */
  warmSteps?: number
  /** Why there is no `warm`: each round then has a new process. */
  cold?: string
  measure(stage: Stage<P>): Promise<Measured>
}

/** What any row is to those who only run it. */
export type AnyRow = RowOf<Peer>

/** Of one broker, which the suite starts as the row says. */
export interface Row extends Omit<RowOf<RunningBroker>, 'start'> {
  /** `fsync`: Millrace as it comes, Kafka with flush.messages=1. `os`: Millrace with durability=os, Kafka as it comes. */
  durability: 'os' | 'fsync'
  /** Both brokers have this listener, too. */
  secured?: Protocol
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
export const least = (metric: string, label: string, atLeast: number, unit = 'MB/s'): Goal => ({
  metric,
  label,
  unit,
  against: 'nothing',
  atLeast,
})
/** A figure without a goal. */
export const shown = (metric: string, label: string, unit: string, against: Goal['against'] = 'kafka'): Goal => ({
  metric,
  label,
  unit,
  against,
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
