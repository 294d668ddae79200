/** Whether an operation is allowed, and because of what: the rules of Kafka's StandardAuthorizer, in words. */
import type { Acl, AclOperation, AclResourceType } from '../../client.ts'

export interface AskedRight {
  readonly principal: string
  /** `*`: from anywhere. */
  readonly host: string
  readonly resourceType: AclResourceType
  readonly resourceName: string
  readonly operation: AclOperation
}

/** null: nobody told. */
export interface BrokerSettings {
  readonly superUsers: readonly string[]
  readonly allowWithoutAcl: boolean
  readonly authorizer: boolean
}

export interface Decision {
  allowed: boolean
  reason: string
  /** Those that decide. */
  acls: Acl[]
}

/** Whoever may do this may also do that. */
const implied: Partial<Record<AclOperation, readonly AclOperation[]>> = {
  DESCRIBE: ['READ', 'WRITE', 'DELETE', 'ALTER'],
  DESCRIBE_CONFIGS: ['ALTER_CONFIGS'],
}

export function decide(asked: AskedRight, acls: readonly Acl[], broker: BrokerSettings | null): Decision {
  const { principal, resourceType, resourceName, operation } = asked
  if (broker?.authorizer === false)
    return { allowed: true, reason: 'The brokers have no authorizer (authorizer.class.name): everybody may do everything.', acls: [] }
  if (broker?.superUsers.includes(principal) === true) return { allowed: true, reason: `${principal} is one of super.users.`, acls: [] }
  const onResource = acls.filter(each => matchesResource(each, asked))
  const ofCaller = onResource.filter(each => matchesCaller(each, asked))
  const denying = ofCaller.filter(each => each.permission === 'DENY' && [operation, 'ALL'].includes(each.operation))
  if (denying.length > 0) return { allowed: false, reason: 'An ACL denies it, which counts more than any that allows it.', acls: denying }
  const enough = [operation, 'ALL', ...(implied[operation] ?? [])]
  const allowing = ofCaller.filter(each => each.permission === 'ALLOW' && enough.includes(each.operation))
  if (allowing.length > 0) return { allowed: true, reason: `${plural(allowing.length)} it.`, acls: allowing }
  if (onResource.length === 0 && broker?.allowWithoutAcl === true)
    return { allowed: true, reason: 'No ACL is about this resource, and allow.everyone.if.no.acl.found is true.', acls: [] }
  const others = ofCaller.length === 0 ? `none of them is for ${principal}` : `those for ${principal} are about other operations`
  const about = `${onResource.length} ${onResource.length === 1 ? 'ACL is' : 'ACLs are'} about this resource`
  const reason =
    onResource.length === 0
      ? `No ACL is about this resource (${resourceType} ${resourceName}), so only super users may do it.`
      : `${about}, but ${others}.`
  return { allowed: false, reason, acls: ofCaller }
}

function plural(count: number): string {
  return count === 1 ? 'An ACL allows' : `${count} ACLs allow`
}

function matchesResource({ resourceType, patternType, resourceName: name }: Acl, asked: AskedRight): boolean {
  if (resourceType !== asked.resourceType) return false
  if (patternType === 'PREFIXED') return asked.resourceName.startsWith(name)
  return name === asked.resourceName || name === '*'
}

function matchesCaller({ principal, host }: Acl, asked: AskedRight): boolean {
  return (principal === asked.principal || principal === everybodyLike(asked.principal)) && (host === '*' || asked.host === host)
}

/** Whom ACLs name that are for all of this kind: `User:*`. */
export function everybodyLike(principal: string): string {
  return `${principal.split(':', 1)[0]}:*`
}
