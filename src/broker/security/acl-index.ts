/**
 * Finds the ACLs that apply to one access, in time that hardly depends on the number of ACLs.
 *
 * Hides the search: ACLs are indexed by the name of their resource; prefixed ones need one look-up for each length of
 * prefixes. The rules are those of Kafka's StandardAuthorizer: any matching DENY wins, whatever its order, and however specific the others are.
 */
import net from 'node:net'
import type { Acl } from '../../coordinator.ts'
import { allOperations, everybody, operationCodes, patternTypes, permissionTypes, wildcard } from './acl-codes.ts'

export type AclVerdict =
  | { readonly kind: 'allow' | 'deny'; readonly acl: Acl }
  /** The resource has ACLs, but none of them applies to this access. */
  | { readonly kind: 'unmatched' }
  | { readonly kind: 'no-acls' }

interface TypeIndex {
  readonly literal: Map<string, Acl[]>
  readonly prefixed: Map<string, Acl[]>
  /** Of the prefixes, ascending. */
  prefixLengths: number[]
}

const unmatched: AclVerdict = { kind: 'unmatched' }
const noAcls: AclVerdict = { kind: 'no-acls' }

/** An ALLOW for one of these operations also allows DESCRIBE or DESCRIBE_CONFIGS. A DENY has no such effect. */
const implied: ReadonlyMap<number, ReadonlySet<number>> = new Map([
  [
    operationCodes.DESCRIBE,
    new Set([operationCodes.DESCRIBE, operationCodes.READ, operationCodes.WRITE, operationCodes.DELETE, operationCodes.ALTER]),
  ],
  [operationCodes.DESCRIBE_CONFIGS, new Set([operationCodes.DESCRIBE_CONFIGS, operationCodes.ALTER_CONFIGS])],
])

export class AclIndex {
  readonly #byType = new Map<number, TypeIndex>()

  constructor(acls: Iterable<Acl>) {
    for (const acl of acls) {
      let index = this.#byType.get(acl.resourceType)
      if (index === undefined) this.#byType.set(acl.resourceType, (index = { literal: new Map(), prefixed: new Map(), prefixLengths: [] }))
      const names = acl.patternType === patternTypes.prefixed ? index.prefixed : index.literal
      const same = names.get(acl.resourceName)
      if (same === undefined) names.set(acl.resourceName, [acl])
      else same.push(acl)
    }
    for (const index of this.#byType.values()) {
      index.prefixLengths = [...new Set([...index.prefixed.keys()].map(prefix => prefix.length))].sort((a, b) => a - b)
    }
  }

  decide(principal: string, host: string, operation: number, resourceType: number, name: string): AclVerdict {
    let verdict: AclVerdict = noAcls
    for (const acls of this.#about(resourceType, name)) {
      if (verdict === noAcls) verdict = unmatched
      for (const acl of acls) {
        if (!isFor(acl, principal, host) || !covers(acl, operation)) continue
        if (acl.permissionType !== permissionTypes.allow) return { kind: 'deny', acl }
        verdict = { kind: 'allow', acl }
      }
    }
    return verdict
  }

  /** Whether there is a name of this type that ACLs allow: Kafka's authorizeByResourceType, without super users and defaults. */
  allowsSome(principal: string, host: string, operation: number, resourceType: number): boolean {
    const index = this.#byType.get(resourceType)
    if (index === undefined) return false
    const has = (acls: readonly Acl[] | undefined, permission: number) =>
      acls?.some(acl => acl.permissionType === permission && isFor(acl, principal, host) && isOperation(acl, operation)) === true
    const allowed = (acls: readonly Acl[]) => has(acls, permissionTypes.allow)
    const { deny } = permissionTypes
    if (has(index.literal.get(wildcard), deny)) return false
    const forbidden = (name: string) => index.prefixLengths.some(length => has(index.prefixed.get(prefixOf(name, length)), deny))
    for (const [name, acls] of index.literal) {
      if (allowed(acls) && (name === wildcard || (!has(acls, deny) && !forbidden(name)))) return true
    }
    for (const [prefix, acls] of index.prefixed) if (allowed(acls) && !forbidden(prefix)) return true
    return false
  }

  *#about(resourceType: number, name: string): Generator<readonly Acl[]> {
    const index = this.#byType.get(resourceType)
    if (index === undefined) return
    const literal = index.literal.get(name)
    if (literal !== undefined) yield literal
    const every = name === wildcard ? undefined : index.literal.get(wildcard)
    if (every !== undefined) yield every
    for (const length of index.prefixLengths) {
      const prefixed = index.prefixed.get(prefixOf(name, length))
      if (prefixed !== undefined) yield prefixed
    }
  }
}

/** A name that is shorter than the prefix has no prefix of that length. */
function prefixOf(name: string, length: number): string {
  return length > name.length ? '' : name.slice(0, length)
}

function isFor(acl: Acl, principal: string, host: string): boolean {
  return (acl.principal === principal || acl.principal === everybody) && (acl.host === wildcard || hostOf(acl.host) === host)
}

function covers(acl: Acl, operation: number): boolean {
  if (isOperation(acl, operation)) return true
  return acl.permissionType === permissionTypes.allow && implied.get(operation)?.has(acl.operation) === true
}

function isOperation(acl: Acl, operation: number): boolean {
  return acl.operation === operation || acl.operation === allOperations
}

/**
 * The one spelling of an address, Java's: eight groups without leading zeros, and IPv4 clients of an IPv6 socket as IPv4. ACLs may be
 * written in any.
 */
export function hostOf(address: string): string {
  const plain = address.replace(/^::ffff:(?=\d+\.)/i, '')
  if (!plain.includes(':') || !net.isIPv6(plain)) return plain
  const bare = plain.split('%')[0]!
  const [head, tail] = bare.split('::') as [string, string | undefined]
  const left = head === '' ? [] : head.split(':')
  const right = tail === undefined || tail === '' ? [] : tail.split(':')
  const groups = tail === undefined ? left : [...left, ...Array<string>(8 - left.length - right.length).fill('0'), ...right]
  return groups.map(group => Number.parseInt(group, 16).toString(16)).join(':')
}
