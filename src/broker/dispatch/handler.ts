/**
 * What a handler is: one file under `handlers/` named after its API, headed by its versions, behaviour and KIPs.
 * `handlers.ts` is the one list of them; ApiVersions and `docs/unsupported.md` derive from it.
 */
import type { Api, ErrorName, InputOf, KafkaError, MessageOf } from '../../protocol.ts'
import type { ClientQuota } from '../quotas.ts'
import type { Session } from '../security.ts'
import type { Broker } from './context.ts'
import type { Cost } from './cost.ts'

export type ResourceType = 'TOPIC' | 'GROUP' | 'CLUSTER' | 'TRANSACTIONAL_ID' | 'DELEGATION_TOKEN' | 'USER'
export type Operation =
  | 'READ'
  | 'WRITE'
  | 'CREATE'
  | 'DELETE'
  | 'ALTER'
  | 'DESCRIBE'
  | 'CLUSTER_ACTION'
  | 'DESCRIBE_CONFIGS'
  | 'ALTER_CONFIGS'
  | 'IDEMPOTENT_WRITE'
  | 'CREATE_TOKENS'
  | 'DESCRIBE_TOKENS'
  | 'TWO_PHASE_COMMIT'

/**
 * What the API needs, for the authorizer's table. `'none'` must be said, not omitted. A list names every pair that the handler may ask
 * for with {@link RequestContext.allowed}; asking for another throws.
 */
export type Access = 'none' | readonly (readonly [ResourceType, Operation])[]

export interface RequestContext {
  readonly broker: Broker
  readonly version: number
  readonly clientId: string | null
  readonly connection: ConnectionInfo
  /** The request's bytes are gone once the handler has returned, or waits for something. Only with produce. */
  readonly borrowed: boolean
  /**
   * Whether the connection's principal may do this; the handler turns a no into Kafka's code for the resource. `probe`: nobody asked for
   * it, it only decides what is shown, so a no is not worth a line in the audit log.
   */
  allowed(operation: Operation, resource: ResourceType, name: string, probe?: 'probe'): boolean
  /** Whether the principal may do this with at least one resource of the type. */
  allowedSome(operation: Operation, resource: ResourceType): boolean
  /** What this client has left of its quotas; null when nothing limits it. */
  readonly quota: ClientQuota | null
  /** The reply tells the client to wait so long (the longest of several), and the connection is not read meanwhile. */
  throttle(delayMs: number): void
  /** Aborted when the connection closes or the broker shuts down: parked work answers with what there is, or gives up. */
  readonly signal: AbortSignal
  /** Runs `callback` once the reply's bytes have left or the connection is gone: when pooled buffers are free again. */
  afterReply(callback: () => void): void
}

/** Thrown by a handler when Kafka's answer is to close the connection. */
export class CloseConnection extends Error {
  constructor(reason: string) {
    super(reason)
    this.name = 'CloseConnection'
  }
}

export interface ConnectionInfo {
  readonly id: number
  readonly listener: string
  readonly remoteAddress: string
  /** `User:ANONYMOUS` without authentication. */
  readonly principal: string
  readonly session: Session
  /** From ApiVersions v3+ (KIP-511); 'unknown' before. */
  clientSoftwareName: string
  clientSoftwareVersion: string
}

/** A response that leaves later while the connection reads on; only produce needs it. */
export interface Deferred<Response> {
  deferred: Promise<Response | null>
}

export interface Handler<A extends Api = Api> {
  readonly api: A
  /** Inclusive; what ApiVersions announces. */
  readonly versions: readonly [min: number, max: number]
  readonly access: Access
  readonly cost: Cost<MessageOf<A['request']>>
  /** null: no response is sent (produce with acks=0). */
  handle(
    request: MessageOf<A['request']>,
    context: RequestContext,
  ): InputOf<A['response']> | null | Promise<InputOf<A['response']> | null> | Deferred<InputOf<A['response']>>
  /** The response that says that the whole request failed. */
  fail(request: MessageOf<A['request']>, error: KafkaError, version: number): InputOf<A['response']>
}

/** Types one handler and erases it for the list. */
export function defineHandler<A extends Api>(handler: Handler<A>): Handler {
  return handler as unknown as Handler
}

export type { ErrorName }
