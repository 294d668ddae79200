/**
 * Changes of ACLs, SCRAM credentials and delegation tokens: Kafka's rules for them, and the resulting durable state.
 *
 * A change is decided on the newest state, which may be ahead of the durable state; readers see only the durable state. The broker decides
 * who may make a change and how long a token lives, and keeps the secrets.
 */

import type { Random } from '../../base.ts'
import { KafkaError, randomUuid, type Uuid } from '../../protocol.ts'
import { type AclFilter, findAcls } from './acl-filters.ts'
import { attemptEach, type Deciding, decide } from './deciding.ts'
import type { MetadataRecord } from './metadata-records.ts'
import { type Acl, type DelegationToken, type ScramCredential, SecurityState } from './security-state.ts'

export interface ScramDeletion {
  name: string
  mechanism: number
}

export interface ScramUpsertion extends ScramDeletion {
  credential: ScramCredential
}

/** Reading is synchronous and shows only what is durable; changes settle when durable and visible. */
export interface ClusterSecurity {
  readonly state: Pick<SecurityState, 'acls' | 'aclGeneration' | 'scramUsers' | 'tokens' | 'tokenGeneration'>
  /** One outcome per ACL; one that exists already is a success. The caller has checked their fields. */
  createAcls(acls: readonly Acl[]): Promise<void>
  /** What each filter removed. */
  deleteAcls(filters: readonly AclFilter[]): Promise<Acl[][]>
  /** null: done. All deletions come before all upsertions; every user is named at most once. */
  alterScramCredentials(deletions: readonly ScramDeletion[], upsertions: readonly ScramUpsertion[]): Promise<(KafkaError | null)[]>
  /** Adds a token, or replaces that of the same id. */
  storeToken(token: DelegationToken): Promise<void>
  removeTokens(tokenIds: readonly string[]): Promise<void>
}

/** `write` runs a step on the shard's own state and settles when its records are durable and published. */
export type WriteSecurity = <R>(step: (newest: SecurityState) => Deciding<R>) => Promise<R>

export class SecurityMetadata implements ClusterSecurity {
  /** What is durable. */
  state = new SecurityState()
  readonly #write: WriteSecurity
  readonly #random: Random

  constructor(write: WriteSecurity, random: Random) {
    this.#write = write
    this.#random = random
  }

  createAcls(acls: readonly Acl[]): Promise<void> {
    const unusedId = (newest: SecurityState) => this.#unusedId(newest)
    return this.#write(function* (newest) {
      const records: MetadataRecord[] = []
      const given = new Set<string>()
      for (const acl of acls) {
        yield
        const key = JSON.stringify(acl)
        if (newest.hasAcl(acl) || given.has(key)) continue
        given.add(key)
        records.push({ type: 'AccessControlEntryRecord', id: unusedId(newest), ...acl })
      }
      return yield* decide(records, undefined)
    })
  }

  deleteAcls(filters: readonly AclFilter[]): Promise<Acl[][]> {
    return this.#write(function* (newest) {
      const removed = new Set<Uuid>()
      const response = findAcls(filters, newest.acls).map(found => {
        for (const [id] of found) removed.add(id)
        return found.map(([, acl]) => acl)
      })
      return yield* decide(
        [...removed].map(id => ({ type: 'RemoveAccessControlEntryRecord', id })),
        response,
      )
    })
  }

  alterScramCredentials(deletions: readonly ScramDeletion[], upsertions: readonly ScramUpsertion[]): Promise<(KafkaError | null)[]> {
    return this.#write(function* (newest) {
      const records: MetadataRecord[] = []
      const response: (KafkaError | null)[] = yield* attemptEach(deletions, ({ name, mechanism }) => {
        if (newest.scramUsers.get(name)?.has(mechanism) !== true) {
          throw new KafkaError('RESOURCE_NOT_FOUND', 'Attempt to delete a user credential that does not exist')
        }
        records.push({ type: 'RemoveUserScramCredentialRecord', name, mechanism })
        return null
      })
      for (const { name, mechanism, credential } of upsertions) {
        records.push({ type: 'UserScramCredentialRecord', name, mechanism, ...credential })
        response.push(null)
      }
      return yield* decide(records, response)
    })
  }

  storeToken(token: DelegationToken): Promise<void> {
    return this.#write(() => decide([{ type: 'DelegationTokenRecord', ...token, renewers: [...token.renewers] }], undefined))
  }

  removeTokens(tokenIds: readonly string[]): Promise<void> {
    return this.#write(newest => {
      const known = tokenIds.filter(tokenId => newest.tokens.has(tokenId))
      return decide(
        known.map(tokenId => ({ type: 'RemoveDelegationTokenRecord', tokenId })),
        undefined,
      )
    })
  }

  #unusedId(newest: SecurityState): Uuid {
    for (;;) {
      const id = randomUuid(this.#random)
      if (!newest.acls.has(id)) return id
    }
  }
}
