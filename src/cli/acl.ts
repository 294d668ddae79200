/** `millrace acl …`: permissions. The terms are those of kafka-acls. */
import { type Acl, type AclFilter, type AclOperation, type AclResourceType, aclOperations } from '../client.ts'
import { connect } from './connect.ts'
import type { ClientFlags } from './options.ts'
import { plural, show, table, UsageError } from './output.ts'
import { confirm } from './secret.ts'

export interface AclFlags extends ClientFlags {
  principal?: string[]
  host?: string[]
  operation?: string[]
  topic?: string[]
  group?: string[]
  cluster?: boolean
  transactionalId?: string[]
  delegationToken?: string[]
  userPrincipal?: string[]
  prefixed?: boolean
  matching?: boolean
  deny?: boolean
  allow?: boolean
  producer?: boolean
  consumer?: boolean
  idempotent?: boolean
  dryRun?: boolean
  yes?: boolean
}

type Resource = Pick<Acl, 'resourceType' | 'resourceName'>

const everybodysHost = '*'

/** The operations that Kafka's authorizer checks, by type of resource. */
const supported: Readonly<Record<AclResourceType, readonly AclOperation[]>> = {
  TOPIC: ['READ', 'WRITE', 'CREATE', 'DESCRIBE', 'DELETE', 'ALTER', 'DESCRIBE_CONFIGS', 'ALTER_CONFIGS'],
  GROUP: ['READ', 'DESCRIBE', 'DELETE', 'DESCRIBE_CONFIGS', 'ALTER_CONFIGS'],
  CLUSTER: ['CREATE', 'CLUSTER_ACTION', 'DESCRIBE_CONFIGS', 'ALTER_CONFIGS', 'IDEMPOTENT_WRITE', 'ALTER', 'DESCRIBE'],
  TRANSACTIONAL_ID: ['DESCRIBE', 'WRITE', 'TWO_PHASE_COMMIT'],
  DELEGATION_TOKEN: ['DESCRIBE'],
  USER: ['CREATE_TOKENS', 'DESCRIBE_TOKENS'],
}

export async function listAcls(flags: AclFlags): Promise<void> {
  const filters = filtersOf(flags)
  await using client = await connect(flags)
  const acls = distinct((await Promise.all(filters.map(filter => client.acls(filter)))).flat())
  await show(flags.json, acls, () => (acls.length === 0 ? 'No ACL matches.\n' : aclTable(acls)))
}

export async function addAcls(flags: AclFlags): Promise<void> {
  if (flags.principal === undefined) throw new UsageError('--principal is required: User:name, or User:* for everyone')
  if (flags.prefixed && flags.matching) throw new UsageError('--matching is only for acl list and acl remove')
  if (flags.deny && flags.allow) throw new UsageError('--allow and --deny cannot be combined')
  const wanted = rights(flags)
  const acls: Acl[] = []
  for (const principal of flags.principal.map(toPrincipal)) {
    for (const host of flags.host ?? [everybodysHost]) {
      for (const { operation, ...resource } of wanted) {
        const patternType = flags.prefixed && resource.resourceType !== 'CLUSTER' ? 'PREFIXED' : 'LITERAL'
        acls.push({ ...resource, patternType, principal, host, operation, permission: flags.deny ? 'DENY' : 'ALLOW' })
      }
    }
  }
  if (flags.dryRun !== true) {
    await using client = await connect(flags)
    await client.createAcls(acls)
  }
  await show(flags.json, { dryRun: flags.dryRun === true, added: acls }, () => {
    return aclTable(acls) + (flags.dryRun ? 'Nothing was changed (--dry-run).\n' : `${plural(acls.length, 'ACL')} added\n`)
  })
}

export async function removeAcls(flags: AclFlags): Promise<void> {
  const narrowed =
    resourcesOf(flags).length > 0 || flags.principal !== undefined || flags.operation !== undefined || flags.host !== undefined
  if (!narrowed) throw new UsageError('specify which ACLs: --principal, --topic, --group, …')
  const filters = filtersOf(flags)
  await using client = await connect(flags)
  const matched = distinct((await Promise.all(filters.map(filter => client.acls(filter)))).flat())
  if (flags.dryRun || matched.length === 0) {
    return show(flags.json, { dryRun: flags.dryRun === true, removed: matched }, () =>
      matched.length === 0 ? 'No ACL matches.\n' : `${aclTable(matched)}Nothing was changed (--dry-run).\n`,
    )
  }
  if (flags.yes !== true) process.stderr.write(aclTable(matched))
  if (!(await confirm(`Remove ${plural(matched.length, 'ACL')}?`, flags.yes)))
    return show(flags.json, { removed: [] }, () => 'Nothing was changed.\n')
  // Exactly the ACLs that were shown, not others that were added in the meantime.
  const removed = await client.deleteAcls(matched)
  await show(flags.json, { dryRun: false, removed }, () => `${aclTable(removed)}${plural(removed.length, 'ACL')} removed\n`)
}

function toPrincipal(text: string): string {
  return text.includes(':') ? text : `User:${text}`
}

function resourcesOf(flags: AclFlags): Resource[] {
  const named: [AclResourceType, string[] | undefined][] = [
    ['TOPIC', flags.topic],
    ['GROUP', flags.group],
    ['TRANSACTIONAL_ID', flags.transactionalId],
    ['DELEGATION_TOKEN', flags.delegationToken],
    ['USER', flags.userPrincipal?.map(toPrincipal)],
    ['CLUSTER', flags.cluster ? ['kafka-cluster'] : undefined],
  ]
  return named.flatMap(([resourceType, names]) => (names ?? []).map(resourceName => ({ resourceType, resourceName })))
}

function operationsOf(flags: AclFlags): AclOperation[] {
  return (flags.operation ?? []).map(text => {
    const name = text.toUpperCase().replaceAll(/[- ]/g, '_')
    const known = aclOperations.find(each => each === name || each.replaceAll('_', '') === name)
    if (known === undefined) throw new UsageError(`unknown operation ${text}; the operations are ${aclOperations.join(', ')}`)
    return known
  })
}

/** The resources and operations to allow or deny. */
function rights(flags: AclFlags): (Resource & { operation: AclOperation })[] {
  const resources = resourcesOf(flags)
  if (flags.producer || flags.consumer) return rolesOf(flags, resources)
  if (flags.idempotent) throw new UsageError('--idempotent requires --producer')
  const operations = operationsOf(flags)
  if (resources.length === 0)
    throw new UsageError('specify a resource: --topic, --group, --cluster, --transactional-id, --delegation-token or --user-principal')
  if (operations.length === 0) throw new UsageError('specify --operation read,write,…, or --producer or --consumer')
  return resources.flatMap(resource =>
    operations.map(operation => {
      const possible = supported[resource.resourceType]
      if (operation === 'ALL' || possible.includes(operation)) return { ...resource, operation }
      const type = resource.resourceType.toLowerCase().replaceAll('_', ' ')
      throw new UsageError(`${operation} does not apply to a ${type}; the operations are ALL, ${possible.join(', ')}`)
    }),
  )
}

/** The permissions of a producer and of a consumer, as in kafka-acls. */
function rolesOf(flags: AclFlags, resources: readonly Resource[]): (Resource & { operation: AclOperation })[] {
  if (flags.operation !== undefined || flags.deny)
    throw new UsageError('--producer and --consumer cannot be combined with --operation or --deny')
  const having = (type: AclResourceType) => resources.filter(each => each.resourceType === type)
  if (having('TOPIC').length === 0) throw new UsageError('--producer and --consumer require --topic')
  if (flags.consumer && having('GROUP').length === 0) throw new UsageError('--consumer requires --group')
  const found: (Resource & { operation: AclOperation })[] = []
  const add = (of: readonly Resource[], ...operations: AclOperation[]) => {
    for (const resource of of) for (const operation of operations) found.push({ ...resource, operation })
  }
  if (flags.producer) {
    add(having('TOPIC'), 'WRITE', 'DESCRIBE', 'CREATE')
    add(having('TRANSACTIONAL_ID'), 'WRITE', 'DESCRIBE')
    if (flags.idempotent) add([{ resourceType: 'CLUSTER', resourceName: 'kafka-cluster' }], 'IDEMPOTENT_WRITE')
  }
  if (flags.consumer) {
    add(having('TOPIC'), 'READ', ...(flags.producer ? [] : (['DESCRIBE'] as const)))
    add(having('GROUP'), 'READ')
  }
  return found
}

/** Every combination of the given options; an option that is not given matches everything. */
function filtersOf(flags: AclFlags): AclFilter[] {
  if (flags.prefixed && flags.matching) throw new UsageError('--prefixed and --matching cannot be combined')
  const roles = flags.producer || flags.consumer ? rights(flags) : null
  const whats: readonly AclFilter[] =
    roles ??
    orAnything(resourcesOf(flags)).flatMap(resource =>
      orAnything(operationsOf(flags).map(operation => ({ operation }))).map(each => ({ ...resource, ...each })),
    )
  const whos: readonly AclFilter[] = orAnything((flags.principal ?? []).map(text => ({ principal: toPrincipal(text) })))
  const wheres: readonly AclFilter[] = orAnything((flags.host ?? []).map(host => ({ host })))
  const permission = flags.deny ? { permission: 'DENY' as const } : flags.allow ? { permission: 'ALLOW' as const } : {}
  return whats.flatMap(what =>
    whos.flatMap(who => wheres.map(where => ({ ...what, ...who, ...where, ...permission, ...patternOf(flags, what) }))),
  )
}

function orAnything<T extends AclFilter>(filters: readonly T[]): readonly AclFilter[] {
  return filters.length === 0 ? [{}] : filters
}

function patternOf(flags: AclFlags, { resourceName }: AclFilter): AclFilter {
  if (flags.prefixed) return { patternType: 'PREFIXED' }
  if (flags.matching) return { patternType: 'MATCH' }
  return resourceName === undefined ? {} : { patternType: 'LITERAL' }
}

function distinct(acls: readonly Acl[]): Acl[] {
  return [...new Map(acls.map(acl => [JSON.stringify(acl), acl])).values()]
}

function aclTable(acls: readonly Acl[]): string {
  return table(
    ['RESOURCE', 'NAME', 'PATTERN', 'PRINCIPAL', 'HOST', 'PERMISSION', 'OPERATION'],
    acls.map(acl => [acl.resourceType, acl.resourceName, acl.patternType, acl.principal, acl.host, acl.permission, acl.operation]),
  )
}
