/** What a row of the benchmark is: what is done to a broker, and which ratios to Apache Kafka are the goals. */
import type { RunningBroker } from '../compat/support/brokers.ts'
import { drive, type Options, type Target, type Throughput } from './clients.ts'
import type { Cost } from './measure.ts'
import type { Protocol } from './secured.ts'

export type Measured = Record<string, number>

export interface Goal {
  metric: string
  label: string
  unit: string
  /** Millrace's figure against Kafka's, against a sink's CPU per GB of the same run, or by itself. */
  against: 'kafka' | 'plain sink' | 'best sink' | 'nothing'
  atLeast?: number
  atMost?: number
}

export interface Row {
  name: string
  /** With every setting: record size, batch, acks, fsync, keys, partitions. */
  settings: string
  /** `fsync`: Millrace as it comes, Kafka with flush.messages=1. `os`: Millrace with durability=os, Kafka as it comes. */
  durability: 'os' | 'fsync'
  goals: readonly Goal[]
  /** Too long to be done more than once. */
  once?: boolean
  /** Both brokers have this listener, too. */
  secured?: Protocol
  measure(broker: RunningBroker, scale: number): Promise<Measured>
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

/** Warm first: Kafka's and our code alike are compiled while they run. */
export async function warm(broker: Target, topic: string, options: Options, scale: number): Promise<void> {
  await drive.produce(broker, topic, { records: Math.ceil(200_000 * scale), size: 1024, ...options })
}
