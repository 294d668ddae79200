/** Splits requests that name very many partitions into steps of a shard that do not hold the event loop. */
import type { Turns } from '../../base.ts'
import type { TopicPartitions } from './commits.ts'

/** Partitions that one step looks up, or writes a record for. */
const mostAtOnce = 5_000

interface Piece<T> {
  topics: T[]
  /** Which of all topics they are. */
  places: number[]
}

/** One result for each topic, in order, as if there were one step. */
export async function inPieces<T extends TopicPartitions, P>(
  turns: Turns,
  topics: readonly T[],
  step: (some: readonly T[]) => Promise<{ name: string; partitions: P[] }[]>,
): Promise<{ name: string; partitions: P[] }[]> {
  let count = topics.length
  for (const { partitionIndexes } of topics) count += partitionIndexes.length
  if (count <= mostAtOnce) return step(topics)
  const results: { name: string; partitions: P[] }[] = topics.map(({ name }) => ({ name, partitions: [] }))
  for (const { topics: some, places } of piecesOf(topics)) {
    if (turns.over) await turns.next()
    const found = await step(some)
    found.forEach(({ partitions }, index) => {
      const result = results[places[index]!]!
      result.partitions = result.partitions.concat(partitions)
    })
  }
  return results
}

function* piecesOf<T extends TopicPartitions>(topics: readonly T[]): Generator<Piece<T>> {
  let piece: Piece<T> = { topics: [], places: [] }
  let room = mostAtOnce
  for (const [place, topic] of topics.entries()) {
    let at = 0
    do {
      const partitionIndexes = topic.partitionIndexes.slice(at, at + room)
      piece.topics.push({ ...topic, partitionIndexes })
      piece.places.push(place)
      at += partitionIndexes.length
      room -= 1 + partitionIndexes.length
      if (room > 0) continue
      yield piece
      piece = { topics: [], places: [] }
      room = mostAtOnce
    } while (at < topic.partitionIndexes.length)
  }
  if (piece.topics.length > 0) yield piece
}
