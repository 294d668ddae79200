/**
 * Whose place in the object store this is: one object there names the cluster.
 *
 * Brokers delete what their own database does not refer to, and read what any other broker of the cluster has written. So two clusters must never have
 * the same prefix, and one cluster must never have two. A URL does not tell: one place may have several addresses, and a bucket may be replaced by its copy.
 */
import type { Database, ObjectStore } from '../../store.ts'
import { ObjectError } from './object-error.ts'

const name = 'cluster'
/** As the database writes the id of a cluster. */
const idBytes = 36

/** A configuration that must be corrected: nothing was read or written there. */
export class WrongObjectStore extends Error {
  /** Another broker makes its place the cluster's, which may have another address here: so it is the right one if it has the cluster's id soon. */
  readonly isBeginning: boolean

  constructor(message: string, isBeginning = false) {
    super(message)
    this.name = 'WrongObjectStore'
    this.isBeginning = isBeginning
  }
}

/** Of a cluster that has no sessions yet. */
export type Claim = Pick<Database, 'claimPlace'>

/**
 * Why the place is not the cluster's; null: it is. `claim`: it becomes the cluster's if it is nobody's, and no other place has become the cluster's
 * before. Rejects with ObjectError.
 */
export async function wrongOwner(objects: ObjectStore, clusterId: string, claim: Claim | null): Promise<WrongObjectStore | null> {
  const owner = await ownerOf(objects)
  if (owner === clusterId) return null
  if (owner !== null)
    return new WrongObjectStore(`the prefix of the object store belongs to another cluster, ${owner}; each cluster needs one of its own`)
  if (claim === null)
    return new WrongObjectStore(
      `the object store is not the one that cluster ${clusterId} has used: the object '${name}', which holds this id, is missing; correct the bucket or the prefix, or complete the copy of the bucket`,
    )
  // Before anything is written: of brokers that begin a cluster with different places at once, only those with the first one go on.
  const place = await claim.claimPlace(objects.place)
  if (place !== objects.place)
    return new WrongObjectStore(`cluster ${clusterId} begins with its objects at ${place}; correct the URL that is not right`, true)
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
