/**
 * The interface of a handler: one file under `handlers/`, named after its API, whose header describes versions, behaviour and KIPs.
 * `handlers.ts` lists them; ApiVersions and `docs/unsupported.md` derive from that list.
 */
import type { Api, InputOf, KafkaError, MessageOf } from '../../protocol.ts'
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
 * The permissions that the API needs. `'none'` must be explicit. A list names every pair that the handler may check
 * with {@link RequestContext.allowed}; checking another one throws.
 */
export type Access = 'none' | readonly (readonly [ResourceType, Operation])[]

export interface RequestContext {
  readonly broker: Broker
  readonly version: number
  readonly clientId: string | null
  readonly connection: ConnectionInfo
  /** The request's bytes are invalid once the handler has returned or waits for something. Only with produce. */
  readonly borrowed: boolean
  /**
   * Whether the connection's principal may do this; if not, the handler returns Kafka's code for the resource. `probe`: not requested by
   * the client, but only to decide what is shown, so a denial is not logged in the audit log.
   */
  allowed(operation: Operation, resource: ResourceType, name: string, probe?: 'probe'): boolean
  /** Whether the principal may do this with at least one resource of the type. */
  allowedSome(operation: Operation, resource: ResourceType): boolean
  /** What this client has left of its quotas; null when nothing limits it. */
  readonly quota: ClientQuota | null
  /** Sets the throttle time of the reply (the maximum of several calls); the connection is not read meanwhile. */
  throttle(delayMs: number): void
  /** Aborted when the connection closes or the broker shuts down: parked work then responds with what is available, or stops. */
  readonly signal: AbortSignal
  /** Runs `callback` when the reply has been sent or the connection is gone, so that pooled buffers can be reused. */
  afterReply(callback: () => void): void
  /**
   * To be awaited before a part of the response with about this many elements is made, if the size of the request does not show it: with many
   * in total, the request waits for a place among the large ones, so that all responses that are being made fit into memory.
   */
  expects(elements: number): Promise<void>
  /** Called when the handler is about to wait for other clients, maybe for a long time: releases its place among large requests. */
  waits(): void
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

/** A response that is sent later, while the connection reads on; only produce uses it. */
export interface Deferred<Response> {
  deferred: Promise<Response | null>
}

export interface Handler<A extends Api = Api> {
  readonly api: A
  /** Inclusive; what ApiVersions announces. */
  readonly versions: readonly [min: number, max: number]
  readonly access: Access
  /**
   * An administrator's change: it is decided on all that any broker of the cluster has acknowledged. In Kafka the controller decides it, or the broker
   * that leads what it is about.
   */
  readonly onNewestMetadata?: boolean
  readonly cost: Cost<MessageOf<A['request']>>
  /** null: no response is sent (produce with acks=0). */
  handle(
    request: MessageOf<A['request']>,
    context: RequestContext,
  ): InputOf<A['response']> | null | Promise<InputOf<A['response']> | null> | Deferred<InputOf<A['response']>>
  /** The response if the whole request failed; in steps if it names what the request names (`failed.ts`). */
  fail(
    request: MessageOf<A['request']>,
    error: KafkaError,
    version: number,
  ): InputOf<A['response']> | Generator<void, InputOf<A['response']>>
}

/** Types one handler and erases it for the list. */
export function defineHandler<A extends Api>(handler: Handler<A>): Handler {
  return handler as unknown as Handler
}
