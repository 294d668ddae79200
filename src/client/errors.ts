/**
 * What went wrong, said once. The library nests errors (many errors of many tries, each with errors by partition); people and programs
 * need the one that decided: Kafka's name for it, and the broker's own words.
 */

export class ClientError extends Error {
  /** Kafka's name (`UNKNOWN_TOPIC_OR_PARTITION`), or UNREACHABLE, TIMEOUT, INVALID, FAILED. */
  readonly code: string

  constructor(code: string, message: string, cause?: unknown) {
    super(message, { cause })
    this.name = 'ClientError'
    this.code = code
  }
}

/** What the library's errors may carry. */
interface LibraryError extends Error {
  code?: string
  apiId?: string
  serverErrorMessage?: string | null
  errors?: readonly LibraryError[]
  host?: string
  port?: number
}

/** Awaits work of the library; what it throws comes out as a ClientError. */
export async function settled<T>(bootstrap: string, work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    throw toClientError(error, bootstrap)
  }
}

export function toClientError(error: unknown, bootstrap: string): ClientError {
  if (error instanceof ClientError) return error
  const leaves = [...leavesOf(error as LibraryError)]
  const answered = leaves.find(leaf => leaf.apiId !== undefined)
  if (answered !== undefined) {
    return new ClientError(answered.apiId!, answered.serverErrorMessage || answered.message, error)
  }
  const leaf = leaves.at(-1)!
  const message = leaf.message || String(leaf)
  const unknownTopic = /^Unknown topic (.+)\.$/.exec(message)
  if (unknownTopic !== null) return new ClientError('UNKNOWN_TOPIC_OR_PARTITION', `there is no topic ${unknownTopic[1]}`, error)
  const system = leaves.find(each => /^E[A-Z]{3,}$/.test(each.code ?? ''))
  if (leaves.some(each => /timed? ?out/i.test(each.message))) {
    return new ClientError('TIMEOUT', `no answer in time from ${bootstrap}`, error)
  }
  if (system !== undefined || leaves.some(each => each.code === 'PLT_KFK_NETWORK')) {
    const reason = system === undefined ? message : system.message || system.code
    return new ClientError('UNREACHABLE', `no broker answers at ${bootstrap} (${reason})`, error)
  }
  if (leaf.code === 'PLT_KFK_USER') return new ClientError('INVALID', message, error)
  return new ClientError('FAILED', message, error)
}

/** The error, its parts and its causes, outermost first. */
function* leavesOf(error: LibraryError): Generator<LibraryError> {
  yield error
  for (const part of error.errors ?? []) yield* leavesOf(part)
  if (error.cause instanceof Error) yield* leavesOf(error.cause as LibraryError)
}
