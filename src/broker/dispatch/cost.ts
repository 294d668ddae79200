/**
 * The cost budget of a request, which each API declares, and which is checked before its handler runs.
 *
 * Without it, a single client without any permission could keep the broker busy for seconds and fill its memory: a request of
 * `socket.request.max.bytes` can name millions of things, and one name repeated a thousand times may result in a thousand long lists.
 * A request over the budget gets INVALID_REQUEST in a response of its API (or, a million entries over it, its connection is closed).
 * A request within the budget may still be large: then it is decoded, handled and encoded in slices (`base/turns.ts`).
 */
import { scrambled } from '../../base.ts'

export interface Cost<Request> {
  /** Entries of all lists of a request together, as they were sent. */
  readonly entries: number
  /** Bytes of an answer. */
  readonly answerBytes: number
  /**
   * Removes duplicate entries from the request, in steps. null: there can be no duplicates, or the handler answers them as Kafka does, with
   * an error or the same small result.
   */
  readonly distinct: ((request: Request) => Generator<void>) | null
  /** Steps of a regular expression over all names; a step is some nanoseconds. */
  readonly regexSteps?: number
  /** See {@link promptly}. */
  readonly prompt?: boolean
  /** Bytes that come out of what the request has compressed. */
  readonly inflatedBytes?: number
}

/** Twice what an administrator of the largest cluster names: `cluster.max.topics` and `cluster.max.partitions` are 60,000 together. */
const mostEntries = 120_000
/** As much as a request may have. Kafka has no bound. */
const mostAnswerBytes = 100 * 1024 * 1024

/** For requests about one thing, with a few words about it. */
export const oneThing: Cost<unknown> = { entries: 1_000, answerBytes: mostAnswerBytes, distinct: null }

/** For requests that name many things. */
export function manyThings<Request>(distinct: Cost<Request>['distinct'], entries = mostEntries): Cost<Request> {
  return { entries, answerBytes: mostAnswerBytes, distinct }
}

/**
 * For requests that keep producers, consumers and members of groups going: even a large one does not wait until other clients have read
 * their large responses. Its response is about as large as the request or a part of the group's state, or its handler limits it.
 */
export function promptly<Request>(cost: Cost<Request>): Cost<Request> {
  return { ...cost, prompt: true }
}

/** For requests that are decided in one step, or where no client needs more. Kafka itself accepts 10,000 changes at once. */
export const fewEntries = 20_000

/** Entries per step when duplicates are removed; names may be long. */
const lookedAtOnce = 64

/** Of elements with the same key the last one, as if they were put into a map. */
export function* distinct<T>(list: T[], keyOf: (element: T) => unknown = element => element): Generator<void, T[]> {
  const byKey = new Map<unknown, T>()
  let looked = 0
  for (const element of list) {
    byKey.set(keyOf(element), element)
    if (++looked % lookedAtOnce === 0) yield
  }
  return byKey.size === list.length ? list : [...byKey.values()]
}

/**
 * Of topics (or groups) that have a list of partitions (or topics) in the field `list`: leaves out the pairs that come again later, and
 * topics of which nothing is left.
 */
export function* distinctPairs<F extends string, T extends { [field in F]: unknown[] | null }>(
  topics: T[],
  topicOf: (topic: T) => unknown,
  list: F,
  partitionOf: (partition: NonNullable<T[F]>[number]) => unknown = partition => partition,
): Generator<void, T[]> {
  let looked = 0
  const byTopic = new Map<unknown, Set<unknown>>()
  const left = new Set<T>()
  for (const topic of topics.toReversed()) {
    const key = topicOf(topic)
    const known = byTopic.get(key)
    const partitions = known ?? new Set()
    if (known === undefined) byTopic.set(key, partitions)
    const named: unknown[] = topic[list] ?? []
    const kept: unknown[] = []
    for (let index = named.length - 1; index >= 0; index--) {
      const before = partitions.size
      const partition = partitionOf(named[index])
      if (partitions.add(typeof partition === 'number' ? scrambled(partition) : partition).size > before) kept.push(named[index])
      if (++looked % lookedAtOnce === 0) yield
    }
    if (++looked % lookedAtOnce === 0) yield
    if (kept.length < named.length) topic[list] = kept.reverse() as T[F]
    if (known === undefined || kept.length > 0) left.add(topic)
  }
  return left.size === topics.length ? topics : topics.filter(topic => left.has(topic))
}

/** For requests that name partitions of topics, each with its index and more. */
export const topicPartitions = manyThings<{ topics: { name: string; partitions: { partitionIndex: number }[] }[] }>(function* (request) {
  request.topics = yield* distinctPairs(
    request.topics,
    topic => topic.name,
    'partitions',
    ({ partitionIndex }) => partitionIndex,
  )
})
