/**
 * `POST …/records`: a stream of records in, a stream of reports out, in the same order.
 *
 * All records of one read from the socket go to Kafka together. Their reports are written as soon as they and all before them are stored; an error of
 * one record is a report like any other. Who takes no reports, or sends faster than Kafka stores, is not read from until that has changed.
 */
import { isUtf8 } from 'node:buffer'
import type { IncomingMessage } from 'node:http'
import { PassThrough } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import { Type } from 'typebox'
import { drained, inSlices, type MaybePromise, mostJsonAtOnce, readDocument } from '../../base.ts'
import type { Client } from '../../client.ts'
import { type HttpApp, HttpError } from '../../http.ts'
import { badRequestOf, invalidPayload } from '../errors.ts'
import { Idle } from '../idle.ts'
import { recordOverhead } from '../records/budget.ts'
import { DocumentCutter, MalformedStream } from '../records/documents.ts'
import { type ReadRecord, rawAt, rawIn, readOne } from '../records/record.ts'
import { failureOf, isFailure, placeOf, successOf } from '../records/report.ts'
import type { Schemas } from '../records/schemas.ts'
import { sendAll } from '../records/send.ts'
import type { Asking, Rest } from '../rest.ts'
import { ErrorBody, errors, InTopic, NewRecord, RecordReport } from './schemas.ts'

/** After the answer, before the connection is closed. */
const lingerMs = 1_000
/** Reports that wait for those before them. */
const mostBatchesUnderWay = 16
const separator = '\r\n'

export async function recordRoutes(rest: Rest): Promise<void> {
  await rest.app.register(async (instance: FastifyInstance) => {
    const scope = instance as unknown as HttpApp
    scope.removeAllContentTypeParsers()
    // The body is not read before the handler does.
    scope.addContentTypeParser(['application/json', 'application/octet-stream'], (_request, body, done) => done(null, body))
    scope.post(
      '/v3/clusters/:cluster_id/topics/:topic_name/records',
      {
        // The body is a stream of these.
        validatorCompiler: () => () => true,
        schema: { params: InTopic, body: NewRecord, response: { 200: Type.Union([RecordReport, ErrorBody]), ...errors } },
      },
      (request, reply) => {
        const body = request.body as unknown as IncomingMessage | undefined
        if (body === undefined) throw invalidPayload('Request body is empty. Data is required.')
        rest.budget.admit(rest.identity(request).principal)
        const answer = new PassThrough()
        const { cluster_id, topic_name } = request.params
        const release = rest.hold(request)
        void new RecordStream(rest, request, topic_name, placeOf(cluster_id, topic_name), answer).run(body).finally(release)
        reply.header('content-type', 'application/json').send(answer as never)
      },
    )
  })
}

/** The sender is gone. */
class CutOff extends Error {}

class RecordStream {
  readonly #rest: Rest
  readonly #client: Client
  readonly #schemas: Schemas | null
  readonly #principal: string
  readonly #topic: string
  readonly #place: string
  readonly #answer: PassThrough
  #idle: Idle | null = null
  #tail: Promise<void> = Promise.resolve()
  #underWay = 0

  constructor(rest: Rest, request: Asking, topic: string, place: string, answer: PassThrough) {
    this.#rest = rest
    this.#client = rest.client(request)
    this.#schemas = rest.schemas(request)
    this.#principal = rest.identity(request).principal
    this.#topic = topic
    this.#place = place
    this.#answer = answer
  }

  /** Does not reject. */
  async run(body: IncomingMessage): Promise<void> {
    const { system, stopping, settings, logger } = this.#rest
    const input = body.pipe(new PassThrough())
    body.once('close', () => input.destroyed || body.readableEnded || input.destroy(new CutOff()))
    let ending: HttpError | null = null
    const stop = () => {
      body.unpipe(input)
      input.end()
      // Perhaps nobody reads the answers.
      system.timers.after(lingerMs, () => (body.complete && this.#answer.readableEnded) || body.destroy())
    }
    this.#idle = new Idle(system, settings.streamIdleMs, () => {
      ending = new HttpError(408, 408, 'Streaming connection idle for longer than allowed: Connection will be closed.')
      stop()
    })
    stopping.addEventListener('abort', stop, { once: true })
    try {
      await this.#read(input)
    } catch (error) {
      // Of a sender who is gone: what was sent has been sent on.
      if (error instanceof CutOff) logger.debug({ service: 'rest' }, 'a stream of records was cut off')
      else this.#report(Promise.reject(error as Error))
    } finally {
      stopping.removeEventListener('abort', stop)
      await this.#tail
      this.#idle.stop()
      if (ending !== null) this.#answer.write(lineOf(ending))
      this.#answer.end()
      // What is left is of no use, but who still sends it must be able to read the answer.
      body.resume()
      if (!body.complete) system.timers.after(lingerMs, () => body.complete || body.destroy())
    }
  }

  async #read(input: PassThrough): Promise<void> {
    const cutter = new DocumentCutter(this.#rest.mostBodyBytes)
    for await (const chunk of input) {
      this.#idle?.touch()
      const documents: Buffer[] = []
      const damage = cut(() => cutter.push(chunk as Buffer, documents))
      const isWhole = documents.length === 0 || (await this.#send(documents))
      if (damage !== null) this.#report(Promise.resolve(lineOf(damage)))
      if (damage !== null || !isWhole || this.#answer.destroyed) return
    }
    const damage = cut(() => cutter.end())
    if (damage !== null) this.#report(Promise.resolve(lineOf(damage)))
  }

  /** Resolves when the next may be read. False: one of them is no JSON, and what comes after it is not to be trusted. */
  async #send(documents: readonly Buffer[]): Promise<boolean> {
    const now = this.#rest.system.clock.now()
    let bytes = 0
    const read: (ReadRecord | HttpError)[] = []
    let isWhole = true
    const { turns } = this.#rest
    for (const document of documents) {
      if (turns.over) await turns.next()
      bytes += document.length + recordOverhead
      const reading = this.#recordIn(document, now)
      // A schema may have to be fetched, or registered, and the next record may use it.
      const record = reading instanceof Promise ? await reading : reading
      if (record instanceof SyntaxError) {
        read.push(badRequestOf(`Error processing message: ${record.message}`))
        isWhole = false
        break
      }
      read.push(record)
    }
    const release = await this.#rest.budget.wait(this.#principal, bytes)
    this.#report(this.#deliver(read).finally(release))
    while (this.#underWay >= mostBatchesUnderWay && !this.#answer.destroyed) await this.#oneDone()
    return isWhole
  }

  #recordIn(document: Buffer, nowMs: number): MaybePromise<ReadRecord | HttpError | SyntaxError> {
    if (!isUtf8(document)) return new SyntaxError('Invalid UTF-8')
    const text = document.toString('utf8')
    const { turns } = this.#rest
    const reading = { topic: this.#topic, nowMs, schemas: this.#schemas, turns }
    const told = (error: unknown): SyntaxError => {
      if (error instanceof SyntaxError) return error
      throw error
    }
    if (text.length > mostJsonAtOnce)
      return readDocument(text, turns, 2).then(whole => readOne(whole.value, rawAt(text, whole.value, whole), reading), told)
    try {
      return readOne(JSON.parse(text), rawIn(text), reading)
    } catch (error) {
      return told(error)
    }
  }

  /** Resolves to the reports. */
  async #deliver(read: readonly (ReadRecord | HttpError)[]): Promise<string> {
    const outcomes = await sendAll(this.#client, this.#topic, read)
    const lines = await inSlices(this.#rest.turns, outcomes, (outcome, index) =>
      isFailure(outcome) ? lineOf(outcome) : `{"error_code":200,${successOf(this.#place, read[index] as ReadRecord, outcome)}}${separator}`,
    )
    return lines.join('')
  }

  /** Writes after what is under way. */
  #report(text: Promise<string>): void {
    this.#underWay++
    const told = text.catch((error: Error) => {
      this.#rest.logger.error({ service: 'rest', err: error }, 'records could not be sent')
      return lineOf(error)
    })
    this.#tail = Promise.all([told, this.#tail]).then(async ([reports]) => {
      if (!this.#answer.destroyed && !this.#answer.write(reports)) await drained(this.#answer)
      this.#idle?.touch()
      this.#underWay--
      for (const resume of this.#resumes.splice(0)) resume()
    })
  }

  readonly #resumes: (() => void)[] = []

  #oneDone(): Promise<void> {
    return new Promise(resolve => this.#resumes.push(resolve))
  }
}

function cut(step: () => void): HttpError | null {
  try {
    step()
    return null
  } catch (error) {
    if (!(error instanceof MalformedStream)) throw error
    return badRequestOf(`Error processing message: ${error.message}`)
  }
}

function lineOf(error: Error): string {
  return `{${failureOf(error)}}${separator}`
}
