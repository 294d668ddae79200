/** Sends a request on to the registry that leads, with the caller's own credentials, and passes its answer back. */
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { notReached, type System, stringifyLossless } from '../base.ts'
import { errors } from './errors.ts'
import { type Identity, urlOf } from './leader.ts'

/** Confluent's: a request that has been forwarded is not forwarded again. */
const forwarded = 'x-forward'
const timeoutMs = 60_000
const mostCharacters = 2 ** 24

export function isForwarded(request: FastifyRequest): boolean {
  return request.headers[forwarded] !== undefined
}

/** null: it has not got there, or the other one does not lead either; nothing was changed. Throws HttpError 50003. */
export async function forward(
  leader: Identity,
  request: FastifyRequest,
  reply: FastifyReply,
  system: Pick<System, 'timers'>,
): Promise<string | null> {
  const aborting = new AbortController()
  const timer = system.timers.after(timeoutMs, () => aborting.abort())
  try {
    const { status, type, text } = await send(leader, request, aborting.signal)
    if (status === 500 && /"error_code":\s*50004\b/.test(text)) return null
    reply.code(status)
    if (type !== undefined) reply.header('content-type', type)
    reply.serializer((body: unknown) => body as string)
    return text
  } catch (error) {
    if (notReached(error)) return null
    throw errors.forwarding(`The request could not be forwarded to the leader at ${urlOf(leader)}`, error)
  } finally {
    timer.cancel()
  }
}

interface Answer {
  readonly status: number
  readonly type: string | undefined
  readonly text: string
}

function send(leader: Identity, { method, raw, headers, body }: FastifyRequest, signal: AbortSignal): Promise<Answer> {
  const { authorization, accept } = headers
  const text = body === undefined ? '' : stringifyLossless(body)
  const options = {
    method,
    // As it came: a URL would lose segments named `.` and `..`, and lead elsewhere.
    path: raw.url!,
    signal,
    headers: {
      [forwarded]: 'true',
      ...(authorization === undefined ? {} : { authorization }),
      ...(accept === undefined ? {} : { accept }),
      ...(text === '' ? {} : { 'content-type': 'application/json' }),
      'content-length': Buffer.byteLength(text),
    },
  }
  return new Promise((resolve, reject) => {
    const sent = (leader.scheme === 'https' ? httpsRequest : httpRequest)(`${urlOf(leader)}${raw.url}`, options)
    sent.on('response', response => readAnswer(response).then(resolve, reject))
    sent.on('error', reject)
    sent.end(text)
  })
}

async function readAnswer(response: IncomingMessage): Promise<Answer> {
  let text = ''
  response.setEncoding('utf8')
  for await (const part of response) {
    text += part
    if (text.length > mostCharacters) throw new Error(`the answer has more than ${mostCharacters} characters`)
  }
  return { status: response.statusCode!, type: response.headers['content-type'], text }
}
