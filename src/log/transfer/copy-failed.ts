/** A copy of partitions cannot go on, for a reason that an operator can do something about. The original was not changed. */
export class CopyFailed extends Error {
  readonly code = 'ERR_COPY'

  constructor(why: string) {
    super(why)
    this.name = 'CopyFailed'
  }
}
