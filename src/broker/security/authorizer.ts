/**
 * Kafka's StandardAuthorizer: super users may do everything; otherwise the ACLs decide, and a DENY takes precedence over an ALLOW; a
 * resource without ACLs is open only with `allow.everyone.if.no.acl.found`.
 *
 * Hides that a decision is made once for each principal, host, operation and name, and cached until an ACL changes, so that a
 * request costs one look-up per resource, however many ACLs there are. Also writes the audit log: denials at info, permissions at debug.
 */
import type { Acl, ClusterSecurity } from '../../coordinator.ts'
import type { Logger } from '../../logger.ts'
import type { Operation, ResourceType } from '../dispatch/handler.ts'
import { operationCodes, resourceTypeCodes } from './acl-codes.ts'
import { AclIndex, hostOf } from './acl-index.ts'
import type { Audited, RequestAudit } from './audit.ts'

export interface AuthorizerOptions {
  acls: ClusterSecurity
  /** `User:alice` */
  superUsers: ReadonlySet<string>
  allowEveryoneIfNoAclFound: boolean
  logger: Logger
}

/** What one principal may do from one host. */
export interface Grants {
  /** `audit`: collects the decisions for the audit log; null if access was not requested, but only probed. */
  allowed(operation: Operation, resource: ResourceType, name: string, audit: Audited | null): boolean
  /** Whether the operation is allowed on at least one resource of the type. */
  allowedSome(operation: Operation, resource: ResourceType): boolean
}

type Rule = Acl | 'SuperUser' | 'DefaultAllow' | 'DefaultDeny'

interface Ruling {
  allowed: boolean
  rule: Rule
}

/** Above this many principals, the cache is cleared. */
const mostPrincipals = 10_000
/** The cache is also cleared above this many characters of names over all principals, so that invented names cannot fill the memory. */
const mostCharacters = 16 * 1024 * 1024
/** Overhead of a cached name, in characters. */
const nameOverhead = 64
/** Topic names are shorter; decisions for longer names are not cached. */
const longestRemembered = 256

export class Authorizer {
  readonly #options: AuthorizerOptions
  readonly #grants = new Map<string, PrincipalGrants>()
  #index = new AclIndex([])
  #state: ClusterSecurity['state'] | null = null
  #aclGeneration = -1
  /** Changes whenever cached decisions may be wrong. */
  #generation = 0
  /** Principals with cached names, and the total length of these names. */
  readonly #remembering = new Set<PrincipalGrants>()
  #characters = 0

  constructor(options: AuthorizerOptions) {
    this.#options = options
  }

  grants(principal: string, remoteAddress: string): Grants {
    const host = hostOf(remoteAddress)
    const key = `${host} ${principal}`
    let grants = this.#grants.get(key)
    if (grants === undefined) {
      if (this.#grants.size >= mostPrincipals) this.#grants.clear()
      grants = new PrincipalGrants(this, principal, host)
      this.#grants.set(key, grants)
    }
    return grants
  }

  /** Brings the index up to date; cheap when it is. */
  generation(): number {
    const { state } = this.#options.acls
    if (state !== this.#state || state.aclGeneration !== this.#aclGeneration) {
      this.#index = new AclIndex(state.acls.values())
      this.#state = state
      this.#aclGeneration = state.aclGeneration
      this.#generation++
      this.#forgetNames()
    }
    return this.#generation
  }

  isSuperUser(principal: string): boolean {
    return this.#options.superUsers.has(principal)
  }

  /** Called before `grants` caches another name. */
  remember(grants: PrincipalGrants, name: string): void {
    this.#characters += nameOverhead + name.length
    if (this.#characters > mostCharacters) this.#forgetNames()
    this.#remembering.add(grants)
  }

  #forgetNames(): void {
    for (const grants of this.#remembering) grants.forgetNames()
    this.#remembering.clear()
    this.#characters = 0
  }

  rule(principal: string, host: string, operation: Operation, resource: ResourceType, name: string): Ruling {
    const { allowEveryoneIfNoAclFound } = this.#options
    if (this.isSuperUser(principal)) return { allowed: true, rule: 'SuperUser' }
    const verdict = this.#index.decide(principal, host, operationCodes[operation], resourceTypeCodes[resource], name)
    switch (verdict.kind) {
      case 'allow':
        return { allowed: true, rule: verdict.acl }
      case 'deny':
        return { allowed: false, rule: verdict.acl }
      case 'unmatched':
        return { allowed: false, rule: 'DefaultDeny' }
      case 'no-acls':
        return { allowed: allowEveryoneIfNoAclFound, rule: allowEveryoneIfNoAclFound ? 'DefaultAllow' : 'DefaultDeny' }
    }
  }

  allowsSome(principal: string, host: string, operation: Operation, resource: ResourceType): boolean {
    // As in Kafka: if a non-existent name is allowed (super users, open defaults), no search is needed.
    if (this.rule(principal, host, operation, resource, 'hardcode').allowed) return true
    return this.#index.allowsSome(principal, host, operationCodes[operation], resourceTypeCodes[resource])
  }

  get auditsPermissions(): boolean {
    const { level } = this.#options.logger
    return level === 'debug' || level === 'trace'
  }

  /** Writes the audit log of a request. */
  write(audit: RequestAudit): void {
    const { logger } = this.#options
    for (const { first, details } of audit.lines()) {
      const { rule } = this.rule(first.principal, first.host, first.operation, first.resourceType, first.resource)
      if (first.allowed) logger.debug({ ...details, rule }, 'audit: access allowed')
      else logger.info({ ...details, rule }, 'audit: access denied')
    }
  }
}

class PrincipalGrants implements Grants {
  readonly #authorizer: Authorizer
  readonly #principal: string
  readonly #host: string
  readonly #isSuperUser: boolean
  #generation = -1
  /** By resource type and name: below bit 16 the operations that were decided, above it those that are allowed. */
  readonly #decided = new Map<ResourceType, Map<string, number>>()
  readonly #some = new Map<string, boolean>()

  constructor(authorizer: Authorizer, principal: string, host: string) {
    this.#authorizer = authorizer
    this.#principal = principal
    this.#host = host
    this.#isSuperUser = authorizer.isSuperUser(principal)
  }

  forgetNames(): void {
    this.#decided.clear()
  }

  allowed(operation: Operation, resource: ResourceType, name: string, audit: Audited | null): boolean {
    const allowed = this.#decide(operation, resource, name)
    if (audit !== null && (!allowed || this.#authorizer.auditsPermissions)) {
      audit.decided({ principal: this.#principal, host: this.#host, operation, resourceType: resource, resource: name, allowed })
    }
    return allowed
  }

  #decide(operation: Operation, resource: ResourceType, name: string): boolean {
    if (this.#isSuperUser) return true
    this.#refresh()
    if (name.length > longestRemembered) {
      return this.#authorizer.rule(this.#principal, this.#host, operation, resource, name).allowed
    }
    let names = this.#decided.get(resource)
    if (names === undefined) this.#decided.set(resource, (names = new Map()))
    const known = names.get(name)
    let bits = known ?? 0
    const bit = 1 << operationCodes[operation]
    if ((bits & bit) === 0) {
      if (known === undefined) this.#authorizer.remember(this, name)
      const { allowed } = this.#authorizer.rule(this.#principal, this.#host, operation, resource, name)
      bits |= allowed ? bit | (bit << 16) : bit
      names.set(name, bits)
    }
    return (bits & (bit << 16)) !== 0
  }

  allowedSome(operation: Operation, resource: ResourceType): boolean {
    this.#refresh()
    const key = `${operation} ${resource}`
    let allowed = this.#some.get(key)
    if (allowed === undefined) {
      allowed = this.#authorizer.allowsSome(this.#principal, this.#host, operation, resource)
      this.#some.set(key, allowed)
    }
    return allowed
  }

  #refresh(): void {
    const generation = this.#authorizer.generation()
    if (generation === this.#generation) return
    this.#generation = generation
    this.#some.clear()
  }
}
