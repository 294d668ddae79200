/** Splits requests that name very many partitions into several steps of a shard, so that none of them blocks the event loop. */
import type { Turns } from '../../base.ts'
import type { TopicPartitions } from './commits.ts'

/** Partitions that one step looks up, or writes a record for. */
const mostAtOnce = 5_000

interface Piece<T> {
  topics: T[]
  /** Their indexes in the request. */
  indexes: number[]
}

/** One result for each topic, in order, as one step would give it. Between the steps others may read and write. */
export async function inPieces<T extends TopicPartitions, P>(
  turns: Turns,
  topics: readonly T[],
  step: (some: readonly T[]) => Promise<{ name: string; partitions: P[] }[]>,
): Promise<{ name: string; partitions: P[] }[]> {
  let count = topics.length
  for (const { partitionIndexes } of topics) count += partitionIndexes.length
  if (count <= mostAtOnce) return step(topics)
  const results: { name: string; partitions: P[] }[] = topics.map(({ name }) => ({ name, partitions: [] }))
  for (const { topics: some, indexes } of piecesOf(topics)) {
    if (turns.over) await turns.next()
    const found = await step(some)
    found.forEach(({ partitions }, nth) => {
      const result = results[indexes[nth]!]!
      result.partitions = result.partitions.concat(partitions)
    })
  }
  return results
}

function* piecesOf<T extends TopicPartitions>(topics: readonly T[]): Generator<Piece<T>> {
  let piece: Piece<T> = { topics: [], indexes: [] }
  let room = mostAtOnce
  for (const [index, topic] of topics.entries()) {
    let at = 0
    do {
      const partitionIndexes = topic.partitionIndexes.slice(at, at + room)
      piece.topics.push({ ...topic, partitionIndexes })
      piece.indexes.push(index)
      at += partitionIndexes.length
      room -= 1 + partitionIndexes.length
      if (room > 0) continue
      yield piece
      piece = { topics: [], indexes: [] }
      room = mostAtOnce
    } while (at < topic.partitionIndexes.length)
  }
  if (piece.topics.length > 0) yield piece
}
