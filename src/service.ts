/**
 * service: what every service is given, and what it gives back.
 *
 * A service is opened once its settings are known, and is closed with the process. It keeps nothing that is not in a topic.
 */
import type { System } from './base.ts'
import type { Client, ClientProperties } from './client.ts'
import type { HttpSettings } from './http.ts'
import type { Logger } from './logger.ts'
import type { Acting, LoginWays, OidcSettings, Sessions } from './sessions.ts'

export type ServiceName = 'connect' | 'console' | 'registry' | 'rest' | 'triggers'

/** What the configuration says; plain data, because it is sent to another process. */
export interface ServicesSettings extends HttpSettings {
  readonly services: readonly ServiceName[]
  readonly bootstrap: string
  /** How the broker is reached by whoever uses a service. With SASL, each of them brings credentials. */
  readonly properties: ClientProperties
  readonly login: LoginWays
  /** The same for what the services do by themselves: with credentials of their own. */
  readonly ownProperties: ClientProperties
  readonly host: string
  readonly ports: Readonly<Record<ServiceName, number>>
  /** The URL under which other registries reach this process's; null: its address and port. */
  readonly advertisedRegistry: string | null
  readonly console: ConsoleSettings
  readonly registry: RegistrySettings
  readonly rest: RestSettings
  readonly triggers: TriggersSettings
  readonly connect: ConnectSettings
  /** Of the broker's page of metrics, for the console; null: not known. */
  readonly metricsUrl: string | null
}

export interface ConsoleSettings {
  /** A login ends after so long without a request. */
  readonly idleMs: number
  /** And after so long in any case. */
  readonly mostMs: number
  /** null: there is no provider. */
  readonly oidc: OidcSettings | null
}

/** Of another process; without it services use the registry that runs beside them. */
export interface RegistrySettings {
  /** `https://host:8081`, several separated by commas. */
  readonly url: string | null
  /** `user:password`; null: none. The credentials of a caller never go to another process. */
  readonly userInfo: string | null
}

/** Where another service is, such as a schema registry, and what it is told of who asks. */
export interface RegistryReached {
  readonly url: string
  readonly authorization: string | undefined
  /** Of this process: its certificate need not name the address. */
  readonly isOwn: boolean
}

export interface RestSettings {
  /** Of records on their way to Kafka. */
  readonly mostInFlightBytes: number
  /** Consumer instances of v2 end after so long without use. */
  readonly instanceTimeoutMs: number
  /** Of one principal. */
  readonly mostInstances: number
  /** Streams end after so long without records, or if their reader takes none. */
  readonly streamIdleMs: number
  /** The connection of a member that reads a stream of events must outlast what was sent over it for so long before that is committed. */
  readonly commitAfterMs: number
}

export interface TriggersSettings {
  /** Processes in which functions run at the same time. */
  readonly mostRunners: number
}

export interface ConnectSettings {
  /** Kafka Connect's own keys, as worker.properties has them. */
  readonly properties: Readonly<Record<string, string>>
  /** The URL under which other workers reach this one; null: its address and port. */
  readonly advertisedUrl: string | null
  /** Of workers in another process, for the console; null: those of this one. */
  readonly url: string | null
  /** `user:password` for them; null: none. */
  readonly userInfo: string | null
}

export interface ServiceContext {
  readonly settings: ServicesSettings
  readonly sessions: Sessions
  /** Acts as the services' own principal, for what nobody asks for: to follow a topic, to store what was allowed. */
  readonly own: Client
  /** The same as other principals. */
  readonly acting: Acting
  /** With the credentials of a caller, as the Authorization header has them. null: there is no registry. */
  registryFor(authorization: string | undefined): RegistryReached | null
  /** A worker of Kafka Connect in the same way; null: there is none. */
  connectFor(authorization: string | undefined): RegistryReached | null
  /** The triggers of this process in the same way; null: they do not run here. */
  triggersFor(authorization: string | undefined): RegistryReached | null
  readonly system: System
  readonly logger: Logger
}

export interface Service {
  readonly port: number
  /** Requests under way are answered before it resolves. */
  close(): Promise<void>
}
