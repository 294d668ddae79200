/** Server-sent events: back-pressure, a heartbeat, and an end when the reader goes or the service stops. */
import type { ServerResponse } from 'node:http'
import type { FastifyReply } from 'fastify'
import type { System, Timer } from '../base.ts'
import { HttpError } from '../http.ts'
import { problemOf, toHttpError } from './problem.ts'

/** Resolves when the reader can take more. */
export type Send<T> = (event: T) => Promise<void>

/** A response that is saved as a file. */
export interface File {
  /** Before the first byte. */
  begin(name: string, contentType: string): void
  /** Resolves when there is room for more. */
  write(part: string | Uint8Array): Promise<void>
}

const heartbeatMs = 15_000
const mostStreams = 512
/** So that nobody takes them all. */
const mostOfOne = 256

export class Streams {
  readonly #system: Pick<System, 'timers'>
  readonly #unreadMs: number
  readonly #running = new Map<AbortController, { principal: string; end: Promise<void> }>()

  /** `unreadMs`: how long a reader may take nothing before the connection is closed. */
  constructor(system: Pick<System, 'timers'>, unreadMs = 120_000) {
    this.#system = system
    this.#unreadMs = unreadMs
  }

  /** Server-sent events. */
  run(principal: string, reply: FastifyReply, work: (send: Send<unknown>, signal: AbortSignal) => Promise<void>): Promise<void> {
    return this.#begin(principal, stop => this.#serve(reply, work, stop))
  }

  /** A file. If it fails in the middle the connection breaks, so that nobody takes a part for all of it. */
  save(principal: string, reply: FastifyReply, work: (file: File, signal: AbortSignal) => Promise<void>): Promise<void> {
    return this.#begin(principal, stop => this.#save(reply, work, stop))
  }

  #begin(principal: string, serve: (stop: AbortController) => Promise<void>): Promise<void> {
    const ofOne = Array.from(this.#running.values()).filter(each => each.principal === principal)
    if (this.#running.size >= mostStreams || ofOne.length >= mostOfOne)
      throw new HttpError(503, 503, 'Too many streams are open', { headers: { 'retry-after': '5' } })
    const stop = new AbortController()
    const end = serve(stop).finally(() => this.#running.delete(stop))
    this.#running.set(stop, { principal, end })
    return end
  }

  /** Ends them all. */
  async close(): Promise<void> {
    for (const stop of this.#running.keys()) stop.abort()
    await Promise.allSettled(Array.from(this.#running.values(), each => each.end))
  }

  /** What fails before the first event is an ordinary response; later, the last event says it. */
  async #serve(
    reply: FastifyReply,
    work: (send: Send<unknown>, signal: AbortSignal) => Promise<void>,
    stop: AbortController,
  ): Promise<void> {
    const { raw } = reply
    stopWith(raw, stop)
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
      await this.#written(raw, text, stop.signal)
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
      if (raw.headersSent) raw.end()
    }
  }

  async #save(reply: FastifyReply, work: (file: File, signal: AbortSignal) => Promise<void>, stop: AbortController): Promise<void> {
    const { raw } = reply
    stopWith(raw, stop)
    const file: File = {
      begin(name, contentType) {
        reply.hijack()
        const disposition = `attachment; filename*=UTF-8''${encodeURIComponent(name)}`
        raw.writeHead(200, {
          ...(reply.getHeaders() as Record<string, string>),
          'content-type': contentType,
          'content-disposition': disposition,
        })
      },
      write: part => this.#written(raw, part, stop.signal),
    }
    try {
      await work(file, stop.signal)
      if (raw.headersSent) raw.end()
    } catch (error) {
      if (!raw.headersSent) throw error
      raw.destroy()
    }
  }

  /** Resolves when there is room for more, or it is over. */
  async #written(raw: ServerResponse, part: string | Uint8Array, signal: AbortSignal): Promise<void> {
    if (signal.aborted || raw.write(part)) return
    raw.setTimeout(this.#unreadMs)
    await new Promise<void>(resolve => {
      const go = () => {
        raw.off('drain', go)
        signal.removeEventListener('abort', go)
        resolve()
      }
      raw.once('drain', go)
      signal.addEventListener('abort', go, { once: true })
    })
    raw.setTimeout(0)
  }
}

function stopWith(raw: ServerResponse, stop: AbortController): void {
  raw.on('error', () => stop.abort())
  raw.once('close', () => stop.abort())
}
