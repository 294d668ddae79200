/**
 * Agents for requests to targets, by our own client and by the libraries of others: every request comes to its end within a time, with the whole of its answer, and no answer is
 * longer than a bound. Libraries themselves only look at how long nothing comes, so that a byte now and then, or an answer without an end, would hold a task for ever.
 */
import type { ClientRequest, Agent as HttpAgent, IncomingMessage } from 'node:http'
import type { Agent as HttpsAgent } from 'node:https'
import type { System } from '../../base.ts'

export interface AnswerBounds {
  readonly system: Pick<System, 'timers'>
  readonly timeoutMs: number
  /** An answer may also have as many bytes as its request asks for by `Range`. */
  readonly mostBytes: number
  /** Hears the status of each answer, for libraries that do not tell it. */
  answered?(status: number): void
}

/** Its name and code are those by which libraries know what passes. */
class AnswerTooLate extends Error {
  override readonly name = 'TimeoutError'
  readonly code = 'ETIMEDOUT'
}

/** The next answer would be too long as well. */
export class AnswerTooLong extends Error {
  override readonly name = 'AnswerTooLong'
}

/** The same agent, with bounds. */
export function bounded<A extends HttpAgent | HttpsAgent>(agent: A, bounds: AnswerBounds): A {
  // Every request of Node's client goes through this method of its agent.
  const untyped = agent as unknown as { addRequest(request: ClientRequest, ...rest: unknown[]): void }
  const add = untyped.addRequest
  untyped.addRequest = (request, ...rest) => {
    guard(request, bounds)
    add.call(agent, request, ...rest)
  }
  return agent
}

function guard(request: ClientRequest, bounds: AnswerBounds): void {
  const { system, timeoutMs } = bounds
  const mostBytes = Math.max(bounds.mostBytes, rangeOf(request))
  let answer: IncomingMessage | null = null
  // The answer first: one whose length nobody said would seem to be whole when its connection ends.
  const end = (error: Error) => {
    answer?.destroy(error)
    request.destroy(error)
  }
  const timer = system.timers.after(timeoutMs, () => end(new AnswerTooLate(`no answer within ${timeoutMs} ms`)))
  request.once('close', () => timer.cancel())
  request.prependOnceListener('response', response => {
    answer = response
    bounds.answered?.(response.statusCode ?? 0)
    // Nobody asked for it, and there is no bound behind it.
    if (!request.hasHeader('accept-encoding')) delete response.headers['content-encoding']
    let size = 0
    const push = response.push.bind(response)
    response.push = (chunk, encoding) => {
      size += chunk?.length ?? 0
      if (size <= mostBytes) return push(chunk, encoding)
      end(new AnswerTooLong(`the answer has more than ${mostBytes} bytes`))
      return false
    }
  })
}

function rangeOf(request: ClientRequest): number {
  const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(String(request.getHeader('range') ?? '')) ?? []
  return from === undefined || to === undefined ? 0 : Number(to) - Number(from) + 1
}
