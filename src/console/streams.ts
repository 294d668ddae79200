/** Server-sent events: back-pressure, a heartbeat, and an end when the reader goes or the service stops. */
import type { FastifyReply } from 'fastify'
import type { System, Timer } from '../base.ts'
import { HttpError } from '../http.ts'
import { problemOf, toHttpError } from './problem.ts'

/** Resolves when the reader can take more. */
export type Send<T> = (event: T) => Promise<void>

const heartbeatMs = 15_000
const mostStreams = 256

export class Streams {
  readonly #system: Pick<System, 'timers'>
  readonly #running = new Map<AbortController, Promise<void>>()

  constructor(system: Pick<System, 'timers'>) {
    this.#system = system
  }

  run(reply: FastifyReply, work: (send: Send<unknown>, signal: AbortSignal) => Promise<void>): Promise<void> {
    if (this.#running.size >= mostStreams)
      throw new HttpError(503, 503, `${mostStreams} streams are open, which is the limit`, { headers: { 'retry-after': '5' } })
    const stop = new AbortController()
    const running = this.#serve(reply, work, stop)
    this.#running.set(stop, running)
    return running
  }

  /** Ends them all. */
  async close(): Promise<void> {
    for (const stop of this.#running.keys()) stop.abort()
    await Promise.allSettled(this.#running.values())
  }

  /** What fails before the first event is an ordinary response; later, the last event says it. */
  async #serve(
    reply: FastifyReply,
    work: (send: Send<unknown>, signal: AbortSignal) => Promise<void>,
    stop: AbortController,
  ): Promise<void> {
    const { raw } = reply
    raw.on('error', () => stop.abort())
    raw.once('close', () => stop.abort())
    let beat: Timer | null = null
    const keepAlive = () => {
      beat = this.#system.timers.after(heartbeatMs, () => {
        if (!raw.writableNeedDrain) raw.write(':\n\n')
        keepAlive()
      })
    }
    const begin = () => {
      reply.hijack()
      raw.writeHead(200, { ...(reply.getHeaders() as Record<string, string>), 'content-type': 'text/event-stream' })
      keepAlive()
    }
    const write = async (text: string) => {
      if (stop.signal.aborted) return
      if (!raw.headersSent) begin()
      if (raw.write(text)) return
      await new Promise<void>(resolve => {
        raw.once('drain', resolve)
        stop.signal.addEventListener('abort', () => resolve(), { once: true })
      })
    }
    try {
      await work(event => write(`data: ${JSON.stringify(event)}\n\n`), stop.signal)
    } catch (error) {
      if (!raw.headersSent && !stop.signal.aborted) throw error
      const told = toHttpError(error)
      const shown = told instanceof HttpError ? told : new HttpError(500, 500, 'Internal server error', { cause: error })
      await write(`event: problem\ndata: ${JSON.stringify(problemOf(shown))}\n\n`)
    } finally {
      ;(beat as Timer | null)?.cancel()
      this.#running.delete(stop)
      if (raw.headersSent) raw.end()
    }
  }
}
