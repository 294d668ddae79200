/** The size of topics on disk: DescribeLogDirs of every broker. */
import { apis } from '../protocol.ts'
import { type Requests, refuse } from './requests.ts'

export async function topicSizes(requests: Requests): Promise<Map<string, bigint>> {
  const sizes = new Map<string, bigint>()
  for (const node of await requests.nodes()) {
    const { errorCode, results } = await requests.ask(apis.describeLogDirs, { topics: null }, { node })
    refuse(errorCode)
    for (const directory of results) {
      // An offline directory has an error and no topics; the others count.
      for (const { name, partitions } of directory.topics) {
        const bytes = partitions.reduce((sum, { partitionSize }) => sum + BigInt(partitionSize), 0n)
        sizes.set(name, (sizes.get(name) ?? 0n) + bytes)
      }
    }
  }
  return sizes
}
