/** `millrace cluster gc`: one round of what the first broker does every half minute: deletes objects that nothing needs any more. */
import { realSystem } from '../base.ts'
import { openCollector } from '../log.ts'
import { type ClusterFlags, clusterMetadata, newClusterId, requireOwnObjects, toldDatabase, withStores } from './cluster.ts'
import { CommandFailed, show } from './output.ts'

export async function collectGarbage(flags: ClusterFlags): Promise<void> {
  const system = realSystem()
  const failures: string[] = []
  const deleted = await withStores(flags, async stores => {
    const { database, objects } = stores
    // Before anything that would make a cluster where there is none.
    await toldDatabase(() => database.heads())
    const { id } = await toldDatabase(() => database.start(newClusterId(system.random)))
    await requireOwnObjects(objects, id, null)
    const collector = await openCollector({
      system,
      database,
      objects,
      // Rows are removed by brokers.
      journal: () => null,
      topics: async () => {
        const ids = new Set((await clusterMetadata(stores)).topics.map(({ id }) => id))
        return topicId => ids.has(topicId)
      },
      report: (what, error) => void failures.push(`${what}: ${(error as Error).message}`),
    })
    await collector.run(() => true)
    return collector.counts.deletedObjects + collector.counts.sweptObjects
  })
  if (failures.length > 0) throw new CommandFailed(failures.join('\nmillrace: '))
  await show(flags.json, { deleted }, () => `${deleted} objects deleted\n`)
}
