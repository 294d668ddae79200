/**
 * The security part of the cluster's state: ACLs, SCRAM credentials and delegation tokens.
 *
 * Numbers are Kafka's codes, as in requests and records; the authorizer interprets them. Maps and entries are immutable:
 * replaying a record replaces them.
 */
import type { Int64 } from '../../base.ts'
import type { Uuid } from '../../protocol.ts'
import type { MetadataRecord, SecurityRecord } from './metadata-records.ts'

export interface Acl {
  readonly resourceType: number
  readonly resourceName: string
  readonly patternType: number
  readonly principal: string
  readonly host: string
  readonly operation: number
  readonly permissionType: number
}

export interface ScramCredential {
  readonly salt: Buffer
  readonly storedKey: Buffer
  readonly serverKey: Buffer
  readonly iterations: number
}

/** Principals as text: `User:alice`. */
export interface DelegationToken {
  readonly tokenId: string
  readonly owner: string
  readonly requester: string
  readonly renewers: readonly string[]
  readonly issueTimestamp: Int64
  readonly maxTimestamp: Int64
  readonly expirationTimestamp: Int64
}

export class SecurityState {
  /** Another number after every change of an ACL. */
  aclGeneration = 0
  /** Another number after every change of a token. */
  tokenGeneration = 0
  readonly #acls: Map<Uuid, Acl>
  /** Every ACL exists only once, even under different ids. */
  readonly #aclKeys: Map<string, Uuid>
  /** By user, then by mechanism. */
  readonly #credentials: Map<string, ReadonlyMap<number, ScramCredential>>
  readonly #tokens: Map<string, DelegationToken>

  constructor(from: SecurityState | null = null) {
    this.#acls = new Map(from === null ? [] : from.#acls)
    this.#aclKeys = new Map(from === null ? [] : from.#aclKeys)
    this.#credentials = new Map(from === null ? [] : from.#credentials)
    this.#tokens = new Map(from === null ? [] : from.#tokens)
  }

  get acls(): ReadonlyMap<Uuid, Acl> {
    return this.#acls
  }

  get scramUsers(): ReadonlyMap<string, ReadonlyMap<number, ScramCredential>> {
    return this.#credentials
  }

  /** By token id. */
  get tokens(): ReadonlyMap<string, DelegationToken> {
    return this.#tokens
  }

  hasAcl(acl: Acl): boolean {
    return this.#aclKeys.has(keyOf(acl))
  }

  replay(record: SecurityRecord): void {
    switch (record.type) {
      case 'AccessControlEntryRecord': {
        const { type: _, id, ...acl } = record
        this.#acls.set(id, acl)
        this.#aclKeys.set(keyOf(acl), id)
        this.aclGeneration++
        return
      }
      case 'RemoveAccessControlEntryRecord': {
        const acl = this.#acls.get(record.id)
        if (acl === undefined) throw new Error(`a record removes the unknown ACL ${record.id}`)
        this.#acls.delete(record.id)
        this.#aclKeys.delete(keyOf(acl))
        this.aclGeneration++
        return
      }
      case 'UserScramCredentialRecord': {
        const { type: _, name, mechanism, ...credential } = record
        this.#credentials.set(name, new Map(this.#credentials.get(name)).set(mechanism, credential))
        return
      }
      case 'RemoveUserScramCredentialRecord': {
        const left = new Map(this.#credentials.get(record.name))
        if (!left.delete(record.mechanism)) throw new Error('a record removes an unknown SCRAM credential')
        if (left.size === 0) this.#credentials.delete(record.name)
        else this.#credentials.set(record.name, left)
        return
      }
      case 'DelegationTokenRecord': {
        const { type: _, ...token } = record
        this.#tokens.set(token.tokenId, token)
        this.tokenGeneration++
        return
      }
      case 'RemoveDelegationTokenRecord':
        this.#tokens.delete(record.tokenId)
        this.tokenGeneration++
    }
  }

  *records(): Generator<MetadataRecord> {
    for (const [id, acl] of this.#acls) yield { type: 'AccessControlEntryRecord', id, ...acl }
    for (const [name, credentials] of this.#credentials) {
      for (const [mechanism, credential] of credentials) yield { type: 'UserScramCredentialRecord', name, mechanism, ...credential }
    }
    for (const token of this.#tokens.values()) yield { type: 'DelegationTokenRecord', ...token, renewers: [...token.renewers] }
  }
}

function keyOf(acl: Acl): string {
  const { resourceType, resourceName, patternType, principal, host, operation, permissionType } = acl
  return JSON.stringify([resourceType, resourceName, patternType, principal, host, operation, permissionType])
}
