/** How the cluster makes many changes of one request, and which errors their callers see. */
import { chunks } from '../../base.ts'
import { KafkaError } from '../../protocol.ts'

/** So many changes of one request are one step of the shard, so that no step takes long. */
const changesAtOnce = 200

/** What a coordinator says of itself, as Kafka's clients expect it from a controller. */
function controllerError(error: unknown): unknown {
  if (!(error instanceof KafkaError)) return error
  const unavailable = ['NOT_COORDINATOR', 'COORDINATOR_LOAD_IN_PROGRESS', 'COORDINATOR_NOT_AVAILABLE']
  return unavailable.includes(error.name) ? new KafkaError('NOT_CONTROLLER', error.message) : error
}

/** Failures are those of Kafka's controller. */
export async function byController<T>(work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    throw controllerError(error)
  }
}

/** The results in the order of the items. Items that were done before the rest failed are reported as done. */
export async function inChunks<T, R>(items: readonly T[], step: (some: T[]) => Promise<readonly R[]>): Promise<(R | KafkaError)[]> {
  const results: (R | KafkaError)[] = []
  for (const some of chunks(items, changesAtOnce)) {
    try {
      results.push(...(await step(some)))
    } catch (error) {
      if (results.length === 0 || !(error instanceof KafkaError)) throw error
      for (let left = some.length; left > 0; left--) results.push(error)
    }
  }
  return results
}
