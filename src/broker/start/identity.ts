/** `meta.properties`, Kafka's name tag of a data directory: which cluster and node it belongs to. Written at the first start. */
import type { System } from '../../base.ts'
import { parseUuid, randomUuid, type Uuid, zeroUuid } from '../../protocol.ts'

export interface Identity {
  clusterId: string
  nodeId: number
  /** Of the data directory (KIP-858); none in one that Kafka made before it had them. */
  directoryId: Uuid
}

/** Throws when the directory belongs to another node. */
export async function openIdentity(system: System, directory: string, nodeId: number): Promise<Identity> {
  const path = `${directory}/meta.properties`
  const stored = system.files.readFile(path)
  if (stored === null) {
    const identity = { clusterId: randomUuid(system.random), nodeId, directoryId: randomUuid(system.random) }
    const text = `version=1\ncluster.id=${identity.clusterId}\nnode.id=${nodeId}\ndirectory.id=${identity.directoryId}\n`
    await system.files.replaceFile(path, Buffer.from(text))
    return identity
  }
  const properties = new Map(
    stored
      .toString('utf8')
      .split(/\r?\n/)
      .filter(line => line.includes('=') && !line.startsWith('#'))
      .map(line => [line.slice(0, line.indexOf('=')).trim(), line.slice(line.indexOf('=') + 1).trim()] as const),
  )
  const clusterId = properties.get('cluster.id')
  const storedNode = Number(properties.get('node.id') ?? properties.get('broker.id'))
  if (!clusterId) throw new Error(`${path} has no cluster.id: restore it, or move the directory away to begin anew`)
  if (storedNode !== nodeId)
    throw new Error(`${path} says node.id=${storedNode}, but the configuration says ${nodeId}: this data belongs to another broker`)
  return { clusterId, nodeId: storedNode, directoryId: parseUuid(properties.get('directory.id') ?? '') ?? zeroUuid }
}
