/** The ACLs of the source that the target lacks. None is taken away. */
import { type Acl, type Client, ClientError } from '../client.ts'
import type { Left } from './types.ts'

const atOnce = 500

interface Outcome {
  copied: number
  there: number
}

export interface AclCopy {
  readonly source: Client
  readonly target: Client
  readonly dryRun: boolean
  /** As it is to be in the target; null: it is not copied. */
  translated(acl: Acl): Acl | null
}

/** null: there are none, or nobody may see them; `left` says which. */
export async function copyAcls(
  { source, target, dryRun, translated }: AclCopy,
  left: Left,
  failed: { name: string; reason: string }[],
): Promise<Outcome | null> {
  const all = await aclsOf(source, 'source', left)
  if (all === null) return null
  const wanted = all.flatMap(acl => translated(acl) ?? [])
  if (wanted.length === 0) return { copied: 0, there: 0 }
  const known = await aclsOf(target, 'target', left)
  if (known === null) return null
  const there = new Set(known.map(keyOf))
  const missing = wanted.filter(acl => !there.has(keyOf(acl)))
  let copied = 0
  for (let at = 0; at < missing.length; at += atOnce) {
    const some = missing.slice(at, at + atOnce)
    copied += dryRun ? some.length : await create(target, some, failed)
  }
  return { copied, there: wanted.length - missing.length }
}

async function aclsOf(client: Client, where: string, left: Left): Promise<Acl[] | null> {
  try {
    return await client.acls({})
  } catch (error) {
    if (!(error instanceof ClientError)) throw error
    if (error.code === 'SECURITY_DISABLED') left.add(`ACLs: the ${where} has no authorizer`)
    else if (error.code === 'CLUSTER_AUTHORIZATION_FAILED') left.add(`ACLs: they may not be seen in the ${where}`)
    else throw error
    return null
  }
}

/** Together, or if that fails one by one. */
async function create(target: Client, acls: readonly Acl[], failed: { name: string; reason: string }[]): Promise<number> {
  try {
    await target.createAcls(acls)
    return acls.length
  } catch (error) {
    if (!(error instanceof ClientError)) throw error
    if (acls.length === 1) {
      const { principal, operation, resourceType, resourceName } = acls[0]!
      failed.push({
        name: `ACL of ${principal} (${operation} on ${resourceType} ${resourceName})`,
        reason: `${error.code}: ${error.message}`,
      })
      return 0
    }
    let copied = 0
    for (const acl of acls) copied += await create(target, [acl], failed)
    return copied
  }
}

/** If only some topics are copied: those about them. */
export function concerns({ resourceType, resourceName, patternType }: Acl, isWanted: (topic: string) => boolean): boolean {
  return resourceType === 'TOPIC' && (patternType === 'PREFIXED' || resourceName === '*' || isWanted(resourceName))
}

function keyOf(acl: Acl): string {
  return [acl.resourceType, acl.resourceName, acl.patternType, acl.principal, acl.host, acl.operation, acl.permission].join('\0')
}
