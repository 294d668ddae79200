/** Server-sent events: back-pressure, a heartbeat, and an end when the reader goes or the service stops. */
import type { FastifyReply } from 'fastify'
import type { System, Timer } from '../base.ts'
import { ClientError } from '../client.ts'
import { HttpError } from '../http.ts'
import { problemOf } from './problem.ts'

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

  /** `work` fails: the last event says why. */
  async run(reply: FastifyReply, work: (send: Send<unknown>, signal: AbortSignal) => Promise<void>): Promise<void> {
    if (this.#running.size >= mostStreams)
      throw new HttpError(503, 503, `${mostStreams} streams are open, which is the limit`, { headers: { 'retry-after': '5' } })
    const stop = new AbortController()
    const running = this.#serve(reply, work, stop)
    this.#running.set(stop, running)
    await running
  }

  /** Ends them all. */
  async close(): Promise<void> {
    for (const stop of this.#running.keys()) stop.abort()
    await Promise.all(this.#running.values())
  }

  async #serve(
    reply: FastifyReply,
    work: (send: Send<unknown>, signal: AbortSignal) => Promise<void>,
    stop: AbortController,
  ): Promise<void> {
    reply.hijack()
    const { raw } = reply
    raw.on('error', () => stop.abort())
    raw.once('close', () => stop.abort())
    raw.writeHead(200, { ...(reply.getHeaders() as Record<string, string>), 'content-type': 'text/event-stream' })
    raw.flushHeaders()
    const write = async (text: string) => {
      if (stop.signal.aborted || raw.write(text)) return
      await new Promise<void>(resolve => {
        raw.once('drain', resolve)
        stop.signal.addEventListener('abort', () => resolve(), { once: true })
      })
    }
    let beat: Timer
    const keepAlive = () => {
      beat = this.#system.timers.after(heartbeatMs, () => {
        if (!raw.writableNeedDrain) raw.write(':\n\n')
        keepAlive()
      })
    }
    keepAlive()
    try {
      await work(event => write(`data: ${JSON.stringify(event)}\n\n`), stop.signal)
    } catch (error) {
      if (!stop.signal.aborted) await write(`event: problem\ndata: ${JSON.stringify(problemOf(asHttpError(error)))}\n\n`)
    } finally {
      beat!.cancel()
      this.#running.delete(stop)
      raw.end()
    }
  }
}

function asHttpError(error: unknown): HttpError {
  if (error instanceof HttpError) return error
  if (error instanceof ClientError) return new HttpError(502, 502, error.message, { cause: error })
  return new HttpError(500, 500, 'Internal server error', { cause: error })
}
