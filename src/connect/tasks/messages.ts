/** What a worker and the thread of one of its tasks tell each other: plain data. */
import type { ClientProperties, TokenLogin } from '../../client.ts'
import type { RegistryReached } from '../../service.ts'
import type { WorkerConfig } from '../worker-config.ts'

/** How the brokers are reached. */
export interface Reached {
  readonly bootstrap: string
  readonly properties: ClientProperties
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

/** With which a thread is started. */
export interface TaskOrder {
  readonly connector: string
  readonly task: number
  readonly kind: 'sink' | 'source'
  /** Providers are resolved in the thread. */
  readonly config: Readonly<Record<string, string>>
  readonly worker: WorkerConfig
  readonly reached: Reached
  /** Of the connector's principal; null: the clients log in as `reached` says. */
  readonly token: TokenLogin | null
  readonly registry: RegistryReached | null
  readonly paused: boolean
  readonly level: LogLevel
  /** Of a sink, as which an earlier thread of this task was in the group, and may be still; '': none. */
  readonly memberId: string
  /** Of its transactions; null: it writes without. */
  readonly transactionalId: string | null
  /** Where offsets of a source are stored; null: the worker is alone and stores them itself. */
  readonly offsetsTopic: string | null
  /** Where the code of the connector is; null: it is part of this package. */
  readonly plugin: { readonly file: string; readonly name: string } | null
  /** Counts, as long as the thread is not blocked; shared with the worker. */
  readonly beats: Int32Array
}

export type ToTask =
  | { readonly kind: 'pause' | 'resume' | 'stop' }
  | { readonly kind: 'level'; readonly level: LogLevel }
  | { readonly kind: 'token'; readonly token: TokenLogin }
  | { readonly kind: 'answer'; readonly id: number; readonly text: string; readonly error: AnswerError | null }

export type FromTask =
  | { readonly kind: 'state'; readonly state: 'RUNNING' | 'PAUSED' }
  /** `ofBrokers`: because they were away. */
  | { readonly kind: 'failed'; readonly trace: string; readonly ofBrokers: boolean }
  | { readonly kind: 'ended' | 'reconfigure' }
  /** Of the group of a sink. */
  | { readonly kind: 'member'; readonly memberId: string }
  | { readonly kind: 'topic'; readonly topic: string }
  | { readonly kind: 'log'; readonly level: LogLevel; readonly fields: object; readonly message: string }
  | { readonly kind: 'metrics'; readonly counters: [string, number][]; readonly gauges: [string, number][] }
  /** Offsets of these partitions of a source, or to store some, as JSON. */
  | { readonly kind: 'ask'; readonly id: number; readonly what: 'find' | 'store'; readonly text: string }

interface AnswerError {
  readonly message: string
  /** Of a ClientError; null: of another one. */
  readonly code: string | null
}

/** Of one partition, in the answer to `find`. `key`: in base64. */
export interface FoundOffset {
  readonly offset: object | null
  readonly key: string
}
