/**
 * Limits the number of partitions that all sessions of a type remember together. Kafka limits only the number of sessions; each may contain as
 * many partitions as a request, whether they exist or not.
 */
const mostPartitions = 200_000

interface Session {
  readonly partitions: { readonly size: number }
}

export class SessionPartitions {
  readonly most: number
  /** As of the last {@link count} of each. */
  readonly #counted = new Map<Session, number>()
  #total = 0

  constructor(most = mostPartitions) {
    this.most = most
  }

  get total(): number {
    return this.#total
  }

  hasRoom(added: number): boolean {
    return this.#total + added <= this.most
  }

  /** To be called after its partitions were changed. */
  count(session: Session): void {
    this.forget(session)
    this.#counted.set(session, session.partitions.size)
    this.#total += session.partitions.size
  }

  forget(session: Session): void {
    this.#total -= this.#counted.get(session) ?? 0
    this.#counted.delete(session)
  }
}
