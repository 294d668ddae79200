/** What the supervisor and its processes say to each other over Node's IPC channel. */
import type { Given, ServicesLogin } from '../../broker.ts'
import type { StartFlags } from '../start.ts'

export type LogLevel = NonNullable<StartFlags['logLevel']>

/** A whole configuration. Later values replace earlier ones. */
export type Values = readonly (readonly [key: string, value: Given])[]

/** The first order of each process. */
export interface StartOrder {
  readonly type: 'start'
  readonly values: Values
  readonly level: LogLevel
  /** Whether it logs that it starts and is ready. */
  readonly isLogged: boolean
  /** Of the first process; null for the first process itself, which keeps the metadata log for all. */
  readonly clusterId: string | null
  /** Where the first process shares the metadata log. */
  readonly metadataSocket: string
  /** The first process makes the user of the services; null: there are none, or they have a login. */
  readonly servicesLogin: ServicesLogin | null
  /** Of all processes, by broker id. */
  readonly directories: readonly (readonly [brokerId: number, directory: string])[]
}

/** To the first process: another one has ended, which had registered with that epoch. */
export interface AwayOrder {
  readonly type: 'away'
  readonly brokerId: number
  readonly epoch: number
}

/** The process answers with a report that has the same id. */
export interface Question {
  readonly type: 'metrics' | 'health'
  readonly id: number
}

/** All processes are about to stop: there is nobody to give partitions to. */
export interface AllStopOrder {
  readonly type: 'all-stop'
}

export type Order = StartOrder | AwayOrder | Question | AllStopOrder

/** Clients can connect. */
export interface ReadyReport {
  readonly type: 'ready'
  readonly ports: readonly (readonly [listener: string, port: number])[]
  readonly clusterId: string
  /** Of its registration. */
  readonly epoch: number
  /** Why the disk takes no records; null if it does. */
  readonly shortage: string | null
}

/** The broker did not start. The process ends. */
export interface FailedReport {
  readonly type: 'failed'
  readonly message: string
  /** Whether the configuration is wrong. */
  readonly isUsage: boolean
}

/** A page of metrics comes in pieces. */
export interface MetricsReport {
  readonly type: 'metrics'
  readonly id: number
  /** null: the page is complete. */
  readonly text: string | null
}

export interface HealthReport {
  readonly type: 'health'
  readonly id: number
  /** Why the broker is not ready; null if it is. */
  readonly notReady: string | null
}

export type Answer = MetricsReport | HealthReport
export type Report = ReadyReport | FailedReport | Answer

/** How long a shutdown may take: the grace period that docs/operations.md recommends. */
export const mostStopMs = 60_000
