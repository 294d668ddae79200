/** Partitions that another broker is asked about, and the form in which most requests name them. */
export interface AskedPartition {
  readonly topic: string
  readonly partition: number
}

/** The partitions of each topic, in their order. */
export function byTopic(partitions: readonly AskedPartition[]): [topic: string, indexes: number[]][] {
  return Array.from(
    Map.groupBy(partitions, ({ topic }) => topic),
    ([topic, some]) => [topic, some.map(({ partition }) => partition)],
  )
}
