/**
 * Whose place in the object store this is: one object there names the cluster.
 *
 * Brokers delete what their own database does not refer to, and read what any other broker of the cluster has written. So two clusters must never have
 * the same prefix, and one cluster must never have two. A URL does not tell: one place may have several addresses, and a bucket may be replaced by its copy.
 */
import type { ObjectStore } from '../../store.ts'
import { ObjectError } from './object-error.ts'

const name = 'cluster'
/** As the database writes the id of a cluster. */
const idBytes = 36

/** A configuration that must be corrected: nothing was read or written there. */
export class WrongObjectStore extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'WrongObjectStore'
  }
}

/** Why the place is not the cluster's; null: it is. `claim`: it becomes the cluster's if it is nobody's. Rejects with ObjectError. */
export async function wrongOwner(objects: ObjectStore, clusterId: string, claim: boolean): Promise<WrongObjectStore | null> {
  const owner = await ownerOf(objects)
  if (owner === clusterId) return null
  if (owner !== null)
    return new WrongObjectStore(`the prefix of the object store belongs to another cluster, ${owner}; each cluster needs one of its own`)
  if (!claim)
    return new WrongObjectStore(
      `the object store is not the one that cluster ${clusterId} has used: the object '${name}', which holds this id, is missing; correct the bucket or the prefix, or complete the copy of the bucket`,
    )
  await objects.put(name, [Buffer.from(clusterId)])
  return null
}

async function ownerOf(objects: ObjectStore): Promise<string | null> {
  try {
    return (await objects.get(name, 0, idBytes)).toString('latin1')
  } catch (error) {
    if (error instanceof ObjectError && error.code === 'NoSuchKey') return null
    throw error
  }
}
