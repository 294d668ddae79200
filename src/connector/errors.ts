/** What tasks throw. Every other error fails the task; the worker starts it again, later and later. */

/** The target or the source is away, or asks for patience: the same call is made again with the same records. */
export class RetriableError extends Error {
  /** null: the worker chooses. */
  readonly retryAfterMs: number | null

  constructor(message: string, { cause, retryAfterMs = null }: { cause?: unknown; retryAfterMs?: number | null } = {}) {
    super(message, { cause })
    this.name = 'RetriableError'
    this.retryAfterMs = retryAfterMs
  }
}

/** One record cannot be written, whatever is tried. `errors.tolerance` decides what becomes of it; see `SinkContext.report`. */
export class DataError extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, { cause })
    this.name = 'DataError'
  }
}
